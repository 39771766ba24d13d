"""Run arms on this machine, one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gptkit.config import Arm
from gptkit.encoded import EncodedCorpus
from gptkit.errors import ConfigError
from gptkit.models import Model, build_model
from gptkit.runs import write_run
from gptkit.sampling import sample_text
from gptkit.training import Evaluated, StepDone, train


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How every arm is asked to write: matched by bytes, same prompt and seed."""

    prompt: str
    n_bytes: int
    temperature: float
    top_k: int | None


@dataclass(frozen=True)
class ArmDone:
    """An arm has been trained and written; `result` is its entry in results.json."""

    result: dict[str, Any]


OnEvent = Callable[[Arm, StepDone | Evaluated | ArmDone], None]


def find_device(name: str) -> torch.device:
    """`auto` is a CUDA device where there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"device {name!r} cannot be used here.\n"
            "Give auto, cpu, or cuda on a machine that has it."
        ) from error
    return device


def run_arm(
    arm: Arm,
    encoded: EncodedCorpus,
    *,
    corpus: dict[str, Any],
    sampling: Sampling,
    device: torch.device,
    folder: Path,
    on_event: OnEvent,
) -> dict[str, Any]:
    """Train one arm, let it write, record it in `folder`, and return its entry in results.json."""
    model = build_model(
        arm.model,
        vocab_size=encoded.tokenizer.vocab_size,
        train_ids=encoded.train_ids,
        seed=arm.train.seed,
    ).to(device)
    events: list[StepDone | Evaluated] = []
    for event in train(model, encoded, arm.train):
        events.append(event)
        on_event(arm, event)
    sample = sample_text(
        model,
        encoded.tokenizer,
        sampling.prompt,
        max_bytes=sampling.n_bytes,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        seed=arm.train.seed,
    )
    result = _entry(arm, encoded, model, events)
    result["samples"] = [{"prompt": sampling.prompt, "text": sample}]
    write_run(
        folder,
        arm=arm,
        corpus=corpus,
        tokenizer=encoded.tokenizer,
        model=model,
        metrics=[_metric(e) for e in events],
        result=result,
    )
    on_event(arm, ArmDone(result))
    return result


def _entry(
    arm: Arm,
    encoded: EncodedCorpus,
    model: Model,
    events: list[StepDone | Evaluated],
) -> dict[str, Any]:
    evaluations = [e for e in events if isinstance(e, Evaluated)]
    last_step = [e for e in events if isinstance(e, StepDone)][-1]
    best = [e for e in evaluations if e.best][-1]
    last = evaluations[-1]
    return {
        "id": arm.id,
        "tokenizer": arm.tokenizer,
        "model": arm.recipe,
        "seed": arm.train.seed,
        "vocab_size": encoded.tokenizer.vocab_size,
        "vocab_seen": encoded.vocab_seen,
        "block_size": arm.model.block_size,
        "context_bytes": arm.model.block_size * encoded.bytes_per_token,
        "batch_size": arm.train.batch_size,
        "steps": arm.train.steps,
        "params": model.num_params(),
        "train": {
            "bytes": last_step.train_bytes,
            "tokens": last_step.train_tokens,
            "flops": model.train_flops_per_token() * last_step.train_tokens,
            "seconds": last_step.seconds,
        },
        "val": best.evaluation.to_dict(),
        "best_step": best.step,
        "last": {"step": last.step, "bits_per_byte": last.evaluation.bits_per_byte},
        "curve": [
            {
                "step": e.step,
                "train_bytes": e.train_bytes,
                "seconds": e.seconds,
                "val_bits_per_byte": e.evaluation.bits_per_byte,
            }
            for e in evaluations
        ],
    }


def _metric(event: StepDone | Evaluated) -> dict[str, Any]:
    if isinstance(event, StepDone):
        return {"event": "step", **asdict(event)}
    rest = {"step": event.step, "seconds": event.seconds, "train_bytes": event.train_bytes}
    return {"event": "evaluation", **rest, **event.evaluation.to_dict()}
