"""What is said and shown of several texts, where they differ from all together."""

import pytest
from factories import make_arm, make_results
from msgspec.structs import replace
from rich.console import Console

from gptkit.report.by_text import say_other_texts, text_loss_table
from gptkit.report.markdown import markdown
from gptkit.report.one_screen import OWN_LINES, SCREEN_LINES, comparison
from gptkit.report.sentences import headline, looks_note, verdict_note
from gptkit.report.terminal import comparison as every_table
from gptkit.results.scale import better_on_texts
from gptkit.results.scale_schema import PairAtTop
from gptkit.results.schema import ByText, Look, TextLoss, TextVerdict


def of_texts(leads, *, models=("decoder",), doubtful=()):
    """Return results in which gpt2 is ahead by `leads`, bits per byte by text."""
    losses, verdicts = [], []
    for model in models:
        for text, lead in leads.items():
            for name, bits in (("gpt2", 2.0), ("char", 2.0 + lead)):
                losses.append(
                    TextLoss(
                        text=text,
                        tokenizer=name,
                        model=model,
                        bytes=1000,
                        bits_per_byte=bits,
                        std=None,
                    )
                )
            a, b = ("gpt2", "char") if lead > 0 else ("char", "gpt2")
            verdicts.append(
                TextVerdict(
                    text=text,
                    model=model,
                    a=a,
                    b=b,
                    delta_bits_per_byte=abs(lead),
                    ci95=None,
                    p_holm=None,
                    significant=False if text in doubtful else None,
                    message="",
                )
            )
    return replace(make_results(), by_text=ByText(losses=losses, verdicts=verdicts, tokens=[]))


def test_the_headline_names_the_texts_on_which_another_is_better():
    results = of_texts({"en": 0.3, "ja": -0.2, "zh": -0.4, "de": -0.01}, doubtful=["de"])
    assert headline(results).endswith(" But under decoder char is better on ja and zh.")
    assert "But" not in headline(of_texts({"en": 0.3, "de": 0.1}))
    assert "But" not in headline(make_results())


def test_many_texts_are_counted():
    results = of_texts({f"t{i}": (-1) ** i * 0.1 for i in range(20)})
    best = make_arm("gpt2")
    assert say_other_texts(results, best) == "But under decoder char is better on 10 of 20 texts."


@pytest.mark.parametrize(("n_texts", "models"), [(3, ["bigram", "decoder"]), (12, ["decoder"])])
def test_the_losses_of_texts_come_before_samples(n_texts, models):
    results = of_texts({f"t{i}": 0.1 for i in range(n_texts)}, models=["bigram", "decoder"])
    console = Console(width=80, highlight=False)
    with console.capture() as capture:
        console.print(comparison(results, console))
    shown = capture.get()
    table = shown[shown.index("Bits per byte of each text") :].splitlines()
    named = [line.split()[0] for line in table if line.split()[:1] in (["bigram"], ["decoder"])]
    assert named[: len(models)] == models
    assert sum(line.split()[:1] == ["t2"] for line in table) == len(models)
    assert len(shown.splitlines()) + OWN_LINES <= SCREEN_LINES


def test_the_table_can_be_of_one_model():
    results = of_texts({"en": 0.1}, models=["bigram", "decoder"])
    assert [s.title for s in text_loss_table(results, model="decoder").sections] == ["decoder"]


def test_the_note_says_how_many_pairs_each_correction_is_for():
    results = of_texts({"en": 0.3, "ja": -0.2})
    seeds = [replace(one, ci95=(0.1, 0.2)) for one in results.verdict]
    note = verdict_note(replace(results, verdict=seeds))
    assert note.endswith("Holm-corrected for all 1 pairs, and those by text for all 2.")


@pytest.mark.parametrize(
    ("decided", "says"),
    [
        ([False, True], "Decided at 4 seeds, after 2 looks."),
        ([False], "Not decided at 3 seeds, the most that were asked for, after 1 look."),
    ],
)
def test_it_says_whether_added_seeds_decided(decided, says):
    looks = [Look(seeds=3 + i, level=0.01, decided=one) for i, one in enumerate(decided)]
    results = replace(make_results(), looks=looks)
    console = Console(width=120, highlight=False)
    with console.capture() as capture:
        console.print(comparison(results, console), *every_table(results))
    assert capture.get().count(says) == 2
    assert says in markdown(results)
    assert looks_note(make_results()) is None


def top(text, a, b, lead, p, model="m"):
    pair = PairAtTop(model=model, a=a, b=b, delta_bits_per_byte=lead, ci95=(0.0, 2 * lead))
    return text, pair, p


def test_a_ladder_names_the_tokenizer_that_is_furthest_ahead_of_its_leader():
    tops = [
        top("en", "gpt2", "char", 0.3, 0.001),
        top("ja", "char", "gpt2", 0.1, 0.001),
        top("ja", "byte", "gpt2", 0.2, 0.001),
        top("ja", "char", "byte", 0.2, 0.001),
        top("zh", "byte", "gpt2", 0.3, 0.001),
        top("de", "char", "gpt2", 0.01, 0.03),  # times two, by Holm's rule, it is above 0.05
        top("it", "char", "gpt2", 0.01, 0.03),
        top("fr", "char", "gpt2", 0.3, 0.001, model="other"),
    ]
    assert better_on_texts(tops, model="m", leader="gpt2") == {"byte": ["ja", "zh"]}
