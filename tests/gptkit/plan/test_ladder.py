"""The ladder: its stages are configs, its experiment is one like any other."""

import json
import math
import re
from dataclasses import asdict, replace
from itertools import pairwise

import msgspec
import pytest

import gptkit
from gptkit.config import Recipe, Schedule
from gptkit.data.corpus import Corpus, load_corpus
from gptkit.data.encoding import encode_corpus
from gptkit.errors import ConfigError
from gptkit.eval.baselines import counted
from gptkit.eval.evaluation import sweep
from gptkit.experiment import Experiment
from gptkit.models import build_model
from gptkit.plan.experiment_config import common_value
from gptkit.plan.ladder import STAGES, ladder, ladder_preset
from gptkit.plan.recipes import RECIPES, decoder
from gptkit.report.command import command_line
from gptkit.report.ladder import ladder_notes, stage_rows
from gptkit.report.markdown import markdown
from gptkit.report.plots import figure_name, plot_ladder, to_svg
from gptkit.train.loop import train_to_end

SMALL = {"budget": "6steps", "sample_bytes": 20}
STORY = ("bigram", "heads", "feed-forward", "today")


@pytest.fixture(scope="module")
def climbed(tmp_path_factory, english):
    """A ladder of four stages under two tokenizers, two seeds."""
    folder = tmp_path_factory.mktemp("ladder")
    text = folder / "text.txt"
    text.write_text(english, encoding="utf-8")
    experiment = Experiment(
        tokenizers=["char", "bpe:300"],
        models=ladder(stages=STORY),
        data=str(text),
        seeds=2,
        out=folder,
        **SMALL,
    )
    with pytest.MonkeyPatch.context() as patch:  # the vocabulary is cached, not by the user
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return experiment.run()


def with_experiment(results, **changes):
    """Results of an experiment that was asked for otherwise."""
    experiment = replace(results.experiment, **changes)
    return msgspec.structs.replace(results, experiment=experiment)


def test_each_stage_is_the_one_before_with_one_idea_more():
    configs = {name: asdict(recipe.model) for name, recipe in ladder().items()}
    assert list(configs) == list(STAGES)
    order = ["average", "head", "heads", "feed-forward", "residual", "norm"]
    changed = [
        {k for k in configs[a] if configs[a][k] != configs[b][k]} for a, b in pairwise(order)
    ]
    assert changed == [
        {"attention"},
        {"n_head"},
        {"mlp"},
        {"residual", "n_layer", "n_hidden"},
        {"norm"},
    ]
    assert ladder()["today"] == decoder()


def test_the_presets_are_the_lectures_settings():
    small = [recipe for name, recipe in ladder().items() if name not in ("scaled", "today")]
    assert {common_value(small, f) for f in ("context_bytes", "bytes_per_step", "budget")} == {
        8,
        256,  # 32 windows of 8
        "5000steps",
    }
    assert [recipe.optim.learning_rate for recipe in small] == [1e-2] + [1e-3] * 6
    gpu = ladder("gpu")["scaled"]
    assert (gpu.model.n_layer, gpu.model.n_head, gpu.model.n_embd) == (6, 6, 384)
    assert (gpu.context_bytes, gpu.bytes_per_step, gpu.model.dropout) == (256, 64 * 256, 0.2)
    assert gpu.optim.learning_rate == 3e-4
    assert {k: v for k, v in ladder("gpu").items() if k != "scaled"} == {
        k: v for k, v in ladder().items() if k != "scaled"
    }


def test_a_ladder_is_known_by_its_recipes():
    assert ladder_preset(ladder()) == "cpu"
    assert ladder_preset(ladder("gpu")) == "gpu"
    stages = ladder(stages=["norm", "bigram"])
    assert list(stages) == ["bigram", "norm"]
    assert ladder_preset(stages) == "cpu"
    assert ladder_preset({"norm": stages["bigram"]}) is None
    assert ladder_preset({"mine": stages["norm"]}) is None
    again = msgspec.json.decode(msgspec.json.encode(stages), type=dict[str, Recipe])
    assert again == stages
    assert ladder_preset(again) == "cpu"


def test_a_ladders_plan_has_each_stages_own_text(text_file):
    arms = Experiment(tokenizers=["char"], models=ladder(), data=str(text_file)).plan().arms
    by = {arm.recipe: arm for arm in arms}
    assert list(by) == list(STAGES)
    steps = [by[stage].schedule.steps for stage in ("head", "scaled", "today")]
    assert steps == [5000, 5000, 586]
    # a character of this text is 1.06 bytes
    assert (by["head"].schedule.block_size, by["today"].schedule.block_size) == (8, 151)
    assert by["feed-forward"].id == "char-feed-forward-s0"


def test_the_programmatic_way_is_the_public_one():
    assert gptkit.plan.ladder.ladder is ladder
    with pytest.raises(ConfigError, match="no preset 'tpu'"):
        ladder("tpu")
    with pytest.raises(ConfigError, match="Did you mean feed-forward"):
        ladder(stages=["feed_forward"])


def test_rows_are_stages_and_gains(climbed):
    rows = stage_rows(climbed.data)
    assert list(rows) == ["char", "bpe:300"]
    for tokenizer, of in rows.items():
        assert [row.stage for row in of] == list(STORY)
        for row, before in zip(of[1:], of, strict=False):
            assert row.gain == pytest.approx(before.bits - row.bits)
        arms = [a for a in climbed.arms if (a.tokenizer, a.model) == (tokenizer, "heads")]
        mean = sum(arm.val.bits_per_byte for arm in arms) / 2
        assert of[1].bits == pytest.approx(mean)
        assert of[1].params == arms[0].params.total
    assert [verdict.model for verdict in climbed.verdict] == list(STORY)
    assert climbed.data.ladder == "cpu"


def test_published_figures_are_of_char_on_tiny_shakespeare_alone(climbed):
    assert not any(row.published for row in stage_rows(climbed.data)["char"])
    corpus = msgspec.structs.replace(climbed.data.corpus, name="tinyshakespeare")
    of_shakespeare = msgspec.structs.replace(climbed.data, corpus=corpus)
    shown = [row.published for row in stage_rows(of_shakespeare)["char"]]
    assert shown == ["2.49", "2.28", "2.24–2.27", ""]
    assert not any(row.published for row in stage_rows(of_shakespeare)["bpe:300"])
    page = markdown(of_shakespeare)
    assert "| published, nats |" in page
    assert f"{2.28 / math.log(2):.2f} |" in page


def test_the_note_says_how_these_stages_were_trained(climbed):
    note = " ".join(ladder_notes(climbed.data, with_std=True))
    assert "Each stage was trained for 6steps, not for its own budget" in note
    assert "at its default" not in note
    assert "Stages read different amounts" in note
    assert "standard deviation over seeds" in note
    own = with_experiment(climbed.data, budget=None)
    note = " ".join(ladder_notes(own, with_std=False))
    assert "as in the lecture: 5,000 steps" in note
    assert "at its default, 600kB" in note
    assert "scaled" not in note
    assert "standard deviation" not in note


def test_the_report_is_a_page_with_the_ladder_and_its_figure(climbed, gptkit):
    code, _, err = gptkit("report", climbed.folder)
    assert (code, err) == (0, "")
    page = (climbed.folder / "report.md").read_text()
    assert "## The ladder" in page
    assert "![bits per byte by stage](ladder.svg)" in page
    svg = (climbed.folder / "ladder.svg").read_text()
    for name in (*STORY, "char", "bpe:300"):
        assert name in svg
    drawn, again = (to_svg(plot_ladder([climbed.data])) for _ in range(2))
    assert drawn == again == svg.encode()
    assert figure_name(climbed.data) == "ladder.svg"


def test_the_command_runs_the_ladder_again(climbed):
    assert command_line(climbed.data) is None  # --sample-bytes is no option of it
    results = with_experiment(climbed.data, sample_bytes=300)
    text = results.experiment.data
    assert command_line(results) == (
        "gptkit lecture ladder --tokenizers char,bpe:300 "
        f"--data {text} --budget 6steps --seeds 2 --stages {','.join(STORY)}"
    )
    for few in (["norm"], ["bigram", "norm"], ["today"]):
        recipe = ladder()[few[0]]
        results = with_experiment(
            results,
            models=ladder(stages=few),
            # as of stages that have it in common
            context_bytes=recipe.context_bytes,
            bytes_per_step=recipe.bytes_per_step,
        )
        assert command_line(results).endswith(f"--budget 6steps --seeds 2 --stages {','.join(few)}")
    results = with_experiment(
        results,
        models=ladder("gpu"),
        context_bytes=None,
        bytes_per_step=None,
        evaluations=None,
    )
    results = msgspec.structs.replace(results, ladder="gpu")
    assert command_line(results).endswith("--seeds 2 --preset gpu")


def test_recipes_of_ones_own_are_trained_and_recorded(text_file, tmp_path):
    mine = replace(decoder(), model=replace(decoder().model, n_layer=1), context_bytes=64)
    result = gptkit.compare(
        tokenizers=["byte"], models={"mine": mine}, data=str(text_file), out=tmp_path, **SMALL
    )
    assert result.arms[0].id == "byte-mine-s0"
    assert result.arms[0].block_size == 64
    assert gptkit.load_result(result.folder).data.experiment.models == {"mine": mine}
    assert command_line(result.data) is None
    assert "# from Python, with a text or recipes of its own" in markdown(result.data)
    assert result.data.experiment.context_bytes == 64


def test_ladder_on_the_command_line(gptkit, text_file, tmp_path):
    args = ("-t", "char", "--stages", "bigram,norm", "--budget", "4steps", "-d", text_file)
    code, out, _ = gptkit("lecture", "ladder", *args, "--out", tmp_path)
    assert code == 0
    assert "The ladder on" in out
    assert re.search(r"norm +LayerNorm", out)
    assert max(map(len, out.splitlines())) <= 80 + len(str(tmp_path)) * 2
    code, out, _ = gptkit("lecture", "ladder", *args, "--out", tmp_path, "--json")
    assert [arm["model"] for arm in json.loads(out)["arms"]] == ["bigram", "norm"]
    code, out, _ = gptkit("lecture", "ladder", *args, "--dry-run")
    assert "What it would cost" in out
    code, out, err = gptkit("lecture", "ladder", "--stages", "nrom", "-d", text_file)
    assert (code, out) == (2, "")
    assert "Did you mean norm?" in err


def bigram_loss(corpus: Corpus):
    """Nats per token of the training text: by a trained bigram of the ladder, and by counts."""
    encoded = encode_corpus(corpus, "char")
    recipe = ladder()["bigram"]
    schedule = Schedule(block_size=8, steps=2500, batch_size=32, evaluations=1)
    model = build_model(
        recipe.model,
        block_size=8,
        vocab_size=encoded.tokenizer.vocab_size,
        train_ids=encoded.train.ids,
        seed=0,
    )
    train_to_end(model, encoded, recipe.optim, schedule)
    ids = encoded.train.ids
    trained = sweep(model, ids[1:], before=ids[:1]).mean()
    best = counted(replace(encoded, val=encoded.train))["bigram"] / len(ids)
    return trained, best


def test_a_bigram_by_gradient_descent_is_nearly_the_count_table(english):
    trained, best = bigram_loss(Corpus(name="", train=english, val=english[-500:], sha256=""))
    assert best - 1e-2 < trained < best + 0.02  # the counts are smoothed: a trace above the best


@pytest.mark.slow
@pytest.mark.corpus
def test_a_bigram_of_tiny_shakespeare_is_nearly_the_count_table(shakespeare_folder):
    trained, best = bigram_loss(load_corpus("tinyshakespeare"))
    assert best - 1e-2 < trained < best + 0.02


@pytest.mark.slow
@pytest.mark.corpus
def test_every_small_stage_lands_at_its_published_loss(shakespeare_folder, tmp_path):
    small = [name for name, stage in STAGES.items() if stage.published and name != "scaled"]
    result = Experiment(
        tokenizers=["char"], models=ladder(stages=small), data="tinyshakespeare", out=tmp_path
    ).run()
    assert [arm.model for arm in result.arms] == small
    for arm in result.arms:
        low, high = STAGES[arm.model].published
        assert low - 0.06 <= arm.val.nats_per_token <= high + 0.06, arm.model
    losses = [arm.val.nats_per_token for arm in result.arms]
    assert losses == sorted(losses, reverse=True)  # every idea is a gain


def test_every_recipe_says_its_text():
    assert {make().budget for make in RECIPES.values()} == {"600KB"}
