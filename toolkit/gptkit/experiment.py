"""Experiment: what the user asked, and how it is carried out."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from gptkit.config import Arm, at_rate
from gptkit.data.corpus import Corpus, load_corpus, shares_of
from gptkit.data.encoding import EncodedCorpus, encode_corpus
from gptkit.engines.arm import ArmDone, Job, OnEvent, Sampling, find_device
from gptkit.engines.cost import estimate
from gptkit.engines.resume import kept_arms, train_arms
from gptkit.engines.run_folder import read_losses
from gptkit.errors import ConfigError, Stopped, check_known
from gptkit.eval.baselines import baselines
from gptkit.files import write_json
from gptkit.plan.budget import SECONDS, seconds_of, steps_of
from gptkit.plan.matching import MATCHES, Plan, Request, training_flops
from gptkit.plan.recipes import OF_TEXT, RECIPES, Recipe, common
from gptkit.results.balance import what_is_equal
from gptkit.results.result import Result
from gptkit.results.robustness import robustness
from gptkit.results.verdict import verdict
from gptkit.results.warnings import cautions
from gptkit.train.tuning import training_slice, tune

PAYS = 1e12  # floating-point operations, of which starting processes costs about a tenth


def _deaf(spec: str, done: int, n_bytes: int) -> None:
    """Hears nothing."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Tokenizers x models x seeds on one corpus, made equal in what `match` names.

    Attributes:
        tokenizers: specs, as `get_tokenizer` takes them.
        models: names of recipes, as `gptkit.plan.recipes.RECIPES` has them; or recipes of your own
            by name, as `gptkit.ladder()` gives them.
        data: a corpus, as `load_corpus` takes it, or a `Corpus`, already split; None for
            tinyshakespeare, or python-docs where it cannot be had.
        match: bytes, tokens, flops, params or time; see `gptkit.plan.matching`.
        budget: training text per arm ("600KB"), steps ("300steps"), or, matched by time, seconds
            ("20s"); None for each recipe's own, 600KB for the named ones, or 20s.
        tune: whether each tokenizer and model gets a learning rate of its own; see
            `gptkit.train.tuning`.
        seeds: how many, from 0.
        context_bytes: how far back a model sees, in bytes of text; None for each recipe's own,
            160 for the named ones.
        bytes_per_step: text per training step; None for each recipe's own, 1024.
        split: the training share of the characters, as in 0.9, the rest being val; or the shares
            of train, val and test: then val chooses each arm's weights, and the claim is from test.
        stride_bytes: how far evaluation windows advance; None for disjoint windows.
        jobs: how many arms are trained at a time, in processes that share the cores; None for as
            many as there are cores where that pays, and one on a GPU or matched by time.
        lossy_ok: whether a tokenizer that does not give every byte back may run; it is charged
            for those it loses, see `gptkit_tokenizers.Damage`.
        prompt: what samples go on from; None for a line break, or, where the text has none or a
            tokenizer drops it, the text's first character or word.
        sample_bytes, temperature, top_k: how samples are drawn.
        out: the folder experiments are written under.
        name: the experiment's folder; None for one named after its tokenizers.
        resume: whether to go on in that folder: arms that are there, whole, are kept, the others
            trained. They may be more than it was begun with, never fewer.
        device: auto, cpu or cuda.
    """

    tokenizers: Sequence[str] = ("char", "gpt2")
    models: Sequence[str] | Mapping[str, Recipe] = ("bigram", "decoder")
    data: str | Corpus | None = None
    match: str = "bytes"
    budget: str | None = None
    seeds: int = 1
    tune: bool = False
    context_bytes: int | None = None
    bytes_per_step: int | None = None
    split: float | Sequence[float] = 0.9
    stride_bytes: int | None = None
    lossy_ok: bool = False
    prompt: str | None = None
    sample_bytes: int = 300
    temperature: float = 1.0
    top_k: int | None = None
    out: str | Path = "runs"
    name: str | None = None
    resume: bool = False
    device: str = "auto"
    jobs: int | None = None

    def __post_init__(self) -> None:
        for field in ("tokenizers", "models"):
            names = tuple(getattr(self, field))
            if not isinstance(getattr(self, field), Mapping):
                object.__setattr__(self, field, names)
            if not names:
                raise ConfigError(f"{field} is empty; name at least one.")
            if odd := [name for name in names if not isinstance(name, str)]:
                raise ConfigError(
                    f"{field} has a {type(odd[0]).__name__} where a name belongs.\n"
                    "Recipes of your own are given by name, as in {'mine': recipe}."
                )
            if len(set(names)) < len(names):
                raise ConfigError(f"{field} names one twice: {', '.join(names)}.")
        for model in self.models:
            if isinstance(self.models, Mapping):
                _check_folder("model", model)
                if not isinstance(recipe := self.models[model], Recipe):
                    raise ConfigError(
                        f"model {model} is a {type(recipe).__name__}; it must be a Recipe."
                    )
            else:
                check_known("model", model, RECIPES)
        check_known("way to match", self.match, MATCHES)
        shares_of(self.split)
        for field in (
            "seeds",
            "context_bytes",
            "bytes_per_step",
            "sample_bytes",
            "stride_bytes",
            "top_k",
            "jobs",
        ):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise ConfigError(f"{field} is {value}; it must be at least 1.")
        for recipe in self._recipes.values():
            if self.stride_bytes is not None and self.stride_bytes > recipe.context_bytes:
                raise ConfigError(
                    f"stride_bytes is {self.stride_bytes}, more than context_bytes "
                    f"{recipe.context_bytes}: text between the windows would go unscored."
                )
            if self._seconds is None:
                steps_of(recipe.budget, bytes_per_step=recipe.bytes_per_step)
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature is {self.temperature}; it must be positive and finite.")
        if self.prompt == "":
            raise ConfigError("the prompt is empty; a sample needs a character to go on from.")
        if self.name is not None:
            _check_folder("name", self.name)

    @cached_property
    def _recipes(self) -> dict[str, Recipe]:
        """What is trained, with what was asked in place of the recipes' own."""
        given = self.models
        if not isinstance(given, Mapping):
            given = {name: RECIPES[name]() for name in given}
        asked = {name: getattr(self, name) for name in OF_TEXT}
        if self.match == "time":
            del asked["budget"]
        asked = {name: value for name, value in asked.items() if value is not None}
        return {name: replace(recipe, **asked) for name, recipe in given.items()}

    @cached_property
    def _seconds(self) -> float | None:
        return seconds_of(self.budget or SECONDS) if self.match == "time" else None

    @cached_property
    def corpus(self) -> Corpus:
        if isinstance(self.data, Corpus):
            return self.data
        return load_corpus(self.data, split=self.split)

    @cached_property
    def _texts(self) -> dict[str, EncodedCorpus]:
        return {}

    def encode(self, on_bytes: Callable[[str, int, int], None] = _deaf) -> dict[str, EncodedCorpus]:
        """The corpus under each tokenizer, audited; done once.

        Args:
            on_bytes: hears, while a text too large for memory is encoded, of the tokenizer, the
                bytes that are done, and all there are.
        """
        for spec in self.tokenizers:
            if spec not in self._texts:
                self._texts[spec] = encode_corpus(
                    self.corpus, spec, lossy_ok=self.lossy_ok, on_bytes=partial(on_bytes, spec)
                )
        return self._texts

    @property
    def _encoded(self) -> dict[str, EncodedCorpus]:
        return self.encode()

    @cached_property
    def _plan(self) -> Plan:
        asked = Request(
            recipes=self._recipes,
            seeds=range(self.seeds),
            seconds=self._seconds,
            stride_bytes=self.stride_bytes,
        )
        return MATCHES[self.match](self._encoded, asked)

    def plan(self) -> list[Arm]:
        """The arms, complete. Loads, encodes and audits the corpus; trains nothing."""
        return list(self._plan.arms)

    def cost(self) -> dict[str, Any]:
        """What the experiment will take, by two seconds of calibration; trains nothing to its end.

        Per arm and in all: `seconds`, `memory_bytes` (in all None on Windows); per arm also
        `params`, `flops`, `steps`.
        Tuning's trials are not counted.
        """
        jobs = self._jobs(self._plan.arms, folder=Path())
        return estimate(jobs, processes=self._processes(jobs))

    def run(self, on_event: OnEvent | None = None) -> Result:
        """Train every arm and write `out/<name>/`; `on_event(arm, event)` hears of each step.

        Raises:
            Stopped: a KeyboardInterrupt that says where the arms are that were finished.
        """
        for spec, encoded in self._encoded.items():  # an unspeakable prompt fails before training
            if not encoded.tokenizer.encode(self._prompt()):
                raise ConfigError(
                    f"{spec} drops all of the prompt {self._prompt()!r}: a sample needs a token to "
                    "go on from.\nGive another: --prompt TEXT."
                )
        self.plan()
        folder = self._make_folder()
        try:
            return self._run_in(folder, on_event or (lambda arm, event: None))
        except KeyboardInterrupt:
            raise Stopped(folder) from None
        finally:
            with suppress(OSError):  # it is empty if nothing was finished: its name stays free
                folder.rmdir()

    def _run_in(self, folder: Path, hear: OnEvent) -> Result:
        began = time.perf_counter()
        device = find_device(self.device)
        tuned = self._tune(device, hear) if self.tune else []
        jobs = self._jobs(_with_rates(self._plan.arms, tuned), folder)
        kept = kept_arms(jobs, folder)
        for job in jobs:
            if job.arm.id in kept:
                hear(job.arm, ArmDone(kept[job.arm.id]))
        processes = self._processes(jobs)
        left = [job for job in jobs if job.arm.id not in kept]
        done = kept | train_arms(left, processes, hear)
        entries = [done[job.arm.id] for job in jobs]
        data: dict[str, Any] = {
            "gptkit": version("gptkit"),
            "experiment": {**self._asked(), "name": folder.name},
            "corpus": self.corpus.to_dict(),
            "claim": "val" if self.corpus.test is None else "test",
            "match": what_is_equal(self._plan, entries),
            "machine": _machine(device) | {"at_a_time": processes},
            "tuning": tuned,
            "arms": entries,
            "baselines": baselines(self.corpus, self._encoded),
            "verdict": verdict(entries, lambda entry: read_losses(folder / entry["id"])),
        }
        data["robustness"] = robustness(entries, data["verdict"])
        data |= {"warnings": cautions(data), "seconds": time.perf_counter() - began}
        result = Result(data, folder=folder)
        write_json(folder / "results.json", result.to_dict())
        return result

    def _jobs(self, arms: Sequence[Arm], folder: Path) -> list[Job]:
        device = find_device(self.device)
        sampling = Sampling(
            prompt=self._prompt(),
            n_bytes=self.sample_bytes,
            temperature=self.temperature,
            top_k=self.top_k,
        )
        return [
            Job(
                arm=arm,
                encoded=self._encoded[arm.tokenizer],
                corpus=self.corpus,
                sampling=sampling,
                device=device,
                folder=folder / arm.id,
            )
            for arm in arms
        ]

    def _processes(self, jobs: Sequence[Job]) -> int:
        if self.jobs is not None:
            return min(self.jobs, len(jobs))
        if self.match == "time" or jobs[0].device.type == "cuda":
            return 1
        cost = sum(training_flops(job.arm, job.encoded) for job in jobs)
        return min(len(jobs), torch.get_num_threads()) if cost > PAYS else 1

    def _tune(self, device: torch.device, hear: OnEvent) -> list[dict[str, Any]]:
        """What was tried, for each tokenizer and model; the first seed stands for all."""
        tuned = []
        for spec, encoded in self._encoded.items():
            texts = training_slice(encoded, self.corpus)
            for arm in self._plan.arms:
                if arm.tokenizer == spec and arm.train.seed == 0:
                    tuned.append(tune(arm, texts, device=device, on_trial=partial(hear, arm)))
        return tuned

    def _prompt(self) -> str:
        if self.prompt is not None:
            return self.prompt
        start = self.corpus.train[:1_000_000]
        wanted = ["\n"] if "\n" in start else []
        for prompt in (*wanted, start[0], *start.split()[:1]):
            if all(encoded.tokenizer.encode(prompt) for encoded in self._encoded.values()):
                return prompt
        return start[:20]

    def _asked(self) -> dict[str, Any]:
        asked = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for how in ("out", "device", "jobs", "resume"):
            del asked[how]
        return asked | {
            "tokenizers": list(self.tokenizers),
            "models": {name: asdict(recipe) for name, recipe in self.models.items()}
            if isinstance(self.models, Mapping)
            else list(self.models),
            "data": None if isinstance(self.data, Corpus) else self.corpus.name,
            **{field: common(self._recipes.values(), field) for field in OF_TEXT},
            **({"budget": self.budget or SECONDS} if self.match == "time" else {}),
            "split": self.split if isinstance(self.split, float) else list(shares_of(self.split)),
        }

    def _make_folder(self) -> Path:
        """A new folder: the name asked for, or the first free one after the tokenizers'."""
        out = Path(self.out)
        name = self.name
        if name is None:
            name = "-vs-".join(re.sub(r"[^\w.+-]+", "_", t).strip("._") for t in self.tokenizers)
        only = self.name is not None or self.resume
        tails = [""] if only else ["", *map("-{}".format, range(2, 10_000))]
        for tail in tails:
            try:
                folder = out / f"{name}{tail}"
                if self.resume and not folder.is_dir():
                    raise ConfigError(
                        f"{folder} is not there: there is nothing to resume.\n"
                        "Name another folder, or leave out resume."
                    )
                folder.mkdir(parents=True, exist_ok=self.resume)
                return folder
            except FileExistsError:
                continue
            except OSError as error:
                raise ConfigError(f"{folder} cannot be written: {error.strerror}.") from error
        raise ConfigError(f"{out / name} is there already. Give another name, or remove it.")


def compare(
    *,
    tokenizers: Sequence[str] = ("char", "gpt2"),
    data: str | Corpus | None = None,
    seeds: int = 1,
    on_event: OnEvent | None = None,
    **options: Any,
) -> Result:
    """Run an `Experiment` and return its `Result`; `options` are the other fields of Experiment."""
    return Experiment(tokenizers=tokenizers, data=data, seeds=seeds, **options).run(on_event)


def _check_folder(what: str, name: str) -> None:
    if not re.fullmatch(r"[\w+-][\w.+-]*", name):
        raise ConfigError(
            f"{what} {name!r} is not a folder's name: letters, digits, and . _ + - only."
        )


def _with_rates(arms: Sequence[Arm], tuned: Sequence[dict[str, Any]]) -> list[Arm]:
    factor = {(t["tokenizer"], t["model"]): t["factor"] for t in tuned}
    return [
        replace(arm, train=at_rate(arm.train, factor.get((arm.tokenizer, arm.recipe), 1.0)))
        for arm in arms
    ]


def _machine(device: torch.device) -> dict[str, Any]:
    return {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
    }
