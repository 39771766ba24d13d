"""Load a causal language model in Hugging Face's layout, to score texts with it.

Needs the extra `hf`. Weights are read from safetensors alone, and no code of a model's own is run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptkit.errors import ConfigError
from gptkit.models.compact_softmax import CompactHead

if TYPE_CHECKING:
    from types import ModuleType

HUB = "hf:"
CACHED_LOGITS = 2**18  # a megabyte


class CompactCausalLM(nn.Module):
    """A model of transformers whose head has equal rows, each of which is computed once.

    Args:
        model: the model of transformers; its logits are a linear map of its last hidden state.
        support: the ids (k,) with rows of their own; all others have the same row.
    """

    def __init__(self, model: Any, *, block_size: int, support: Tensor) -> None:
        super().__init__()
        self.model, self.block_size = model, block_size
        rows = model.get_output_embeddings().weight.detach()  # (V, C)
        unused = torch.ones(len(rows), dtype=torch.bool)
        unused[support] = False
        shared = rows[unused][:1]
        if not (rows[unused] == shared).all():
            raise ConfigError("the rows of the head that should be equal are not.")
        self.head = CompactHead(len(rows), rows.shape[1], support)
        self.head.weight.data = torch.cat([rows[support], shared])

    def nll(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Return nats per target: ids (B, T), targets (B, T) -> (B, T)."""
        return self.head.nll(self.model.base_model(input_ids=ids, use_cache=False)[0], targets)


class CausalLM(nn.Module):
    """A model of transformers with what `gptkit.eval.evaluation.sweep` needs of a model.

    Args:
        model: the model of transformers.
        block_size: the longest context in tokens that is used.
    """

    def __init__(self, model: Any, *, block_size: int) -> None:
        super().__init__()
        self.model = model
        self.block_size = block_size

    @property
    def vocab_size(self) -> int:
        """The number of ids that the model has an embedding and a logit for."""
        rows = self.model.get_input_embeddings().weight.shape[0]
        head = self.model.get_output_embeddings()
        return rows if head is None else min(rows, head.weight.shape[0])

    def nll(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Return nats per target: ids (B, T), targets (B, T) -> (B, T)."""
        logits = self.model(input_ids=ids, use_cache=False).logits.flatten(0, 1)  # (BT, V)
        return nats_of(logits, targets.flatten()).view_as(targets)


def nats_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Return nats per target: logits (N, V), targets (N,) -> (N,).

    Σ exp(logit - target's logit) is computed for a few rows at a time, which stay in the
    processor's cache: half the time of `cross_entropy`.
    """
    rows = max(1, CACHED_LOGITS // logits.shape[1])
    blocks = zip(logits.split(rows), targets[:, None].split(rows), strict=True)
    total = torch.cat(
        [(block.float() - block.float().gather(1, at)).exp_().sum(dim=1) for block, at in blocks]
    )
    if total.isfinite().all():
        return total.log()
    return F.cross_entropy(logits.float(), targets, reduction="none")  # a target below e^-88


def import_transformers() -> ModuleType:
    """Import transformers.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise ConfigError(
            "this needs transformers, which is not installed.\nInstall the extra: "
            "pip install -e '.[hf]' 'torch<2.14'"
        ) from error
    return transformers


def load_causal_lm(
    name: str, *, block_size: int | None = None, dtype: torch.dtype = torch.float32
) -> CausalLM:
    """Load a model from a folder, or from the hub or its cache: `hf:OWNER/NAME[@REVISION]`.

    Args:
        block_size: the longest context in tokens, if the model has more; None for its own.

    Raises:
        ConfigError: it is no causal language model in this layout, has no safetensors, or needs
            code of its own.
    """
    transformers = import_transformers()
    where, options = _where(name)
    try:
        with torch.random.fork_rng(devices=[]):  # transformers draws initial weights
            model = transformers.AutoModelForCausalLM.from_pretrained(
                where, dtype=dtype, use_safetensors=True, trust_remote_code=False, **options
            )
    except Exception as error:  # of many kinds: of the files, the hub, or the architecture
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ConfigError(
            f"{name} cannot be loaded as a causal language model by transformers "
            f"{transformers.__version__}: {reason}"
        ) from error
    config = model.config.get_text_config()
    longest = getattr(config, "max_position_embeddings", None) or getattr(config, "n_ctx", None)
    limits = [limit for limit in (block_size, longest) if limit is not None]
    if not limits:
        raise ConfigError(
            f"{name} does not say how long its context is. Give context=N, in tokens."
        )
    return CausalLM(model.eval(), block_size=min(limits))


def _where(name: str) -> tuple[str, dict[str, Any]]:
    """Return what transformers calls the place of a model, and options for it."""
    if name.startswith(HUB):
        repository, _, revision = name.removeprefix(HUB).partition("@")
        return repository, {"revision": revision} if revision else {}
    folder = Path(name).expanduser()
    check_model_folder(folder)
    return str(folder), {"local_files_only": True}


def check_model_folder(folder: Path) -> None:
    """Check that a folder has a model's config and weights that can be read safely.

    Raises:
        ConfigError: it has not.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"there is no folder {folder}. Give the folder of a model in Hugging Face's layout, a "
            "run's folder,\nor hf:OWNER/NAME for one on the hub."
        )
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{folder} is no model in Hugging Face's layout: its config.json is missing or damaged."
        ) from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise ConfigError(
            f"{folder} is no model in Hugging Face's layout: its config.json has no model_type."
        )
    if not [*folder.glob("*.safetensors")]:
        pickled = [path.name for kind in ("*.bin", "*.pt", "*.pth") for path in folder.glob(kind)]
        what = (
            f"its weights are in {sorted(pickled)[0]}, a pickle, and opening a pickle can run any "
            "code.\nConvert it where you trust it: model.save_pretrained(DIR) of transformers "
            "writes safetensors."
            if pickled
            else "it has no .safetensors file."
        )
        raise ConfigError(f"{folder} cannot be read: {what}")
