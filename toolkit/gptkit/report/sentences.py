"""Say results in sentences, for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gptkit.plan.options_file import NOT_OF_SCALE
from gptkit.plan.scale import MAX_EPOCHS, SCALE_DEFAULTS
from gptkit.report.by_text import say_other_texts
from gptkit.report.command import given_options, option_words, quote
from gptkit.report.formatting import printable, short
from gptkit.results.balance import EQUAL_RATIO
from gptkit.results.schema import ArmResult, Machine, Results, Verdict
from gptkit.results.summary import best_arm, group_by_model, mean_bits

LARGER = 4  # the top rung of the ladder that is advised, in times of the budget
NOT_OF_LADDER = (*NOT_OF_SCALE, "models", "seeds", "evaluations")  # a ladder has its own
SPLIT_NAMES = {"val": "validation", "test": "test"}


def headline(results: Results) -> str:
    """Say which tokenizer is best, by how much, how surely, and whether the model matters."""
    seeds, closest = best_arm(results)
    arm, corpus, spent = seeds[0], results.corpus.name, _spent(results, seeds[0])
    figure = f"{mean_bits(seeds):.3f} bits per byte with {arm.model}"
    robust = results.robustness
    if closest is None:
        text = f"{arm.tokenizer} models {corpus} after {spent}: {figure}."
    elif robust is not None and robust.depends_on_model:
        text = (
            f"{robust.message} The lowest loss on {corpus} after {spent}: {arm.tokenizer}, "
            f"{figure}. {_lead(closest, seeds)}"
        )
    else:
        text = f"{arm.tokenizer} models {corpus} best after {spent}: {figure}."
        if closest.significant is False:
            text = (
                f"{arm.tokenizer} has the lowest loss on {corpus} after {spent}, {figure}, but its "
                f"lead over {closest.b} may be chance."
            )
        text = f"{text} {_lead(closest, seeds)} {'' if robust is None else robust.message}".rstrip()
    return printable(f"{text} {say_other_texts(results, arm)}".rstrip())


def _lead(verdict: Verdict, seeds: Sequence[ArmResult]) -> str:
    """Say by how much the best tokenizer is ahead of the closest one, and how surely."""
    if verdict.seeds > 1:
        return f"{verdict.message}."
    less = verdict.delta_bits_per_byte
    share = f"{less / (mean_bits(seeds) + less):.1%}"
    one_seed = "with one seed there is no interval across seeds"
    if verdict.ci95_text is None:
        return f"The lead over {verdict.b} is {less:.3f} bits per byte ({share}); {one_seed}."
    half = (verdict.ci95_text[1] - verdict.ci95_text[0]) / 2
    return (
        f"The lead over {verdict.b} is {less:.3f} ± {half:.3f} bits per byte ({share}). ± is from "
        f"the choice of the text alone; {one_seed}."
    )


def next_step(results: Results) -> str:
    """Say what to do next, in the words of Python; "" if there is nothing to say."""
    _, closest = best_arm(results)
    if closest is None:
        return "Next: compare it with another tokenizer."
    counts = {b.tokenizer: b.bits_per_byte for b in results.baselines if b.name == "bigram"}
    if any(a.params.body and mean_bits([a]) > counts.get(a.tokenizer, 99.0) for a in results.arms):
        longer = f"{10 * results.arms[0].train.bytes / 1e6:.1g}MB"
        return (
            f'Next: train longer, as with budget="{longer}": a model here is still worse than '
            "counting pairs."
        )
    if results.n_seeds == 1:
        return "Next: seeds=5 shows whether other seeds say the same."
    if results.robustness is not None and results.robustness.depends_on_model:
        return "Next: decide by the model that you will train; the tokenizers' order depends on it."
    if closest.significant is False:
        if closest.more_seeds is not None:
            n = closest.seeds + closest.more_seeds
            return f"Next: seeds={n} would decide between {closest.a} and {closest.b}."
        if closest.more_text is not None:
            return (
                f"Next: a validation text {closest.more_text:.1f} times as long would decide "
                f"between {closest.a} and {closest.b}."
            )
        return f"Next: choose between {closest.a} and {closest.b} by their cost, or train longer."
    return f"Next: {_ladder(results)} shows whether it holds at a larger budget."


def _ladder(results: Results) -> str:
    """Write the command of a ladder to four times the budget, as far as the text allows."""
    config, spent = results.experiment, results.arms[0].train.bytes
    budget = min(LARGER * spent, int(MAX_EPOCHS * results.corpus.train_bytes))
    if budget < 2 * spent:
        return "gptkit scale with a longer text"
    if config.data is None or isinstance(config.models, Mapping):
        return "gptkit.scale(...)"
    options = {n: v for n, v in given_options(config).items() if n not in NOT_OF_LADDER}
    if config.models != SCALE_DEFAULTS["models"]:
        options["models"] = config.models
    options["budget"] = f"{budget // 1000}KB"
    return " ".join(map(quote, ["gptkit", "scale", *option_words(options)]))


def _spent(results: Results, arm: ArmResult) -> str:
    by, train = results.match.by, arm.train
    if by == "time":
        return f"{train.seconds:.0f} s of training"
    if by == "tokens":
        return f"training on {short(train.tokens)} tokens"
    if by == "flops" and train.flops:
        return f"{short(train.flops)} FLOPs of training"
    return f"{short(train.bytes)}B of training"


def tokenizer_label(arm: ArmResult) -> str:
    """Return an arm's tokenizer and the share of text it loses, as in "lower (loses 3.1 %)"."""
    lost = arm.reported.lost_bytes
    if not lost:
        return arm.tokenizer
    return f"{arm.tokenizer} (loses {100 * lost / arm.reported.bytes:.2g} %)"


def match_summary(results: Results) -> str:
    """Say in one line how the arms were matched, with remarks."""
    return "; ".join([f"Matched by {results.match.by}", *results.match.notes])


def machine_notes(machine: Machine) -> str:
    """Say on what an experiment ran, as in "torch 2.13.0 on cpu with 2 threads"."""
    several = machine.processes_per_arm
    together = f", {several} processes for each arm" if several > 1 else ""
    return f"torch {machine.torch} on {machine.device} with {machine.threads} threads{together}"


def cost_notes(results: Results) -> str:
    """Say how FLOPs and seconds were counted, and the cost of the full softmax."""
    more = [
        f"{arm.tokenizer}-{arm.model} {short(arm.train.flops_full_softmax)}"
        for arm, *_ in group_by_model(results.arms)
        if arm.train.flops_full_softmax > EQUAL_RATIO * arm.train.flops
    ]
    note = "FLOPs as computed, with the compact softmax"
    note = f"{note}; with the full one: {', '.join(more)}." if more else f"{note}."
    at_a_time = results.machine.arms_at_a_time
    return note if at_a_time == 1 else f"{note} Arms shared the cores, {at_a_time} at a time."


def verdict_note(results: Results) -> str | None:
    """Say what ± and the correction mean; None if no verdict has an interval."""
    if not any(v.ci95 for v in results.verdict):
        return None
    texts = results.by_text
    by_text = f", and those by text for all {len(texts.verdicts)}" if texts else ""
    return (
        "± in a verdict is half of a 95 % interval, the widest of three: a paired block bootstrap "
        "over the text, a t interval over the seeds, and both together. p-values are "
        f"Holm-corrected for all {len(results.verdict)} pairs{by_text}."
    )


def stretch_title(verdict: Verdict) -> str:
    """Return the title of a table of stretches."""
    return (
        f"Where {verdict.a} saves most and least over {verdict.b} under {verdict.model}, bits/byte"
    )


def looks_note(results: Results) -> str | None:
    """Say whether added seeds decided; None if none were added."""
    if not results.looks:
        return None
    last = results.looks[-1]
    n_looks = f"{len(results.looks)} look{'s' if len(results.looks) > 1 else ''}"
    if last.decided:
        return f"Decided at {last.seeds} seeds, after {n_looks}."
    return f"Not decided at {last.seeds} seeds, the most that were asked for, after {n_looks}."


def tuning_note(results: Results) -> str | None:
    """Say which learning rates the trials chose; None without tuning."""
    if not results.tuning:
        return None
    rates = {(arm.tokenizer, arm.model): arm.learning_rate for arm in results.arms}
    chosen = (
        f"{t.tokenizer} under {t.model} ×{t.factor:g} ({rates[t.tokenizer, t.model]:g})"
        for t in results.tuning
    )
    return f"Learning rates chosen by trials, times the recipe's: {', '.join(chosen)}."
