"""Write and read one arm's record on disk: a folder that is whole or missing.

config.json           the arm's config, the corpus's facts, and how samples are drawn
metrics.jsonl         one line per training step and per evaluation
weights.safetensors   the weights of the best evaluation
nats.npz              the nats of each byte of the text that the loss is from
tokenizer.json        everything that rebuilds the tokenizer; a large one is in ../tokenizers/, once
result.json           the arm's entry in results.json
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from gptkit.config import Arm
from gptkit.data.corpus_facts import CorpusFacts
from gptkit.errors import RunError
from gptkit.events import Evaluated, StepDone
from gptkit.files import (
    flush_folder,
    read_bytes,
    rename_patiently,
    temporary_name,
    to_json,
    write_bytes,
    write_json,
)
from gptkit.plan.experiment_config import find_unknown
from gptkit.results.byte_losses import ByteLosses
from gptkit.results.schema import ArmResult
from gptkit_tokenizers import Tokenizer, TokenizerError, adapt, tokenizer_from_dict
from gptkit_tokenizers.base import JsonObject

if TYPE_CHECKING:
    from torch import Tensor

    from gptkit.models import Model

T = TypeVar("T")


MAX_INLINE_BYTES = 64_000  # a larger tokenizer is written once per experiment


class SharedTokenizer(msgspec.Struct, frozen=True, kw_only=True):
    """A reference to a record in the experiment's folder `tokenizers/`."""

    shared_sha256: str


class Sampling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How samples are drawn: the same prompt, seed and length in bytes for every arm."""

    prompt: str
    n_bytes: int
    temperature: float
    top_k: int | None


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """config.json of a run."""

    arm: Arm
    corpus: CorpusFacts
    sampling: Sampling

    def is_same(self, other: RunConfig) -> bool:
        """Return whether both describe the same training; a text is told by its hash."""
        return self._without_names() == other._without_names()

    def sha256(self) -> str:
        """Return a hash that two records share if they describe the same training."""
        return hashlib.sha256(msgspec.json.encode(self._without_names())).hexdigest()

    def _without_names(self) -> RunConfig:
        return msgspec.structs.replace(self, corpus=self.corpus.without_names())


def write_run(
    folder: Path,
    *,
    config: RunConfig,
    tokenizer: Tokenizer,
    model: Model,
    metrics: Sequence[StepDone | Evaluated],
    losses: ByteLosses,
    result: ArmResult,
    make_room: Callable[[], None] = lambda: None,
) -> None:
    """Write a run folder under a temporary name and rename it.

    What `folder` held before, such as a run that cannot be read, is replaced. If the folder cannot
    be written, the run is written to a temporary folder elsewhere.

    Args:
        make_room: called if the disk is full, before a second try.

    Raises:
        RunError: it cannot be written; the message says where it is instead.
    """
    import safetensors.torch

    state = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
    encode = msgspec.json.Encoder().encode
    files = {
        "config.json": to_json(config).encode(),
        "result.json": to_json(result).encode(),
        "metrics.jsonl": b"".join(encode(m) + b"\n" for m in metrics),
        "nats.npz": losses.to_npz(),
        "weights.safetensors": safetensors.torch.save(state),
    }
    try:
        temporary = _write_files(folder, files, tokenizer)
    except OSError:
        make_room()
        try:
            temporary = _write_files(folder, files, tokenizer)
        except OSError as error:
            raise _written_beside(folder, files, tokenizer, error) from error
    try:
        if folder.is_dir():
            rename_patiently(folder, replaced := temporary_name(folder))
            rename_patiently(temporary, folder)
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            rename_patiently(temporary, folder)
        flush_folder(folder.parent)
    except OSError as error:
        raise RunError(
            f"{folder} cannot be made: {error.strerror}. The arm is finished, in {temporary}.\n"
            f"Rename that folder to {folder.name}, or resume: resume=True."
        ) from error


def _write_files(folder: Path, files: Mapping[str, bytes], tokenizer: Tokenizer) -> Path:
    """Write the files of a run under a temporary name, and return that; all of them or none."""
    temporary = temporary_name(folder)
    try:
        write_json(temporary / "tokenizer.json", _tokenizer_record(tokenizer, folder.parent))
        for name, data in files.items():  # the weights last: with them, the run is whole
            write_bytes(temporary / name, data)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return temporary


def _written_beside(
    folder: Path, files: Mapping[str, bytes], tokenizer: Tokenizer, why: OSError
) -> RunError:
    """Write a run to a temporary folder elsewhere, and return the error that says so."""
    name = Path(why.filename or folder).name
    go_on = f"continue with resume=True and name={folder.parent.name!r}."
    megabytes = sum(map(len, files.values())) / 1e6
    reason = (
        f"{folder / name} cannot be written: {why.strerror}. The arm takes {megabytes:,.1f} MB."
    )
    try:
        beside = Path(tempfile.mkdtemp(prefix="gptkit-")) / folder.name
        _write_files(beside, files, tokenizer).rename(beside)
    except OSError as error:
        return RunError(
            f"{reason}\nIt could not be written to {tempfile.gettempdir()} either: "
            f"{error.strerror}. Make room, then {go_on}"
        )
    return RunError(
        f"{reason}\nThe arm is finished, in {beside}. Make room, move what is in {beside.parent} "
        f"to {folder.parent}, then {go_on}"
    )


@dataclass(frozen=True)
class Run:
    """A run that was read from disk. Its model, tokenizer and metrics load at first use."""

    folder: Path
    record: RunConfig
    result: ArmResult
    given: Tokenizer | None = None

    @property
    def config(self) -> Arm:
        return self.record.arm

    @cached_property
    def tokenizer(self) -> Tokenizer:
        path = self.folder / "tokenizer.json"
        try:
            tokenizer = self.given or tokenizer_from_dict(_read_tokenizer(path))
        except TokenizerError as error:
            if error.__cause__ is None:  # it says by itself what to do
                raise
            raise RunError(f"{path} does not describe a tokenizer: {error}") from error
        if tokenizer.vocab_size != self.result.vocab_size:
            raise RunError(
                f"{path} describes another tokenizer than the run's: it has "
                f"{tokenizer.vocab_size:,} ids, the run {self.result.vocab_size:,}."
            )
        return tokenizer

    @cached_property
    def model(self) -> Model:
        import safetensors
        import safetensors.torch
        import torch

        from gptkit.models import MODELS

        path = self.folder / "weights.safetensors"
        errors = (OSError, LookupError, ValueError, RuntimeError, safetensors.SafetensorError)
        try:
            if not path.is_file():
                raise ValueError("it is missing, or no regular file")
            state = safetensors.torch.load_file(path)
            self._check_size(state)
            with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and replaced
                model = MODELS[self.config.model.architecture](
                    self.config.model,
                    self.result.vocab_size,
                    state["support"],
                    block_size=self.config.schedule.block_size,
                )
            model.load_state_dict(state)
        except errors as error:
            raise RunError(
                f"{path} does not hold this run's weights: {error}.\nTrain the arm again."
            ) from error
        if not all(p.isfinite().all() for p in model.parameters()):
            raise RunError(
                f"{path} has weights that are no numbers: the training diverged, or the file is "
                "damaged.\nTrain the arm again, with a smaller learning rate if it diverged."
            )
        return model.eval()

    def _check_size(self, state: Mapping[str, Tensor]) -> None:
        """Raise a ValueError for weights that cannot be those of the config's model.

        It comes before the model is built, which could take any memory.
        """
        from gptkit.models import MODELS

        architecture, vocab_size = MODELS[self.config.model.architecture], self.result.vocab_size
        if "support" not in state:
            raise ValueError("it has no tensor named support")
        support = state["support"]
        ids = vocab_size**2 if architecture.support_is_pairs else vocab_size
        ascending = support.ndim == 1 and bool((support[1:] > support[:-1]).all())
        if support.dtype.is_floating_point or not ascending or not len(support):
            raise ValueError("its support is not a list of ids")
        if support[0] < 0 or int(support[-1]) >= ids:
            raise ValueError(f"its support has ids beyond the vocabulary of {vocab_size:,}")
        expected = architecture.count_stored(
            self.config.model,
            vocab_size=vocab_size,
            support=len(support),
            block_size=self.config.schedule.block_size,
        )
        found = sum(tensor.numel() for name, tensor in state.items() if name != "support")
        if found != expected:
            raise ValueError(f"it has {found:,} numbers, and the model {expected:,}")

    @cached_property
    def metrics(self) -> list[StepDone | Evaluated]:
        path = self.folder / "metrics.jsonl"
        decode = msgspec.json.Decoder(StepDone | Evaluated).decode
        try:
            return [decode(line) for line in read_bytes(path).splitlines()]
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{path} cannot be read: {error}.") from error


def load_run(path: str | Path, *, tokenizer: Any = None) -> Run:
    """Open a run folder, `OUT/<experiment>/<arm id>`.

    Args:
        tokenizer: the object that the run was trained with, if it cannot be rebuilt.

    Raises:
        RunError: the folder is missing or is not a run. For an experiment, the message names the
            runs inside.
    """
    folder = Path(path)
    if not (folder / "config.json").is_file():
        inside = sorted(str(p.parent) for p in folder.glob("*/config.json"))
        if inside:
            raise RunError(f"{folder} holds several runs. Give one of: {', '.join(inside)}.")
        if not folder.exists():
            raise RunError(f"there is no folder {folder}. Give the folder of an arm.")
        raise RunError(
            f"{folder} is not a run: it has no config.json.\n"
            "Give the folder of an arm, as in runs/<experiment>/char-decoder-s0."
        )
    record = _read(folder / "config.json", RunConfig, "a run's config")
    if unknown := find_unknown(_read_json(folder / "config.json")["arm"], record.arm):
        raise RunError(
            f"{folder / 'config.json'} is not a run's config: an arm has no field {unknown!r}."
        )
    result = _read(folder / "result.json", ArmResult, "a run's result")
    given = None if tokenizer is None else adapt(tokenizer, result.tokenizer)
    return Run(folder, record, result, given)


def record_sha256(tokenizer: Tokenizer) -> str:
    """Return the hash of a tokenizer's record."""
    return hashlib.sha256(msgspec.json.encode(tokenizer.to_dict())).hexdigest()


def _tokenizer_record(tokenizer: Tokenizer, experiment: Path) -> JsonObject | SharedTokenizer:
    """Return the tokenizer's record; a large one is written to the experiment's folder, once."""
    record = tokenizer.to_dict()
    data = msgspec.json.encode(record)
    if len(data) <= MAX_INLINE_BYTES:
        return record
    shared = SharedTokenizer(shared_sha256=hashlib.sha256(data).hexdigest())
    path = experiment / "tokenizers" / f"{shared.shared_sha256[:16]}.json"
    if not path.exists():
        write_bytes(path, data)
    return shared


def _read_tokenizer(path: Path) -> JsonObject:
    record = _read_json(path)
    digest = record.get("shared_sha256")
    if digest is None:
        return record
    shared = path.parents[1] / "tokenizers" / f"{str(digest)[:16]}.json"
    if not re.fullmatch(r"[0-9a-f]{64}", str(digest)):
        raise RunError(f"{path} does not describe a tokenizer.")
    try:
        data = read_bytes(shared)
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path} refers to {shared}, which cannot be read: {error}.\n"
            "Copy the experiment's folder as a whole."
        ) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise RunError(f"{shared} was changed: it is not the tokenizer that {path} refers to.")
    rebuilt: JsonObject = msgspec.json.decode(data)
    return rebuilt


def _read(path: Path, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(read_bytes(path), type=kind)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is not {what}: {error}.") from error


def _read_json(path: Path) -> JsonObject:
    try:
        data = json.loads(read_bytes(path))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read: {error}.") from error
    if not isinstance(data, dict):
        raise RunError(f"{path} is not a JSON object.")
    return data
