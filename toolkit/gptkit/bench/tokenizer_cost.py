"""Measure what a tokenizer costs: seconds to load and to encode, and memory, in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping

import msgspec

from gptkit.data.inspection import TokenizerCost, inspected_text
from gptkit.errors import GptkitError
from gptkit_tokenizers import Tokenizer

COMMAND = "from gptkit.bench.tokenizer_cost import main; main()"


def measure_costs(
    tokenizers: Mapping[str, str | Tokenizer], data: str | None
) -> dict[str, TokenizerCost]:
    """Measure the costs of tokenizers on a corpus, one after the other, by name.

    Only a spec can be measured: an object stays in its process.
    """
    specs = {name: spec for name, spec in tokenizers.items() if isinstance(spec, str)}
    return {name: measure_cost(spec, data) for name, spec in specs.items()}


def measure_cost(spec: str, data: str | None) -> TokenizerCost:
    """Measure a tokenizer's cost on a corpus, in a new process.

    Raises:
        GptkitError: the process fails.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-c", COMMAND],
        input=json.dumps([spec, data]),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise GptkitError(f"the cost of {spec} cannot be measured: {reason}")
    return msgspec.json.decode(done.stdout, type=TokenizerCost)


def main() -> None:
    """Read a spec and a corpus from standard input, and print the cost as JSON."""
    from gptkit.data.corpus import load_corpus
    from gptkit.data.encoding import build_tokenizer
    from gptkit.engines.process_memory import peak_memory

    spec, data = json.load(sys.stdin)
    corpus = load_corpus(data)
    text = inspected_text(corpus)
    began = time.perf_counter()
    tokenizer = build_tokenizer(corpus, spec)
    loaded = time.perf_counter()
    tokenizer.encode_array(text)
    cost = TokenizerCost(
        load_seconds=loaded - began,
        encode_seconds=time.perf_counter() - loaded,
        peak_bytes=peak_memory(),
    )
    sys.stdout.buffer.write(msgspec.json.encode(cost))
