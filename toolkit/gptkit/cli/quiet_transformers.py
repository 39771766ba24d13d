"""Keep transformers' own progress bars and hints off the terminal."""

from __future__ import annotations


def quiet_transformers() -> None:
    """Change the settings of this process; only commands call this."""
    from gptkit.export.causal_lm import import_transformers

    logging = import_transformers().utils.logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()
