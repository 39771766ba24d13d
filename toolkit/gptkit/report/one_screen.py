"""Fit what a command shows on one screen: the answer first, and samples where there is room."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial

from rich.console import Console, Group, RenderableType
from rich.text import Text

from gptkit.plan.experiment_config import to_command_line
from gptkit.report.after_training import marginal_table, perturbed_table
from gptkit.report.by_text import text_loss_table
from gptkit.report.formatting import printable
from gptkit.report.ladder import SAMPLED_STAGES, bits_table, stage_table
from gptkit.report.loss_table import loss_table
from gptkit.report.sentences import headline, looks_note, next_step, tuning_note
from gptkit.report.table import Table, to_rich
from gptkit.report.tables import MAX_SIDE_BY_SIDE, model_table, sample_table
from gptkit.results.schema import Results
from gptkit.results.summary import best_arm

SCREEN_LINES = 40
OWN_LINES = 4  # of the command that was typed, and of where the results are
MOST_WARNINGS = 3
MOST_CHARS = 600  # of a sample
LEAST_CHARS = 60  # with less, samples are left out


def comparison(results: Results, console: Console) -> RenderableType:
    """Return what `gptkit compare` shows: the answer, losses, samples and warnings."""
    seeds, closest = best_arm(results)
    rivals: tuple[str, ...] = (seeds[0].tokenizer, *([] if closest is None else [closest.b]))
    if len(results.experiment.tokenizers) <= MAX_SIDE_BY_SIDE:
        rivals = ()
    losses = [loss_table(results, baselines=False), model_table(results)]
    samples = partial(sample_table, results, models=[seeds[0].model], tokenizers=rivals)
    asked = [marginal_table(results), perturbed_table(results)]
    texts = [text_loss_table(results), text_loss_table(results, model=seeds[0].model)]
    return _fit(results, console, losses, samples, texts=texts, asked=asked)


def walk(results: Results, console: Console) -> RenderableType:
    """Return what `gptkit lecture ladder` shows."""
    tokenizers = results.experiment.tokenizer_names
    ladder = bits_table(results) if len(tokenizers) > 1 else stage_table(results, tokenizers[0])
    last = [stage for stage in SAMPLED_STAGES if stage in results.experiment.models][-1:]
    samples = partial(sample_table, results, models=last, tokenizers=tokenizers[:2])
    return _fit(results, console, [ladder], samples)


def _fit(
    results: Results,
    console: Console,
    losses: Sequence[Table | None],
    samples: Callable[..., Table],
    *,
    texts: Sequence[Table | None] = (),
    asked: Sequence[Table | None] = (),
) -> RenderableType:
    """Put together what fits.

    Args:
        losses: tables of the losses, the widest first; one of them is shown.
        samples: makes the table of samples, given how much of each is shown.
        texts: tables of each text's losses, the longest first; the first that there is room for is
            shown.
        asked: tables of what was asked for, which are shown without regard to the room.
    """
    head = [Text(headline(results), style="bold")]
    if step := next_step(results):
        head.append(Text(printable(to_command_line(step))))
    notes = looks_note(results), tuning_note(results)
    head += [Text(printable(note)) for note in notes if note is not None]
    tables = [to_rich(table) for table in losses if table is not None]

    def fits(*shown: RenderableType) -> bool:
        return _lines(Group(*shown), console) + OWN_LINES <= SCREEN_LINES

    tries = itertools.product(range(MOST_WARNINGS, 0, -1), tables)
    n_warnings, table = next(
        (one for one in tries if fits(*head, Text(), one[1], *_tail(results.warnings, one[0]))),
        (1, tables[-1]),
    )
    parts, tail = [*head, Text(), table], _tail(results.warnings, n_warnings)
    of_texts = (to_rich(table) for table in texts if table is not None)
    parts += next(([table] for table in of_texts if fits(*parts, table, *tail)), [])
    for chars in range(MOST_CHARS, LEAST_CHARS - 1, -20):
        shown = to_rich(samples(most_chars=chars))
        if fits(*parts, shown, *tail):
            parts.append(shown)
            break
    return Group(*parts, *(to_rich(table) for table in asked if table is not None), *tail)


def _lines(shown: RenderableType, console: Console) -> int:
    return len(console.render_lines(shown, pad=False))


def _tail(warnings: Sequence[str], most: int) -> list[Text]:
    """Return the first warnings, which weigh most, and where the rest is."""
    shown = [
        Text(f"warning: {printable(to_command_line(warning))}", style="yellow")
        for warning in warnings[:most]
    ]
    more = len(warnings) - len(shown)
    others = f"{more} more {'warning' if more == 1 else 'warnings'}, and everything else"
    rest = f"--full shows {others if more else 'everything'}."
    return [*shown, Text(rest, style="dim")]
