"""One arm, trained, asked to write, and recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gptkit.config import Arm
from gptkit.data.batches import ids_read
from gptkit.data.corpus import Corpus
from gptkit.data.encoding import EncodedCorpus
from gptkit.data.shards import ShardedIds
from gptkit.engines.run_folder import write_run
from gptkit.errors import ConfigError
from gptkit.eval.evaluation import Evaluation, evaluate
from gptkit.eval.sampling import sample_text
from gptkit.models import MODELS, Model, build_model
from gptkit.models.compact_softmax import head_columns
from gptkit.results.byte_losses import spread
from gptkit.train.loop import Evaluated, StepDone, train
from gptkit.train.tuning import TrialDone


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


Event = TrialDone | StepDone | Evaluated | ArmDone
OnEvent = Callable[[Arm, Event], None]


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


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that training an arm takes; `folder`, which must not exist, is where it is recorded."""

    arm: Arm
    encoded: EncodedCorpus
    corpus: Corpus
    sampling: Sampling
    device: torch.device
    folder: Path


def fresh_model(job: Job) -> Model:
    """The arm's model, untrained.

    A bigram keeps a number for each pair of ids that training has it read. For a text too large
    for memory those are far fewer than the text's: what it will not read is not counted.
    """
    arm, encoded = job.arm, job.encoded
    train_ids = encoded.train.ids
    if arm.model.architecture == "bigram" and isinstance(train_ids, ShardedIds):
        train_ids = ids_read(encoded.train, arm.train, arm.model.block_size)
    model = build_model(
        arm.model,
        vocab_size=encoded.tokenizer.vocab_size,
        train_ids=train_ids,
        seed=arm.train.seed,
    )
    return model.to(job.device)


def run_arm(job: Job, *, on_event: OnEvent) -> dict[str, Any]:
    """Train an arm, let it write, record it, and return its entry in results.json."""
    arm, encoded, corpus, sampling = job.arm, job.encoded, job.corpus, job.sampling
    model = fresh_model(job)
    steps, evaluations = [], []
    for event in train(model, encoded, arm.train):
        on_event(arm, event)
        if isinstance(event, StepDone):
            steps.append({"event": "step", **asdict(event)})
            continue
        evaluations.append(_metric(event))
        if event.best:
            best = event
    entry = _entry(arm, encoded, model, last_step=steps[-1], evaluations=evaluations)
    entry |= {"best_step": best.step, "val": best.evaluation.to_dict()}
    claim, text = best.evaluation, corpus.val
    if encoded.test is not None and corpus.test is not None:
        claim, text = evaluate_test(model, encoded, stride=arm.train.eval_stride), corpus.test
        entry["test"] = claim.to_dict()
    sample = sample_text(
        model,
        encoded.tokenizer,
        sampling.prompt,
        max_bytes=sampling.n_bytes,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        seed=arm.train.seed,
    )
    entry["samples"] = [{"prompt": sampling.prompt, "text": sample}]
    write_run(
        job.folder,
        arm=arm,
        corpus=corpus.to_dict(),
        sampling=asdict(sampling),
        tokenizer=encoded.tokenizer,
        model=model,
        metrics=sorted([*steps, *evaluations], key=lambda metric: metric["step"]),
        losses=spread(
            claim.nats, (encoded.test or encoded.val).ends, text.encode(), also=claim.lost_nats
        ),
        result=entry,
    )
    on_event(arm, ArmDone(entry))
    return entry


def evaluate_test(model: Model, encoded: EncodedCorpus, *, stride: int | None) -> Evaluation:
    """The test text's loss, conditioned at its start on the texts before it."""
    assert encoded.test is not None
    reach = model.config.block_size + 1
    before = np.concatenate([encoded.train.ids[-reach:], encoded.val.ids[-reach:]])
    return evaluate(model, encoded.test, before=before, stride=stride)


def _entry(
    arm: Arm,
    encoded: EncodedCorpus,
    model: Model,
    *,
    last_step: dict[str, Any],
    evaluations: list[dict[str, Any]],
) -> dict[str, Any]:
    vocab_size, tokens = encoded.tokenizer.vocab_size, last_step["train_tokens"]
    flops_per_token = MODELS[arm.model.architecture].flops_per_token
    columns = head_columns(encoded.vocab_seen, vocab_size)
    return {
        "id": arm.id,
        "tokenizer": arm.tokenizer,
        "model": arm.recipe,
        "seed": arm.train.seed,
        "vocab_size": vocab_size,
        "vocab_seen": encoded.vocab_seen,
        "block_size": arm.model.block_size,
        "context_bytes": arm.model.block_size * encoded.train.bytes_per_token,
        "batch_size": arm.train.batch_size,
        "steps": last_step["step"],
        "learning_rate": arm.train.learning_rate,
        "params": model.num_params(),
        "train": {
            "bytes": last_step["train_bytes"],
            "tokens": tokens,
            "epochs": last_step["train_bytes"] / encoded.train.n_bytes,
            "flops": float(flops_per_token(arm.model, columns) * tokens),
            "flops_full_softmax": float(flops_per_token(arm.model, vocab_size) * tokens),
            "seconds": last_step["seconds"],
        },
        "last": {name: evaluations[-1][name] for name in ("step", "bits_per_byte")},
        "curve": [
            {
                "step": e["step"],
                "train_bytes": e["train_bytes"],
                "seconds": e["seconds"],
                "val_bits_per_byte": e["bits_per_byte"],
            }
            for e in evaluations
        ],
    }


def _metric(event: Evaluated) -> dict[str, Any]:
    when = {"step": event.step, "seconds": event.seconds, "train_bytes": event.train_bytes}
    return {"event": "evaluation", **when, **event.evaluation.to_dict()}
