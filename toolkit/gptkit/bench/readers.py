"""How gptkit reads each kind of file, and a process that does it on request."""

from __future__ import annotations

import base64
import gc
import io
import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import torch

import gptkit
from gptkit.config import ModelConfig, OptimConfig, Recipe
from gptkit.data.corpus import load_corpus
from gptkit.engines.arm import fresh_model
from gptkit.engines.checkpoint import Checkpoints
from gptkit.engines.job import make_jobs
from gptkit.engines.run_folder import load_run, record_sha256
from gptkit.errors import GptkitError
from gptkit.events import StepDone
from gptkit.experiment import Experiment
from gptkit.files import write_bytes, write_text
from gptkit.plan.execution_config import ExecutionConfig
from gptkit.plan.options_file import merge_options, read_options, to_toml
from gptkit.report.markdown import markdown
from gptkit.report.result import load_result
from gptkit.report.scale_result import load_scale
from gptkit.report.terminal import comparison
from gptkit.results.byte_losses import read_losses
from gptkit.train.loop import Training
from gptkit.train.tuning import read_record
from gptkit_tokenizers import TokenizerError, get_tokenizer

SOURCE = "markov:2"  # a text that is made, so none is needed
STOPPED: dict[str, Any] = {"budget": "6steps", "name": "stopped", "save_every": "2steps"}
SPECS = ("char", "char+bytes", "gpt2", "mine=bpe:260:split=gpt4:digits=2", "unigram:256")
ARGUMENTS = (
    "-t char,gpt2,mine=byte -m bigram,decoder -d tinyshakespeare --split 0.8,0.1,0.1 --seeds 5",
    "--match flops --budget 2MB --context-bytes 128 --bytes-per-step 1024 --evaluations 3 --tune",
    "--prompt ROMEO: --sample-bytes 20 --temperature 0.7 --top-k 5 --name mine --out runs --jobs 2",
    "--until decided --max-seeds 9 --perturb typos,case --marginal --save-every 60s --device cpu",
)  # of compare


@dataclass(frozen=True)
class Kind:
    """A kind of file: which of the files that `make_files` made, and how gptkit reads one."""

    pattern: str
    read: Callable[[Path], object]


def _recipes() -> dict[str, Recipe]:
    optim = OptimConfig(learning_rate=0.01)
    tiny = ModelConfig(n_layer=1, n_head=2, n_embd=8, n_hidden=16)
    return {
        "tiny": Recipe(model=tiny, optim=optim),
        "bigram": Recipe(model=ModelConfig(architecture="bigram"), optim=optim),
    }


def _options(folder: Path) -> dict[str, Any]:
    return {
        "tokenizers": ["char", "bpe:270"],
        "models": _recipes(),
        "data": str(folder / "text.txt"),
        "bytes_per_step": 256,
        "context_bytes": 32,
        "sample_bytes": 5,
        "out": folder / "runs",
        "jobs": 1,
    }


def make_files(folder: Path) -> None:
    """Make one or more files of each kind."""
    text = load_corpus(SOURCE).train[:6000]
    write_text(folder / "text.txt", text)
    write_text(folder / "umlauts.txt", text[:500] + "äöü€𝔸\u0301\n" * 20)
    done = gptkit.compare(**_options(folder), budget="6steps", name="done", tune=False)
    execution = ExecutionConfig(out=str(folder / "runs"))
    write_text(folder / "options.toml", to_toml(done.data.experiment, execution))
    gptkit.compare(
        **{**_options(folder), "models": {"tiny": _recipes()["tiny"]}, "tokenizers": ["char"]},
        budget="64steps",
        name="tuned",
        tune=True,
    )
    gptkit.scale(
        tokenizers=["char", "byte"],
        models={"bigram": _recipes()["bigram"]},
        data=str(folder / "text.txt"),
        split=0.3,  # a ladder's intervals need 4,096 bytes of validation text
        budget="4KB",
        rungs=3,
        bytes_per_step=256,
        context_bytes=32,
        sample_bytes=5,
        out=folder / "runs",
        name="ladder",
        jobs=1,
    )

    def stop(arm: Any, event: Any) -> None:
        if isinstance(event, StepDone) and event.step == 5:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        gptkit.compare(**_options(folder), **STOPPED, on_event=stop)
    _make_tokenizers(folder / "tokenizers", text)
    for i, spec in enumerate(SPECS):
        write_text(folder / "specs" / f"{i}.txt", spec)
    for i, words in enumerate(ARGUMENTS):
        write_text(folder / "arguments" / f"{i}.txt", words)


def _make_tokenizers(folder: Path, text: str) -> None:
    for spec in ("bpe:280", "unigram:270", "wordpiece:280"):
        record = get_tokenizer(spec, text=text).to_dict()
        if "huggingface" in record:
            write_text(folder / f"{spec.split(':')[0]}.json", record["huggingface"])
    learned = get_tokenizer("bpe:280", text=text)
    ranks = [f"{base64.b64encode(learned.token_bytes(i)).decode()} {i}\n" for i in range(280)]
    write_text(folder / "mine.tiktoken", "".join(ranks))
    try:
        import sentencepiece
    except ImportError:
        return
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.splitlines()),
        model_writer=model,
        vocab_size=60,
        minloglevel=2,
        hard_vocab_limit=False,
    )
    write_bytes(folder / "mine.model", model.getvalue())


def _read_run(path: Path) -> None:
    run = load_run(path.parent)
    read_losses(path.parent, run.result.reported.bytes)
    ids = run.tokenizer.encode("ab a")
    _ = run.metrics
    run.model.next_log_probs(torch.tensor([ids[:1] or [0]]))


def _read_result(path: Path) -> None:
    result = load_result(path.parent)
    str(result), result._repr_html_(), markdown(result.data), list(comparison(result.data))


def _read_scale(path: Path) -> None:
    result = load_scale(path.parent)
    str(result), result._repr_html_()


def _read_checkpoint(path: Path) -> None:
    """Continue the arm that the checkpoint is of, and take one step."""
    folder = path.parents[4]
    experiment = Experiment(**_options(folder), **STOPPED)
    prepared = experiment.prepare()
    jobs = make_jobs(
        experiment.plan().arms,
        prepared,
        experiment.config,
        experiment.execution,
        folder / "runs" / "stopped",
    )
    (job,) = [job for job in jobs if job.folder.name == path.parent.name]
    encoded = prepared.texts[job.arm.tokenizer]
    model = fresh_model(job.arm, encoded, torch.device("cpu"))
    training = Training(model, encoded, job.arm.optim, job.arm.schedule)
    checkpoints = Checkpoints(job.folder, job.record, record_sha256(encoded.tokenizer), None)
    checkpoint, notes = checkpoints.load(torch.device("cpu"))
    if notes and checkpoint is None:
        raise GptkitError(notes[0])
    if checkpoint is not None:
        training.load(checkpoint.state)
    next(iter(training))


def _read_tokenizer(path: Path) -> None:
    tokenizer = get_tokenizer(str(path))
    for text in ("a b, the c", "äöü€ \n", ""):
        ids = tokenizer.encode(text)
        b"".join(map(tokenizer.token_bytes, ids))
    tokenizer.to_dict()


def _read_options(path: Path) -> None:
    experiment, execution = merge_options(read_options(path))
    experiment.recipes()
    to_toml(experiment, execution)


def _read_corpus(path: Path) -> None:
    load_corpus(str(path))


def _read_spec(path: Path) -> None:
    spec = _one_line(path)
    get_tokenizer(spec, text="a b, the c\n" * 200).encode("a b")


def _read_arguments(path: Path) -> None:
    """Run the installed command `gptkit compare --print-config` with the file's words."""
    (command,) = entry_points(group="console_scripts", name="gptkit")
    words, sys.argv = sys.argv, ["gptkit", "compare", "--print-config", *_one_line(path).split()]
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
            command.load()()
    except SystemExit as end:
        if end.code == 2 and said.getvalue().strip():
            raise GptkitError(said.getvalue()) from end
        if end.code:
            raise
    finally:
        sys.argv = words


def _one_line(path: Path) -> str:
    """Return the file as one word of a command line, which has no NUL."""
    return path.read_bytes().replace(b"\0", b"").decode("utf-8", "surrogateescape")


KINDS = {
    "results.json": Kind("runs/done/results.json", _read_result),
    "scale.json": Kind("runs/ladder/scale.json", _read_scale),
    "config.json": Kind("runs/done/*/config.json", _read_run),
    "result.json": Kind("runs/done/*/result.json", _read_run),
    "metrics.jsonl": Kind("runs/done/*/metrics.jsonl", _read_run),
    "run's tokenizer.json": Kind("runs/done/*/tokenizer.json", _read_run),
    "weights.safetensors": Kind("runs/done/*/weights.safetensors", _read_run),
    "nats.npz": Kind("runs/done/*/nats.npz", _read_run),
    "checkpoint": Kind("runs/stopped/.checkpoints/*/*.safetensors", _read_checkpoint),
    "tuning.json": Kind("runs/tuned/tuning.json", read_record),
    "tokenizer.json": Kind("tokenizers/*.json", _read_tokenizer),
    ".tiktoken": Kind("tokenizers/*.tiktoken", _read_tokenizer),
    ".model": Kind("tokenizers/*.model", _read_tokenizer),
    "options.toml": Kind("options.toml", _read_options),
    "text": Kind("*.txt", _read_corpus),
    "spec": Kind("specs/*.txt", _read_spec),
    "arguments": Kind("arguments/*.txt", _read_arguments),
}


def main() -> None:
    """Read the files that standard input names, a JSON line each, and write how that ended."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        kind, path = json.loads(line)
        outcome = {"is": "accepted", "note": ""}
        _reset_peak()
        try:
            KINDS[kind].read(Path(path))
        except (GptkitError, TokenizerError, OSError) as error:
            outcome = {"is": "refused", "note": str(error)[:300]}
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            note = f"{type(error).__name__}: {error}"[:200]
            outcome = {
                "is": "crashed",
                "note": f"{note} at {Path(where.filename).name}:{where.lineno}",
            }
        print(json.dumps(outcome | {"memory": _peak()}), file=out, flush=True)
        if _peak() > 500_000_000:
            gc.collect()


def _reset_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    from gptkit.engines.process_memory import peak_memory

    return peak_memory() or 0
