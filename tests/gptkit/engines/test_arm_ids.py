"""The id of an arm, which names its folder: short, legal on every file system, and its own."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from gptkit.config import Arm, Schedule, check_folders, slug
from gptkit.errors import ConfigError
from gptkit.experiment import Experiment
from gptkit.plan.recipes import decoder

LONG = "/".join(["folder" * 8] * 5) + "/" + "x" * 5 + "/tokenizer.json"
PATHS = ["a/b.json", "a_b.json", "日本語/tokenizer.json", "中文/tokenizer.json", LONG]
LEGAL = re.compile(r"[A-Za-z0-9_.+-]+")
MAX_CHARS = 80

names = st.one_of(
    st.text(min_size=1, max_size=300),
    st.text("aA1./\\:_+-", min_size=1, max_size=6),
    st.sampled_from(PATHS),
)


def arm_id(tokenizer, recipe="decoder"):
    recipe_of = decoder()
    return Arm(
        tokenizer=tokenizer,
        recipe=recipe,
        model=recipe_of.model,
        optim=recipe_of.optim,
        schedule=Schedule(block_size=8, steps=1),
    ).id


def test_paths_that_look_alike_have_ids_of_their_own():
    assert len(LONG) == 265
    ids = [arm_id(path) for path in PATHS]
    assert len({found.casefold() for found in ids}) == len(PATHS)
    check_folders(PATHS, ["bigram", "decoder"])
    for found in ids:
        assert LEGAL.fullmatch(found)
        assert len(found) <= MAX_CHARS


def test_paths_that_look_alike_are_trained_side_by_side(tmp_path, monkeypatch, english):
    (tmp_path / "text.txt").write_text(english, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({symbol: i for i, symbol in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    for path in PATHS:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        made.save(path)
    result = Experiment(
        tokenizers=PATHS,
        models=["bigram"],
        data="text.txt",
        budget="2steps",
        sample_bytes=5,
        out="runs",
    ).run()
    assert [arm.tokenizer for arm in result.arms] == PATHS
    folders = {path.parent.name for path in result.folder.glob("*/config.json")}
    assert folders == {arm.id for arm in result.arms}
    assert len(folders) == len(PATHS)


@pytest.mark.parametrize(
    ("tokenizers", "recipes", "says"),
    [
        (["mine", "Mine"], ["decoder"], "mine under decoder, and Mine under decoder"),
        (["mine"], ["a", "A"], "mine under a, and mine under A"),
        (["a", "a-b"], ["b-c", "c"], "a under b-c, and a-b under c"),
    ],
)
def test_arms_that_would_share_a_folder_are_refused_before_training(tokenizers, recipes, says):
    asked = {"tokenizers": tokenizers, "models": {name: decoder() for name in recipes}}
    with pytest.raises(ConfigError, match=f"would share the folder .*: {says}"):
        Experiment(**asked)


def test_folders_that_differ_only_in_case_have_ids_of_their_own():
    one, other = arm_id("Tok/x.json"), arm_id("tok/x.json")
    assert one.casefold() != other.casefold()


@settings(deadline=None)
@given(names)
@example("con")
@example("..")
@example("/")
@example("\udc80")
def test_every_id_is_short_and_legal(tokenizer):
    found = arm_id(tokenizer)
    assert LEGAL.fullmatch(found)
    assert not found.startswith("-")
    assert len(found) <= MAX_CHARS


@settings(deadline=None)
@given(names, names)
@example("a:1", "a_1")
@example("bpe:300", "bpe_300")
@example("x/tok.json", slug("x/tok.json"))
def test_two_tokenizers_have_two_ids_or_are_refused(one, other):
    if one == other:
        return
    if arm_id(one).casefold() != arm_id(other).casefold():
        check_folders([one, other], ["decoder"])
    else:
        with pytest.raises(ConfigError) as refused:
            check_folders([one, other], ["decoder"])
        assert one in str(refused.value)
        assert other in str(refused.value)
