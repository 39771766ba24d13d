"""Whether rates favour a tokenizer: what is trained, how a rate is chosen, what it costs."""

import math

import msgspec
import pytest
from factories import make_arm

from gptkit.bench.rates import (
    best_setting,
    find_regret,
    shared_factor,
    study_rates,
    summarise,
    training_part,
    variants,
)
from gptkit.data.corpus import load_corpus
from gptkit.errors import ConfigError
from gptkit.plan.recipes import RECIPES
from gptkit.report.rates import markdown
from gptkit.results.studies import RatesStudy, Regret

# Two texts or seeds of each setting. `fine` is best at 1, `coarse` at 0.5.
FINE = {"0.5": [2.10, 2.20], "1": [2.00, 2.10], "2": [2.02, 2.16], "rule": [2.00, 2.10]}
COARSE = {"0.5": [3.00, 3.00], "1": [3.03, 3.01], "2": [3.50, 3.50], "rule": [3.00, 3.02]}


def test_regret_is_against_a_tokenizers_own_best():
    assert best_setting(COARSE) == "0.5"
    assert find_regret(COARSE, "0.5") == Regret(mean=0.0, error=0.0)
    cost = find_regret(COARSE, "1")  # differences 0.03 and 0.01
    assert cost.mean == pytest.approx(0.02)
    assert cost.error == pytest.approx(0.01)  # their standard deviation 0.0141 over √2
    assert find_regret({"1": [2.0], "2": [2.5]}, "2") == Regret(mean=0.5, error=0.0)


def test_the_shared_factor_is_fair_to_the_one_that_loses_most():
    # At 0.5 fine loses 0.1; at 1 coarse loses 0.02; at 2 coarse loses 0.5. The rule is no factor.
    assert shared_factor({"fine": FINE, "coarse": COARSE}) == "1"


def test_a_recipe_is_summarised_over_its_texts():
    texts = [
        [
            make_arm(tokenizer, f"decoder-{setting}", losses[text])
            for tokenizer, by_setting in (("fine", FINE), ("coarse", COARSE))
            for setting, losses in by_setting.items()
        ]
        for text in (0, 1)
    ]
    other = make_arm("fine", "gpt2-1", 9.0)
    found = summarise("decoder", [[*arms, other] for arms in texts])
    assert found.own_best == {"fine": "1", "coarse": "0.5"}
    assert found.shared == "1"
    assert found.losses[1]["coarse"] == {"0.5": [3.00], "1": [3.01], "2": [3.50], "rule": [3.02]}
    assert list(found.regret) == ["1", "rule"]
    assert found.regret["1"]["coarse"].mean == pytest.approx(0.02)
    assert found.rates["learning_rate"] == RECIPES["decoder"]().optim.learning_rate
    first, second = found.pairs
    assert (first.text, first.a, first.b) == (0, "fine", "coarse")
    assert first.own_best == pytest.approx(3.00 - 2.00)
    assert second.by_way == {"1": pytest.approx(3.01 - 2.10), "rule": pytest.approx(3.02 - 2.10)}


def test_every_tokenizer_has_the_same_rates_and_the_rule_its_own():
    found = variants("decoder", (0.5, 2.0))
    own = RECIPES["decoder"]().optim
    assert list(found) == ["decoder-0.5", "decoder-2", "decoder-rule"]
    for bytes_per_token in (1.0, 4.0):
        half, double, rule = (recipe.optim_for(bytes_per_token) for recipe in found.values())
        assert half.muon_learning_rate == own.muon_learning_rate / 2
        assert double.embedding_learning_rate == own.embedding_learning_rate * 2
        assert rule.learning_rate == own.learning_rate / math.sqrt(bytes_per_token)
    assert list(variants("bigram", (1.0,))) == ["bigram-1"]  # it has no rule


def test_only_training_text_is_seen(text_file):
    whole = load_corpus(str(text_file))
    part = training_part(whole)
    assert part.train + part.val == whole.train
    assert len(part.val) == len(whole.train) // 10


@pytest.mark.parametrize("factors", [(1.0,), (1.0, 1.0), (0.0, 1.0)])
def test_a_grid_of_one_rate_is_refused(factors):
    with pytest.raises(ConfigError, match="at least two different positive ones"):
        study_rates(models=["decoder"], tokenizers=["char"], texts=["markov:1"], factors=factors)


WORDS = (
    *("rates", "-t", "char,bpe:300", "-m", "decoder,fast", "--factors", "0.5,1"),
    *("--seeds", 2, "--budget", "4KB"),
)


def test_a_study_is_written_and_can_be_resumed(gptkit, text_file, tmp_path):
    where = ("-d", text_file, "--runs", tmp_path / "runs", "--out", tmp_path / "out")
    code, out, _ = gptkit(*WORDS, *where, "--json")
    assert code == 0
    assert (tmp_path / "out" / "results.json").read_text() == out
    study = msgspec.json.decode(out, type=RatesStudy)
    page = (tmp_path / "out" / "report.md").read_text()
    assert page == markdown(study)
    decoder, fast = study.recipes
    assert list(decoder.regret) == [decoder.shared, "rule"]
    assert list(fast.regret) == [fast.shared]
    (text,) = decoder.losses
    assert {t: list(of) for t, of in text.items()} == {
        t: ["0.5", "1", "rule"] for t in ("char", "bpe:300")
    }
    assert all(len(losses) == 2 for of in text.values() for losses in of.values())
    (pair,) = decoder.pairs
    best = {t: min(sum(losses) / 2 for losses in of.values()) for t, of in text.items()}
    assert pair.own_best == pytest.approx(best["bpe:300"] - best["char"])
    assert f"| char over bpe:300 | {text_file}, training text | {pair.own_best:+.3f} |" in page
    code, out, err = gptkit(*WORDS, *where, "--json", "--resume")
    assert code == 0
    assert err.count("finished before") == 2 * 2 * 5
    assert msgspec.json.decode(out, type=RatesStudy) == study


def test_what_is_no_factor_is_one_message(gptkit):
    code, _, err = gptkit("rates", "--factors", "half")
    assert code == 2
    assert "factors 'half' are not numbers, as in 0.5,1,2" in err
