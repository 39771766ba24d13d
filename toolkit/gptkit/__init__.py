"""gptkit: which tokenizer should I train with?

The public names, imported when first used: `import gptkit` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gptkit import experiments
    from gptkit.corpus import load_corpus
    from gptkit.errors import GptkitError
    from gptkit.experiment import Experiment, compare
    from gptkit.result import Result, load_result
    from gptkit.runs import load_run
    from gptkit_tokenizers import TokenizerError, get_tokenizer

_HOME = {
    "Experiment": "gptkit.experiment",
    "GptkitError": "gptkit.errors",
    "Result": "gptkit.result",
    "TokenizerError": "gptkit_tokenizers",
    "compare": "gptkit.experiment",
    "experiments": "gptkit.experiments",
    "get_tokenizer": "gptkit_tokenizers",
    "load_corpus": "gptkit.corpus",
    "load_result": "gptkit.result",
    "load_run": "gptkit.runs",
}

__all__ = [
    "Experiment",
    "GptkitError",
    "Result",
    "TokenizerError",
    "compare",
    "experiments",
    "get_tokenizer",
    "load_corpus",
    "load_result",
    "load_run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gptkit' has no attribute {name!r}")
    module = import_module(_HOME[name])
    return module if module.__name__ == f"gptkit.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
