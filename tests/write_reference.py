"""Build the API reference from the docstrings into a folder; a warning is an error."""

import sys
import warnings
from pathlib import Path

import pdoc

import gptkit


def write_reference(folder: Path) -> None:
    for name in gptkit.__all__:
        getattr(gptkit, name)  # public names are imported at first use; pdoc sees them afterwards
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pdoc.pdoc("gptkit", "gptkit_tokenizers", output_directory=folder)


if __name__ == "__main__":
    write_reference(Path(sys.argv[1] if len(sys.argv) > 1 else "reference"))
