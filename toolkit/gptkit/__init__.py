"""gptkit: which tokenizer should I train with?

The public names, imported when first used: `import gptkit` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gptkit.data.corpus import load_corpus
    from gptkit.engines.run_folder import load_run
    from gptkit.errors import GptkitError
    from gptkit.experiment import Experiment, ScaleLadder, compare, scale
    from gptkit.plan.ladder import ladder
    from gptkit.report.result import Result, load_result
    from gptkit.report.scale_result import ScaleResult, load_scale
    from gptkit_tokenizers import TokenizerError, get_tokenizer

_HOME = {
    "Experiment": "gptkit.experiment",
    "GptkitError": "gptkit.errors",
    "Result": "gptkit.report.result",
    "ScaleLadder": "gptkit.experiment",
    "ScaleResult": "gptkit.report.scale_result",
    "TokenizerError": "gptkit_tokenizers",
    "compare": "gptkit.experiment",
    "get_tokenizer": "gptkit_tokenizers",
    "ladder": "gptkit.plan.ladder",
    "load_corpus": "gptkit.data.corpus",
    "load_result": "gptkit.report.result",
    "load_run": "gptkit.engines.run_folder",
    "load_scale": "gptkit.report.scale_result",
    "scale": "gptkit.experiment",
}

__all__ = [
    "Experiment",
    "GptkitError",
    "Result",
    "ScaleLadder",
    "ScaleResult",
    "TokenizerError",
    "compare",
    "get_tokenizer",
    "ladder",
    "load_corpus",
    "load_result",
    "load_run",
    "load_scale",
    "scale",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gptkit' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
