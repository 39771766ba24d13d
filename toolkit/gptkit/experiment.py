"""Experiment: what the user asked. Its plan: complete arms. Its result: all runs and a verdict."""

from __future__ import annotations

import difflib
import itertools
import json
import math
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from rich.table import Table

from gptkit.config import RECIPES, Arm
from gptkit.corpus import Corpus, load_corpus
from gptkit.encoded import EncodedCorpus, encode_corpus
from gptkit.engines.local import OnEvent, Sampling, find_device, run_arm
from gptkit.errors import ConfigError, RunError
from gptkit.files import write_json
from gptkit.matching import Plan, match_bytes, steps_of
from gptkit.tables import SMALLEST_CLAIM, loss_table


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Tokenizers x models x seeds on one corpus, matched by training bytes.

    Attributes:
        tokenizers: specs, as `get_tokenizer` takes them.
        models: names of recipes: bigram, decoder, lecture.
        data: a corpus, as `load_corpus` takes it; None for tinyshakespeare, or python-docs where
            it cannot be had.
        budget: training text per arm ("600KB") or steps ("300steps").
        seeds: how many, from 0.
        context_bytes: how far back a model sees, in bytes of text.
        bytes_per_step: text per training step.
        stride_bytes: how far evaluation windows advance; None for disjoint windows.
        prompt: what samples go on from; None for a line break, or the text's first character
            where it has none.
        sample_bytes, temperature, top_k: how samples are drawn.
        out: the folder experiments are written under.
        name: the experiment's folder; None for one named after its tokenizers.
        device: auto, cpu or cuda.
    """

    tokenizers: Sequence[str] = ("char", "gpt2")
    models: Sequence[str] = ("bigram", "decoder")
    data: str | None = None
    budget: str = "600KB"
    seeds: int = 1
    context_bytes: int = 160
    bytes_per_step: int = 1024
    split: float = 0.9
    stride_bytes: int | None = None
    prompt: str | None = None
    sample_bytes: int = 300
    temperature: float = 1.0
    top_k: int | None = None
    out: str | Path = "runs"
    name: str | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        for field in ("tokenizers", "models"):
            names = tuple(getattr(self, field))
            object.__setattr__(self, field, names)
            if not names:
                raise ConfigError(f"{field} is empty; name at least one.")
            if len(set(names)) < len(names):
                raise ConfigError(f"{field} names one twice: {', '.join(names)}.")
        for model in self.models:
            if model not in RECIPES:
                near = difflib.get_close_matches(model, RECIPES, n=1)
                hint = f" Did you mean {near[0]}?" if near else ""
                raise ConfigError(
                    f"there is no model {model!r}.{hint}\nThere are: {', '.join(RECIPES)}."
                )
        for field in (
            "seeds",
            "context_bytes",
            "bytes_per_step",
            "sample_bytes",
            "stride_bytes",
            "top_k",
        ):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise ConfigError(f"{field} is {value}; it must be at least 1.")
        if self.bytes_per_step < 2 * self.context_bytes:
            raise ConfigError(
                f"bytes_per_step is {self.bytes_per_step}, less than twice context_bytes "
                f"{self.context_bytes}: with so few windows a step, tokenizers cannot be kept "
                "level.\nGive more bytes per step, or a shorter context."
            )
        if self.stride_bytes is not None and self.stride_bytes > self.context_bytes:
            raise ConfigError(
                f"stride_bytes is {self.stride_bytes}, more than context_bytes "
                f"{self.context_bytes}: text between the windows would go unscored."
            )
        steps_of(self.budget, bytes_per_step=self.bytes_per_step)
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature is {self.temperature}; it must be positive and finite.")
        if self.prompt == "":
            raise ConfigError("the prompt is empty; a sample needs a character to go on from.")
        if self.name is not None and not re.fullmatch(r"[\w+-][\w.+-]*", self.name):
            raise ConfigError(
                f"name {self.name!r} is not a folder's name: letters, digits, and . _ + - only."
            )

    @cached_property
    def corpus(self) -> Corpus:
        return load_corpus(self.data, split=self.split)

    @cached_property
    def _encoded(self) -> dict[str, EncodedCorpus]:
        return {spec: encode_corpus(self.corpus, spec) for spec in self.tokenizers}

    @cached_property
    def _plan(self) -> Plan:
        return match_bytes(
            self._encoded,
            recipes=self.models,
            seeds=range(self.seeds),
            budget=self.budget,
            bytes_per_step=self.bytes_per_step,
            context_bytes=self.context_bytes,
            stride_bytes=self.stride_bytes,
        )

    def plan(self) -> list[Arm]:
        """The arms, complete. Loads, encodes and audits the corpus; trains nothing."""
        return list(self._plan.arms)

    def run(self, on_event: OnEvent | None = None) -> Result:
        """Train every arm and write `out/<name>/`; `on_event(arm, event)` hears of each step."""
        began = time.perf_counter()
        plan, device = self._plan, find_device(self.device)
        sampling = Sampling(
            prompt=self._prompt(),
            n_bytes=self.sample_bytes,
            temperature=self.temperature,
            top_k=self.top_k,
        )
        for encoded in self._encoded.values():
            encoded.tokenizer.encode(sampling.prompt)  # an unspeakable prompt fails before training
        folder = self._make_folder()
        entries = []
        try:
            for arm in plan.arms:
                entries.append(
                    run_arm(
                        arm,
                        self._encoded[arm.tokenizer],
                        corpus=self.corpus.to_dict(),
                        sampling=sampling,
                        device=device,
                        folder=folder / arm.id,
                        on_event=on_event or (lambda arm, event: None),
                    )
                )
        finally:
            if not entries:  # nothing was finished: the name stays free
                with suppress(OSError):
                    folder.rmdir()
        result = Result(
            {
                "gptkit": version("gptkit"),
                "experiment": {**self._asked(), "name": folder.name},
                "corpus": self.corpus.to_dict(),
                "match": plan.to_dict(),
                "machine": _machine(device),
                "seconds": time.perf_counter() - began,
                "arms": entries,
                "verdict": verdict(entries),
            },
            folder=folder,
        )
        write_json(folder / "results.json", result.to_dict())
        return result

    def _prompt(self) -> str:
        if self.prompt is not None:
            return self.prompt
        return "\n" if "\n" in self.corpus.train else self.corpus.train[0]

    def _asked(self) -> dict[str, Any]:
        asked = {name: getattr(self, name) for name in self.__dataclass_fields__}
        del asked["out"], asked["device"]
        return asked | {
            "tokenizers": list(self.tokenizers),
            "models": list(self.models),
            "data": self.corpus.name,
        }

    def _make_folder(self) -> Path:
        """A new folder: the name asked for, or the first free one after the tokenizers'."""
        out = Path(self.out)
        name = self.name
        if name is None:
            name = "-vs-".join(re.sub(r"[^\w.+-]+", "_", t).strip("._") for t in self.tokenizers)
        tails = [""] if self.name is not None else ["", *map("-{}".format, range(2, 10_000))]
        for tail in tails:
            try:
                folder = out / f"{name}{tail}"
                folder.mkdir(parents=True)
                return folder
            except FileExistsError:
                continue
            except OSError as error:
                raise ConfigError(f"{folder} cannot be written: {error.strerror}.") from error
        raise ConfigError(f"{out / name} is there already. Give another name, or remove it.")


def compare(
    *,
    tokenizers: Sequence[str] = ("char", "gpt2"),
    models: Sequence[str] = ("bigram", "decoder"),
    data: str | None = None,
    seeds: int = 1,
    on_event: OnEvent | None = None,
    **options: Any,
) -> Result:
    """Run an `Experiment` and return its `Result`; `options` are the other fields of Experiment."""
    experiment = Experiment(tokenizers=tokenizers, models=models, data=data, seeds=seeds, **options)
    return experiment.run(on_event)


@dataclass(frozen=True)
class Result:
    """All arms of an experiment and its verdict; `to_dict()` is results.json."""

    data: dict[str, Any]
    folder: Path | None = None

    @property
    def arms(self) -> list[dict[str, Any]]:
        return self.data["arms"]

    @property
    def verdict(self) -> list[dict[str, Any]]:
        return self.data["verdict"]

    def to_dict(self) -> dict[str, Any]:
        return self.data

    def table(self) -> Table:
        """The losses, as a rich table."""
        return loss_table(self.data)


def load_result(path: str | Path) -> Result:
    """Read back the results.json of an experiment's folder.

    Raises:
        RunError: there is none, or it is not one.
    """
    folder = Path(path)
    file = folder / "results.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"{file} cannot be read: {error}.\n"
            "Give the folder of a finished experiment, as in runs/char-vs-gpt2."
        ) from error
    if not isinstance(data, dict) or not {"arms", "verdict", "corpus"} <= data.keys():
        raise RunError(f"{file} is not an experiment's results.")
    return Result(data, folder)


def verdict(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each model, each pair of tokenizers: the difference in bits per byte, and in words.

    `delta_bits_per_byte` is b's mean over seeds minus a's, where a is the better of the two.
    """
    verdicts = []
    for model in dict.fromkeys(e["model"] for e in entries):
        losses: dict[str, list[float]] = {}
        for e in entries:
            if e["model"] == model:
                losses.setdefault(e["tokenizer"], []).append(e["val"]["bits_per_byte"])
        ranked = sorted(losses, key=lambda t: fmean(losses[t]))
        for a, b in itertools.combinations(ranked, 2):
            differences = [y - x for x, y in zip(losses[a], losses[b], strict=True)]
            delta = fmean(differences)
            if len(differences) == 1:
                doubt = "one seed: no interval across seeds"
            else:
                low, high = min(differences), max(differences)
                doubt = f"{len(differences)} seeds, from {low:.3f} to {high:.3f}"
            verdicts.append(
                {
                    "a": f"{a}-{model}",
                    "b": f"{b}-{model}",
                    "delta_bits_per_byte": delta,
                    "ci95": None,
                    "doubt": doubt,
                    "says": _in_words(a, b, delta) + f" under {model} ({doubt})",
                }
            )
    return verdicts


def _in_words(a: str, b: str, delta: float) -> str:
    if delta < SMALLEST_CLAIM:
        return f"{a} and {b} differ by less than {SMALLEST_CLAIM} bits per byte"
    return f"{a} is better than {b} by {delta:.3f} bits per byte"


def _machine(device: torch.device) -> dict[str, Any]:
    return {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
    }
