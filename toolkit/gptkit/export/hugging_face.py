"""Write a run as a model in Hugging Face's layout, and check it before it is there.

Needs the extra `hf`. Anybody can load the folder with transformers, without code of ours, and can
check the measured loss: the validation text and a task for lm-evaluation-harness are beside it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from gptkit.data.corpus import Corpus, reload_corpus
from gptkit.data.encoding import EncodedCorpus, encode_corpus
from gptkit.data.text_on_disk import LargeText
from gptkit.engines.run_folder import Run
from gptkit.errors import ConfigError, RunError
from gptkit.eval.evaluation import evaluate
from gptkit.export.causal_lm import CompactCausalLM, import_transformers, load_causal_lm
from gptkit.export.layouts import Layout, find_layout
from gptkit.export.model_card import TASK, model_card
from gptkit.files import rename_patiently, temporary_name, write_json, write_text
from gptkit.models.decoder import Decoder
from gptkit_tokenizers.huggingface import HuggingFaceTokenizer

MAX_CHECKED_CHARS = 16_000_000  # of a training text on disk, whose ids are compared
TOLERANCE = 1e-4  # bits per byte: float32 rounds otherwise in other kernels
GENERATION = {
    "do_sample": True,
    "temperature": 1.0,
    "top_k": 0,  # transformers draws from the 50 best if this is not said
    "top_p": 1.0,
}


class ExportRecord(msgspec.Struct, frozen=True, kw_only=True):
    """gptkit.json of an export: what the folder claims, and what its first byte is scored after.

    Attributes:
        bits_per_byte: the run's loss on val.
        prefix_id: the last id of the training text, which stands before val in the run's sweep.
        block_size: the context in tokens of the run's sweep.
        val_sha256: the hash of the validation text's UTF-8 bytes.
    """

    gptkit: str
    run: str
    bits_per_byte: float
    prefix_id: int
    block_size: int
    val_sha256: str


@dataclass(frozen=True, kw_only=True)
class Export:
    """A folder that was written, and the loss that was measured from it.

    Attributes:
        bits_per_byte: of val, by transformers from the files in the folder.
        expected: of val, in the run's result.
    """

    folder: Path
    model_type: str
    bits_per_byte: float
    expected: float
    record: ExportRecord


def export_hugging_face(run: Run, out: Path | None = None, *, data: str | None = None) -> Export:
    """Write `config.json`, the weights, the tokenizer, a model card and the validation text.

    Args:
        out: the folder to write; None for `hf` in the run's folder.
        data: where the run's text is now; None for where it was.

    Raises:
        ConfigError: the model or the folder cannot be used; nothing is written.
        TokenizerError: the tokenizer cannot be written as a tokenizer.json.
        CorpusError: the run's text is not there, or has changed.
        RunError: the export does not give the run's ids or its loss; nothing is written.
    """
    import_transformers()
    folder = run.folder / "hf" if out is None else out
    if folder.exists():
        raise ConfigError(f"{folder} exists already. Give another folder, out='DIR', or remove it.")
    layout = find_layout(run.model, run.config.recipe)
    content = run.tokenizer.to_tokenizer_json()
    corpus = reload_corpus(run.record.corpus, data)
    encoded = encode_corpus(corpus, run.tokenizer, lossy_ok=True)
    _check_ids(run, content, corpus, encoded)
    record = ExportRecord(
        gptkit=version("gptkit"),
        run=run.config.id,
        bits_per_byte=run.result.val.bits_per_byte,
        prefix_id=int(encoded.train.ids[-1:][0]),
        block_size=run.config.schedule.block_size,
        val_sha256=_sha256(corpus.val),
    )
    temporary = temporary_name(folder)
    try:
        _write_model(temporary, layout, record.block_size)
        _write_tokenizer(temporary, content, record.block_size)
        write_json(temporary / "gptkit.json", record)
        write_text(temporary / "README.md", model_card(run.record, run.result, record))
        write_text(temporary / "lm_eval_task.yaml", TASK)
        line = json.dumps({"text": corpus.val}, ensure_ascii=False)
        write_text(temporary / "val.jsonl", line + "\n")
        measured = _measure(temporary, run, corpus, encoded)
        rename_patiently(temporary, folder)
    except OSError as error:
        raise RunError(
            f"{error.filename or folder} cannot be written: {error.strerror}."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Export(
        folder=folder,
        model_type=layout.model_type,
        bits_per_byte=measured,
        expected=record.bits_per_byte,
        record=record,
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check_ids(run: Run, content: bytes, corpus: Corpus, encoded: EncodedCorpus) -> None:
    """Check that the exported tokenizer gives the texts the run's ids."""
    exported = HuggingFaceTokenizer(run.tokenizer.name, content)
    large = isinstance(corpus.train, LargeText)
    train = corpus.train[:MAX_CHECKED_CHARS]
    expected = run.tokenizer.encode_array(train) if large else encoded.train.ids
    for name, text, ids in (("train", train, expected), ("val", corpus.val, encoded.val.ids)):
        _compare_ids(name, ids, exported.encode_array(text))


def _compare_ids(name: str, expected: Any, found: Any) -> None:
    if not np.array_equal(expected, found):
        n = min(len(expected), len(found))
        differ = np.flatnonzero(np.asarray(expected[:n]) != np.asarray(found[:n]))
        at = int(differ[0]) if len(differ) else n
        raise RunError(
            f"the exported tokenizer gives other ids than the run's, from token {at:,} of {name} "
            "on.\nNothing was written. Please report this, with the tokenizer."
        )


def _write_model(folder: Path, layout: Layout, block_size: int) -> None:
    """Build the model of transformers, which checks names and shapes, and save it."""
    transformers = import_transformers()
    config = transformers.CONFIG_MAPPING[layout.model_type](**layout.config)
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and replaced
        model = transformers.AutoModelForCausalLM.from_config(config)
    model.load_state_dict({name: w.contiguous() for name, w in layout.weights.items()}, strict=True)
    model.generation_config = transformers.GenerationConfig(**GENERATION, max_length=block_size)
    model.save_pretrained(folder)
    shutil.copymode(folder / "config.json", folder / "model.safetensors")  # readable by others too


def _write_tokenizer(folder: Path, content: bytes, block_size: int) -> None:
    write_text(folder / "tokenizer.json", content.decode())
    # Another class, or none, makes transformers 5 build another tokenizer than the file says.
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": block_size,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    write_json(folder / "tokenizer_config.json", config)


def _measure(folder: Path, run: Run, corpus: Corpus, encoded: EncodedCorpus) -> float:
    """Load the folder as anybody would, and compare its ids and its loss with the run's."""
    transformers = import_transformers()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    ids = tokenizer(corpus.val, add_special_tokens=False, verbose=False)["input_ids"]
    _compare_ids("val", encoded.val.ids, np.array(ids))
    schedule, own = run.config.schedule, run.model
    assert isinstance(own, Decoder)
    loaded = load_causal_lm(str(folder), block_size=schedule.block_size)
    model: Any = CompactCausalLM(loaded.model, block_size=loaded.block_size, support=own.support)
    swept = evaluate(model, encoded.val, before=encoded.train.ids, stride=schedule.eval_stride)
    bits = swept.bits_per_byte
    expected = run.result.val.bits_per_byte
    if abs(bits - expected) > TOLERANCE:
        raise RunError(
            f"the exported model has {bits:.5f} bits per byte on val, the run {expected:.5f}.\n"
            "Nothing was written. Please report this, with the run's config.json."
        )
    return bits
