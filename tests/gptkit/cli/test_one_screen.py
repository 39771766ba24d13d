"""What compare shows by default: the answer first, on one screen, whatever was compared."""

from dataclasses import replace as with_fields
from itertools import pairwise

import pytest
from factories import make_arm, make_loss, make_results, make_verdict
from msgspec.structs import replace
from rich.console import Console

from gptkit.plan.ladder import ladder
from gptkit.report.one_screen import OWN_LINES, SCREEN_LINES, comparison, walk
from gptkit.report.sentences import next_step
from gptkit.results.robustness import assess_robustness
from gptkit.results.schema import Sample, Tuning

LONG = "Speak, my lord, and be not so dismayed.\n" * 12


def many(tokenizers, models, *, seeds=1, warnings=()):
    arms = [
        replace(
            make_arm(t, m, 2.0 + 0.1 * i + 0.01 * s, seed=s, vocab_size=50_257, vocab_seen=11_234),
            samples=[Sample(prompt="\n", text=LONG)],
        )
        for m in models
        for i, t in enumerate(tokenizers)
        for s in range(seeds)
    ]
    verdicts = [
        make_verdict(a, b, m, 0.1, seeds=seeds) for m in models for a, b in pairwise(tokenizers)
    ]
    results = make_results(*arms, verdict=verdicts, robustness=assess_robustness(arms, verdicts))
    return replace(results, warnings=list(warnings))


def lines(results, width=80, of=comparison):
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(of(results, console))
    return capture.get().splitlines()


WARNINGS = [
    f"{name}: " + "a warning that is long enough for two lines of the screen, " * 2
    for name in ("one", "two", "three", "four", "five")
]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    ("tokenizers", "models"),
    [
        (["gpt2", "char"], ["bigram", "decoder"]),
        (["gpt2", "char", "byte"], ["decoder"]),
        (["gpt2", "bpe:1024", "bpe:4096", "char+bytes", "byte"], ["decoder", "gpt2", "qwen3"]),
    ],
)
def test_it_is_on_one_screen(tokenizers, models, width):
    shown = lines(many(tokenizers, models, seeds=2, warnings=WARNINGS), width)
    assert len(shown) + OWN_LINES <= SCREEN_LINES
    text = " ".join(" ".join(shown).split())
    assert text.startswith("gpt2 models tinyshakespeare best after 600kB of training")
    assert sum("bits" in line and "byte" in line for line in shown)
    for tokenizer in tokenizers:
        assert any(line.split()[:1] == [tokenizer] for line in shown)


def test_tuned_rates_are_shown():
    tokenizers = ["gpt2", "char", "byte"]
    tuning = [Tuning(tokenizer=t, model="decoder", factor=2.0, trials=[]) for t in tokenizers]
    shown = lines(replace(many(tokenizers, ["decoder"], warnings=WARNINGS), tuning=tuning))
    assert len(shown) + OWN_LINES <= SCREEN_LINES
    assert "times the recipe's: gpt2 under decoder ×2 (" in " ".join(" ".join(shown).split())


def test_samples_take_the_room_that_is_left():
    short = lines(many(["gpt2", "char"], ["decoder"]))
    assert sum("Speak, my lord" in line for line in short) >= 5
    full = lines(many([f"t{i}" for i in range(24)], ["decoder"]))
    assert len(full) + OWN_LINES <= SCREEN_LINES
    assert not any("Speak, my lord" in line for line in full)


def test_the_three_warnings_that_weigh_most_are_shown():
    shown = "\n".join(lines(many(["gpt2", "char"], ["decoder"], warnings=WARNINGS)))
    assert [f"warning: {name}" in shown for name in ("one", "two", "three", "four")] == [
        *[True] * 3,
        False,
    ]
    assert "--full shows 2 more warnings, and everything else." in shown


def test_a_ladder_is_on_one_screen():
    recipes = ladder()
    arms = [
        make_arm(tokenizer, stage, 3.0 - 0.1 * i)
        for i, stage in enumerate(recipes)
        for tokenizer in ("char", "gpt2")
    ]
    results = make_results(make_arm("char"), make_arm("gpt2"), verdict=[])
    config = with_fields(results.experiment, models=recipes)
    shown = lines(replace(results, arms=arms, experiment=config, ladder="cpu"), of=walk)
    assert len(shown) + OWN_LINES <= SCREEN_LINES
    assert any(line.split()[:1] == ["residual"] for line in shown)


def verdict_of(**changes):
    arms = [make_arm("gpt2", bits=2.4, seed=s) for s in range(5)]
    arms += [make_arm("char", bits=2.5, seed=s) for s in range(5)]
    return make_results(*arms, verdict=[make_verdict(seeds=5, **changes)])


@pytest.mark.parametrize(
    ("results", "says"),
    [
        (make_results(), "seeds=5 shows whether other seeds say the same"),
        (
            verdict_of(significant=True),
            "Next: gptkit scale --tokenizers gpt2,char --data tinyshakespeare --budget 2400KB "
            "shows whether it holds at a larger budget.",
        ),
        (verdict_of(significant=False, more_seeds=3), "seeds=8 would decide between gpt2 and char"),
        (verdict_of(significant=False, more_text=2.5), "2.5 times as long would decide"),
        (verdict_of(significant=False), "choose between gpt2 and char by their cost"),
        (make_results(make_arm("char", val=make_loss(2.0))), "compare it with another tokenizer"),
    ],
)
def test_it_says_what_to_do_next(results, says):
    assert says in next_step(results)


def test_the_next_ladder_is_of_the_experiment_that_was_run():
    results = verdict_of(significant=True)
    asked = {"tokenizers": ("mine=bpe:512", "char"), "models": ("qwen3",), "data": "my text.txt"}
    own = with_fields(results.experiment, **asked, split=0.8, marginal=True)
    assert (
        "gptkit scale --tokenizers mine=bpe:512,char --data 'my text.txt' --split 0.8 "
        "--models qwen3 --budget 2400KB"
    ) in next_step(replace(results, experiment=own))
    short_text = replace(results.corpus, train_bytes=200_000)  # read three times already
    assert "gptkit scale with a longer text" in next_step(replace(results, corpus=short_text))
    objects = with_fields(results.experiment, data=None)
    assert "gptkit.scale(...)" in next_step(replace(results, experiment=objects))
