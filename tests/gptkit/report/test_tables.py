"""What an experiment's tables, headline and page say."""

import io

import pytest
from factories import make_arm, make_loss, make_results, make_verdict
from msgspec.structs import replace
from rich.console import Console, Group

from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.report.command import command_line
from gptkit.report.formatting import printable
from gptkit.report.loss_table import loss_table
from gptkit.report.markdown import markdown
from gptkit.report.sentences import headline
from gptkit.report.table import Cell, to_rich
from gptkit.report.tables import match_table, model_table, sample_table, stretch_table
from gptkit.report.terminal import comparison
from gptkit.results.robustness import assess_robustness
from gptkit.results.schema import Best, Robustness, Trial, Tuning
from gptkit.results.summary import best_arm


def with_bits(arm, bits):
    return replace(
        arm,
        val=replace(arm.val, bits_per_byte=bits),
        last=replace(arm.last, bits_per_byte=bits),
    )


def with_seeds(n):
    """Results of n seeds, each 0.01 bits per byte above the one before."""
    results = make_results()
    arms = [
        replace(
            with_bits(arm, arm.val.bits_per_byte + 0.01 * seed),
            id=f"{arm.tokenizer}-{arm.model}-s{seed}",
            seed=seed,
        )
        for seed in range(n)
        for arm in results.arms
    ]
    experiment = ExperimentConfig(
        tokenizers=("char", "gpt2"), models=("decoder",), data="tinyshakespeare", seeds=n
    )
    return replace(results, arms=arms, experiment=experiment)


def rendered(renderable, width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def shown(table, width):
    return rendered(to_rich(table), width)


def texts(row):
    return [cell.text if isinstance(cell, Cell) else cell for cell in row]


@pytest.mark.parametrize("width", [80, 120])
def test_the_losses_fit_a_terminal_unclipped(width):
    text = shown(loss_table(make_results()), width)
    for cell in ("gpt2", "50,257", "(11,234)", "6.4M/590k/6.4M", "2.406", "3.09", "4.5k"):
        assert cell in text
    assert "…" not in text


def test_samples_stand_side_by_side_and_cannot_drive_the_terminal():
    text = shown(sample_table(make_results()), 80)
    assert "\x1b" not in text
    assert text.count("␛[2J") == 2
    assert any(line.count("Speak,") == 2 for line in text.splitlines())


def test_samples_of_many_tokenizers_stand_one_below_the_other():
    results = make_results()
    more = [replace(results.arms[0], tokenizer=t, id=f"{t}-decoder-s0") for t in ("a", "b")]
    text = shown(sample_table(replace(results, arms=[*results.arms, *more])), 80)
    assert all(line.count("Speak,") <= 1 for line in text.splitlines())
    assert text.count("Speak,") == 4


def test_the_headline_says_who_wins_by_how_much_and_how_surely():
    assert headline(make_results()) == (
        "gpt2 models tinyshakespeare best after 600kB of training: "
        "2.406 bits per byte with decoder. The lead over char is 0.100 ± 0.005 bits per byte "
        "(4.0%). ± is from the choice of the text alone; with one seed there is no interval across "
        "seeds."
    )


def test_the_headline_names_no_winner_of_a_tie():
    message = "gpt2 vs char under decoder: cannot be told apart at 5 seeds"
    results = make_results()
    tie = make_verdict(significant=False, message=message, seeds=5)
    results = replace(results, verdict=[tie])
    assert headline(results).startswith("gpt2 has the lowest loss on tinyshakespeare after 600kB")
    assert "but its lead over char may be chance" in headline(results)
    assert headline(results).endswith(f"{message}.")


def with_match(by, **changes):
    results = make_results()
    return replace(results, match=replace(results.match, by=by, **changes))


def test_matched_by_time_the_headline_says_seconds():
    assert "best after 40 s of training" in headline(with_match("time"))


@pytest.mark.parametrize(
    ("by", "spent"),
    [
        ("tokens", "best after training on 180k tokens: "),
        ("flops", "best after 2.1T FLOPs of training: "),
        ("params", "best after 600kB of training: "),
    ],
)
def test_the_headline_says_what_was_matched(by, spent):
    results = with_match(by)
    assert spent in headline(results)
    bigrams = [replace(arm, train=replace(arm.train, flops=0.0)) for arm in results.arms]
    assert "0 FLOPs" not in headline(replace(results, arms=bigrams))


def test_the_headline_of_one_tokenizer_has_no_rival():
    results = replace(make_results(), verdict=[])
    assert headline(results) == (
        "gpt2 models tinyshakespeare after 600kB of training: 2.406 bits per byte with decoder."
    )
    assert best_arm(results)[1] is None
    assert "saves most" not in rendered(Group(*comparison(results)), 80)
    assert "saves most" in rendered(Group(*comparison(make_results())), 80)


@pytest.mark.parametrize("width", [80, 120])
def test_seeds_are_one_row_with_their_mean_and_deviation(width):
    text = shown(loss_table(with_seeds(3)), width)
    assert "mean of 3 seeds" in text
    (row,) = [line for line in text.splitlines() if "6.4M/590k/6.4M" in line]
    assert "2.416 0.010" in " ".join(row.split())  # 2.406, 2.416, 2.426
    assert "…" not in text


def test_one_seed_has_no_column_of_deviations():
    assert "±" not in [column.heading for column in loss_table(make_results()).columns]
    assert "±" in [column.heading for column in loss_table(with_seeds(2)).columns]


def test_the_title_says_which_text_the_losses_are_of():
    results = make_results()
    arms = [replace(arm, test=make_loss(2.7, bytes=55_770)) for arm in results.arms]
    corpus = replace(results.corpus, test_bytes=55_770)
    results = replace(results, arms=arms, corpus=corpus, reported_split="test")
    text = shown(loss_table(results), 80)
    assert "Test loss on tinyshakespeare, 55,770 bytes" in text
    assert "2.700" in text
    assert "2.406" not in text
    assert "## Test loss on tinyshakespeare, 55,770 bytes" in markdown(results)
    beside = markdown(make_results(), beside=[results])
    assert "### Test loss on tinyshakespeare, 55,770 bytes" in beside


def test_baselines_stand_below_the_models():
    results = make_results()
    lines = [line.split() for line in shown(loss_table(results), 80).splitlines()]
    rows = [
        ["gpt2", "uniform", "5.049"],
        ["zlib", "after", "33kB", "3.101"],
        ["bz2", "2.635"],
    ]
    (last_model,) = [i for i, line in enumerate(lines) if "6.4M/590k/6.4M" in line]
    assert all(lines.index(row) > last_model for row in rows)
    page = markdown(results)
    assert "| gpt2 | uniform |  |  | 5.049 |" in page
    assert "| zlib | after 33kB |  |  | 3.101 |" in page
    assert "| bz2 |  |  |  | 2.635 |" in page


def test_the_source_itself_is_a_row():
    results = make_results()
    results = replace(results, corpus=replace(results.corpus, entropy_bits_per_byte=2.25))
    lines = [line.split() for line in shown(loss_table(results), 80).splitlines()]
    assert ["the", "source", "2.250"] in lines
    assert "| the source |  |  |  | 2.250 |" in markdown(results)


def test_a_tokenizer_that_loses_bytes_says_so_in_its_row():
    results = make_results()
    lossy = replace(results.arms[0], val=make_loss(2.506, lost_bytes=3_346))
    results = replace(results, arms=[lossy, results.arms[1]])
    assert "| char (loses 3 %) | decoder |" in markdown(results)


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_equal_is_a_table(width):
    text = shown(match_table(make_results()), width)
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.split()}
    quantities = "600k 600k 586 1.0k 160 128 590k 606k 2.1T 40.0"
    assert rows["char"] == quantities.split()
    assert rows["max/min"] == ["=", "×3.3", *["="] * 8]
    assert "gpt2-decoder 7.7T" in " ".join(text.split())
    assert "…" not in text


def test_notes_of_the_matching_stand_in_its_title():
    results = with_match("tokens", notes=["the naive comparison"])
    assert "Matched by tokens; the naive comparison" in shown(match_table(results), 80)
    assert "## Matched by tokens; the naive comparison" in markdown(results)


def test_the_stretches_show_where_one_beats_the_other():
    results = make_results()
    text = shown(stretch_table(results.verdict[0]), 80)
    assert "Where gpt2 saves most and least over char under decoder" in text
    lines = [line.strip().split(maxsplit=1) for line in text.splitlines()[1:] if line.strip()]
    assert [bits for bits, _ in lines] == ["+2.21", "+1.50", "-1.07", "-1.30"]
    assert "my lord⏎and␛[2J" in text
    page = markdown(results)
    assert "Where gpt2 saves most and least over char under decoder" in page
    assert "    +2.21  my lord⏎and␛[2J\n    +1.50  of\n    -1.07  <b>|\n" in page


def test_direction_marks_and_other_controls_are_made_visible():
    assert printable("a\u202eb\x9bc\x07\x7f") == "a\ufffdb\ufffdc␇␡"


def test_the_page_holds_every_number_and_no_raw_markup():
    page = markdown(make_results())
    assert (
        "| gpt2 | decoder | 50,257 (11,234) | 6.4M/590k/6.4M | **2.406** | 2.000 | 3.09 | 4.5k |"
        in page
    )
    assert "\x1b" not in page
    assert "gptkit compare --tokenizers char,gpt2 --models decoder" in page
    assert "- warning: there is one seed, and another may turn it." in page


def test_the_page_spells_warnings_as_the_command_line_does():
    page = markdown(replace(make_results(), warnings=["there is one seed. Give seeds=5."]))
    assert "- warning: there is one seed. Give --seeds 5." in page


def test_the_page_holds_what_was_tried():
    trials = [
        Trial(factor=1.0, bits_per_byte=2.5, part=1.0, learning_rate=0.01),
        Trial(factor=2.0, bits_per_byte=2.75, part=0.25, learning_rate=0.02),
        Trial(factor=4.0, bits_per_byte=None, part=0.0, learning_rate=0.04),
    ]
    tuning = [Tuning(tokenizer="char", model="decoder", factor=1.0, trials=trials)]
    page = markdown(replace(make_results(), tuning=tuning))
    assert "| char-decoder | 1 | **2.500** |" in page
    assert "| char-decoder | 2 | 2.750, stopped at 25% |" in page
    assert "| char-decoder | 4 | diverged |" in page


def test_the_page_shows_seeds_as_mean_and_deviation():
    page = markdown(with_seeds(3))
    assert "| **2.416** | 0.010 |" in page
    assert "111,540 bytes, mean of 3 seeds" in page
    assert "± is the standard deviation over seeds." in page
    assert page.count("after the prompt") == 2  # samples of the first seed alone


def test_the_command_names_only_what_was_chosen():
    asked = ExperimentConfig(
        tokenizers=("char",),
        models=("bigram", "decoder"),
        data="my text.txt",
        budget="600KB",
        top_k=5,
        tune=True,
        split=(0.8, 0.1, 0.1),
        prompt=None,
    )
    assert (
        command_line(replace(make_results(), experiment=asked))
        == "gptkit compare --tokenizers char --data 'my text.txt' --tune "
        "--split 0.8,0.1,0.1 --top-k 5"
    )


def test_a_text_given_as_an_object_has_no_command():
    results = replace(make_results(), experiment=ExperimentConfig(data=None))
    assert command_line(results) is None
    assert "    # from Python, with a text or recipes of its own: see results.json" in markdown(
        results
    )


def results_of_two_models():
    """Results of two tokenizers, of which `decoder` prefers gpt2 and `fast` char."""
    results = make_results()
    others = [
        replace(with_bits(arm, bits), model="fast", id=arm.id.replace("decoder", "fast"))
        for arm, bits in zip(results.arms, (2.30, 2.35), strict=True)
    ]
    arms = [*results.arms, *others]
    ratios = results.match.max_over_min["decoder"]
    message = "char vs gpt2 under fast: char is better by 0.050 bits per byte"
    verdict = [*results.verdict, make_verdict("char", "gpt2", "fast", 0.05, message=message)]
    return replace(
        results,
        arms=arms,
        experiment=ExperimentConfig(
            tokenizers=("char", "gpt2"), models=("decoder", "fast"), data="tinyshakespeare"
        ),
        match=replace(results.match, max_over_min={"decoder": ratios, "fast": ratios}),
        verdict=verdict,
        robustness=assess_robustness(arms, verdict),
    )


def test_the_headline_leads_with_it_where_the_answer_depends_on_the_model():
    assert headline(results_of_two_models()) == (
        "The answer depends on the model: gpt2 is best under decoder, char under fast. "
        "gpt2 and char change places, at one seed: gpt2 is better under decoder, char under fast. "
        "The lowest loss on tinyshakespeare after 600kB of training: char, 2.300 bits per byte "
        "with fast. The lead over gpt2 is 0.050 ± 0.005 bits per byte (2.1%). ± is from the choice "
        "of the text alone; with one seed there is no interval across seeds."
    )


def agreeing():
    """Results of two models that agree."""
    results = results_of_two_models()
    robustness = Robustness(
        best={m: Best(tokenizer="char", not_told_apart=[]) for m in ("decoder", "fast")},
        reversals=[],
        depends_on_model=False,
        message="char is best under both models.",
    )
    return replace(results, robustness=robustness)


def test_the_headline_ends_with_it_where_the_models_agree():
    assert headline(agreeing()).endswith("char is best under both models.")


def test_two_models_that_agree_have_a_table_on_the_page_alone():
    assert model_table(agreeing(), always=False) is None
    assert model_table(agreeing()) is not None
    assert model_table(results_of_two_models(), always=False) is not None
    assert "Bits per byte by model" not in rendered(Group(*comparison(agreeing())), 80)
    assert "## Does the answer depend on the model?" in markdown(agreeing())


def test_tables_show_each_tokenizer_under_each_model():
    results = results_of_two_models()
    table = model_table(results)
    assert [texts(row) for row in table.rows] == [
        ["char", "2.506 (2)", "2.300 (1)"],
        ["gpt2", "2.406 (1)", "2.350 (2)"],
    ]
    text = shown(table, 80)
    assert "Bits per byte by model" in text
    assert "2.406 (1)" in text
    page = markdown(results)
    assert "## Does the answer depend on the model?" in page
    assert "| char | 2.506 (2) | **2.300 (1)** |" in page


def test_what_is_not_told_apart_from_the_best_is_marked():
    results = results_of_two_models()
    best = results.robustness.best | {"fast": Best(tokenizer="char", not_told_apart=["gpt2"])}
    results = replace(results, robustness=replace(results.robustness, best=best))
    assert texts(model_table(results).rows[1]) == ["gpt2", "2.406 (1)", "2.350 (2) ≈"]


def test_results_of_one_model_still_show():
    results = make_results()
    assert results.robustness is None
    assert model_table(results) is None
    assert "depend on the model" not in markdown(results)


def test_the_best_under_each_model_is_marked_in_the_losses():
    rows = loss_table(results_of_two_models()).sections[0].rows
    marked = [texts(row)[:2] for row in rows if any(getattr(c, "style", "") == "best" for c in row)]
    assert marked == [["gpt2", "decoder"], ["char", "fast"]]


def test_arms_that_share_the_cores_are_noted_beside_their_seconds():
    results = make_results()
    shared = replace(results, machine=replace(results.machine, arms_at_a_time=2))
    note = "Arms shared the cores, 2 at a time."
    assert note in " ".join(match_table(shared).notes)
    assert note not in " ".join(match_table(results).notes)


def test_a_seed_is_a_row_of_its_own_on_the_page():
    arm = make_arm("char", bits=2.5064, seed=3)
    assert "| char-decoder-s3 | 2.5064 | 586 | 2.5064 | 0.01 | 0.60 | 40.0 |" in markdown(
        make_results(arm)
    )
