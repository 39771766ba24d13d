"""The JSON Schema of results.json: `python -m gptkit.results.json_schema` writes it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gptkit.results.scale_schema import Scale
from gptkit.results.schema import Results
from gptkit.results.studies import Study
from gptkit_tokenizers.base import JsonObject

SCHEMA_FILE = Path(__file__).with_name("results.schema.json")


def json_schema() -> JsonObject:
    """The JSON Schema of results.json, of an experiment or of a study, and of scale.json."""
    return msgspec.json.schema(Results | Scale | Study)


if __name__ == "__main__":
    from gptkit.files import write_json

    write_json(SCHEMA_FILE, json_schema())
