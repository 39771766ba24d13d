"""One arm's record on disk: a folder that is there whole or not at all.

config.json           the arm, complete, with the corpus's facts and how samples are drawn
metrics.jsonl         a line per training step and per evaluation
weights.safetensors   the model at its best evaluation
nats.npz              what it spent on each byte of the text that the claim is from
tokenizer.json        all that rebuilds the tokenizer
result.json           the arm's entry in results.json
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch

from gptkit.config import Arm
from gptkit.errors import RunError
from gptkit.files import temporary_name, write_bytes, write_json, write_text
from gptkit.models import MODELS, Model
from gptkit.results.byte_losses import ByteLosses
from gptkit_tokenizers import Tokenizer, tokenizer_from_dict


def write_run(
    folder: Path,
    *,
    arm: Arm,
    corpus: dict[str, Any],
    sampling: dict[str, Any],
    tokenizer: Tokenizer,
    model: Model,
    metrics: Sequence[dict[str, Any]],
    losses: ByteLosses,
    result: dict[str, Any],
) -> None:
    """Write a run folder under a temporary name and rename it; `folder` must not exist."""
    temporary = temporary_name(folder)
    state = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
    try:
        config = {"arm": arm.to_dict(), "corpus": corpus, "sampling": sampling}
        write_json(temporary / "config.json", config)
        write_json(temporary / "tokenizer.json", tokenizer.to_dict())
        write_json(temporary / "result.json", result)
        write_text(temporary / "metrics.jsonl", "".join(json.dumps(m) + "\n" for m in metrics))
        write_bytes(temporary / "nats.npz", losses.to_npz())
        write_bytes(temporary / "weights.safetensors", safetensors.torch.save(state))
        os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@dataclass(frozen=True)
class Run:
    """A run read back. `config` is the arm; the model and the tokenizer load when asked for."""

    folder: Path
    config: Arm
    result: dict[str, Any]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        path = self.folder / "tokenizer.json"
        try:
            tokenizer = tokenizer_from_dict(_read_json(path))
        except (KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path} does not describe a tokenizer: {error!r}.") from error
        if tokenizer.vocab_size != self.result["vocab_size"]:
            raise RunError(
                f"{path} describes another tokenizer than the run's: it has "
                f"{tokenizer.vocab_size:,} ids, the run {self.result['vocab_size']:,}."
            )
        return tokenizer

    @cached_property
    def model(self) -> Model:
        path = self.folder / "weights.safetensors"
        try:
            state = safetensors.torch.load_file(path)
            model_class = MODELS[self.config.model.architecture]
            model = model_class(self.config.model, self.result["vocab_size"], state["support"])
            model.load_state_dict(state)
        except (OSError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
            raise RunError(
                f"{path} does not hold this run's weights: {error}.\nTrain the arm again."
            ) from error
        return model.eval()

    @cached_property
    def corpus(self) -> dict[str, Any]:
        """The facts of the text that it was trained on."""
        return _read_json(self.folder / "config.json")["corpus"]

    @cached_property
    def sampling(self) -> dict[str, Any] | None:
        """How its sample was drawn; None for a run of before that was recorded."""
        return _read_json(self.folder / "config.json").get("sampling")

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        lines = (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


def load_run(path: str | Path) -> Run:
    """Open a run folder, `OUT/<experiment>/<arm id>`.

    Raises:
        RunError: no such folder, or not a run; for an experiment, it names the runs inside.
    """
    folder = Path(path)
    if not (folder / "config.json").is_file():
        inside = sorted(str(p.parent) for p in folder.glob("*/config.json"))
        if inside:
            raise RunError(f"{folder} holds several runs. Give one of: {', '.join(inside)}.")
        raise RunError(
            f"{folder} is not a run: it has no config.json.\n"
            "Give the folder of an arm, as in runs/<experiment>/char-decoder-s0."
        )
    try:
        arm = Arm.from_dict(_read_json(folder / "config.json")["arm"])
    except (KeyError, TypeError) as error:
        raise RunError(f"{folder / 'config.json'} is not a run's config: {error}.") from error
    result = _read_json(folder / "result.json")
    if not {"vocab_size", "samples"} <= result.keys():
        raise RunError(f"{folder / 'result.json'} is not a run's result.")
    return Run(folder, arm, result)


def read_losses(folder: Path) -> ByteLosses:
    """What a run's model spent on each byte.

    Raises:
        RunError: no such file, or not one.
    """
    path = folder / "nats.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return ByteLosses(**{name: arrays[name] for name in ("text", "nats", "borders")})
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RunError(
            f"{path} does not hold a run's losses by byte: {error}.\nTrain the arm again."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}.") from error
    if not isinstance(data, dict):
        raise RunError(f"{path} is not a JSON object.")
    return data
