"""The model card of an export, and the task by which lm-evaluation-harness checks its loss."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gptkit.engines.run_folder import RunConfig
from gptkit.report.formatting import short
from gptkit.report.table import escape_markdown
from gptkit.results.schema import ArmResult

if TYPE_CHECKING:
    from gptkit.export.hugging_face import ExportRecord

TASK = """\
task: gptkit_val
dataset_path: json
dataset_kwargs:
  data_files:
    validation: val.jsonl
validation_split: validation
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list:
  - metric: bits_per_byte
  - metric: byte_perplexity
metadata:
  version: 1.0
"""


CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
tags:
- gptkit
- bits-per-byte
model-index:
- name: {run_json}
  results:
  - task:
      type: text-generation
    dataset:
      name: {corpus_json}
      type: text
      split: validation
    metrics:
    - type: bits_per_byte
      value: {bits}
---

# {run}

{about}

{claim}

| | |
| --- | ---: |
| vocabulary | {vocab} |
| parameters | {params} |
| context, tokens | {context} |
| bytes per token | {bytes_per_token} |
| nats per token | {nats} |
| sha256 of the whole corpus | `{sha256}` |

## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("DIR")
model = AutoModelForCausalLM.from_pretrained("DIR")
```

No id is special: nothing is put in front of a text, and `<|endoftext|>` is ordinary text.

## Check the figure

In this folder, with gptkit, and with lm-evaluation-harness:

```
gptkit score .
{check}
```
"""


def model_card(config: RunConfig, result: ArmResult, record: ExportRecord) -> str:
    """Write the card: what was trained, what was measured, and how to check it."""
    val, arm = result.val, config.arm
    name = escape_markdown(result.tokenizer)
    lost = (
        f" Its tokenizer loses {val.lost_bytes:,} of these bytes; the figure includes the cost of "
        "restoring them."
        if val.lost_bytes
        else ""
    )
    test = (
        f" On {result.test.bytes:,} bytes of test text it has {result.test.bits_per_byte:.4f}."
        if result.test
        else ""
    )
    about = (
        f"A small model that gptkit {record.gptkit} trained to compare tokenizers: the recipe "
        f"`{arm.recipe}` under the tokenizer {name}, seed {arm.schedule.seed}, after "
        f"{short(result.train.bytes)}B of {escape_markdown(config.corpus.name)}. It is no model "
        "for use."
    )
    claim = (
        f"**{val.bits_per_byte:.4f} bits per byte** on the {val.bytes:,} bytes of the validation "
        f"text, which are in `val.jsonl`.{lost}{test} Each byte is scored once, in windows of "
        f"{result.block_size} tokens; the first id is predicted from id {record.prefix_id}, the "
        "last one of the training text."
    )
    return CARD.format(
        run=escape_markdown(record.run),
        run_json=json.dumps(record.run),
        corpus_json=json.dumps(config.corpus.name),
        bits=f"{val.bits_per_byte:.6f}",
        about=about,
        claim=claim,
        vocab=f"{result.vocab_size:,}",
        params=f"{result.params.total:,}",
        context=f"{result.block_size:,}",
        bytes_per_token=f"{val.bytes / val.tokens:.3f}",
        nats=f"{val.nats_per_token:.4f}",
        sha256=config.corpus.sha256,
        check=check_command(record.prefix_id),
    )


def check_command(prefix_id: int) -> str:
    """Return the command of lm-evaluation-harness that checks the loss in the export's folder."""
    model = f"pretrained=.,dtype=float32,prefix_token_id={prefix_id}"
    return f"lm-eval run --model hf --model_args {model} --tasks gptkit_val --include_path ."
