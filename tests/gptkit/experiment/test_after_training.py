"""What is measured of trained arms: all tokenizations, perturbed texts, several texts, seeds."""

import json
import math
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from tests.factories import make_arm, make_loss, make_results, make_verdict

import gptkit
from gptkit.engines.until import is_decided, train_until_decided
from gptkit.errors import ConfigError
from gptkit.results.by_text import ALL, judge_by_text
from gptkit.results.byte_losses import to_byte_losses
from gptkit.results.verdict import judge
from gptkit.results.warnings import check_result

SMALL = {
    "models": ("bigram",),
    "budget": "8KB",
    "bytes_per_step": 256,
    "context_bytes": 32,
    "sample_bytes": 20,
    "jobs": 1,
}


def test_marginals_and_perturbations_are_recorded_and_shown(text_file, tmp_path, gptkit):
    args = ("compare", "-t", "char,bpe:280", "-m", "bigram,decoder", "-d", text_file)
    size = ("--budget", "4KB", "--bytes-per-step", 256, "--context-bytes", 32, "--seeds", 2)
    asked = ("--marginal", "--perturb", "typos,unicode", "--out", tmp_path, "--name", "x")
    code, out, err = gptkit(*args, *size, *asked, "--evaluations", 1, "--jobs", 1)
    assert code == 0, err
    assert "Loss over all tokenizations" in out
    assert "What a perturbed text costs" in out
    found = json.loads((tmp_path / "x" / "results.json").read_text())
    gaps = {
        (m["tokenizer"], m["model"]): m["canonical"] - m["bits_per_byte"]
        for m in found["marginals"]
    }
    assert set(gaps) == {
        (t, m) for t in ("char", "bpe:280") for m in ("counted bigram", "bigram", "decoder")
    }
    assert abs(gaps["char", "decoder"]) < 1e-9
    assert gaps["bpe:280", "decoder"] > 1e-4
    exact = next(m for m in found["marginals"] if m["model"] == "bigram")
    assert exact["error"] is None
    costs = {(p["tokenizer"], p["kind"]): p for p in found["perturbed"] if p["model"] == "decoder"}
    assert costs["char", "unicode"]["delta_bits_per_byte"] is None  # no accents in its alphabet
    assert costs["bpe:280", "typos"]["delta_bits_per_byte"] > 0
    low, high = costs["bpe:280", "typos"]["ci95"]
    assert low < costs["bpe:280", "typos"]["delta_bits_per_byte"] < high


def test_the_canonical_loss_of_the_exact_marginal_is_the_runs(text_file, tmp_path):
    result = gptkit.compare(
        tokenizers=("bpe:280",), data=str(text_file), marginal=True, out=tmp_path, **SMALL
    )
    (arm,) = result.arms
    row = next(m for m in result.data.marginals if m.model == "bigram")
    assert row.bytes == arm.val.bytes
    assert row.canonical == pytest.approx(arm.val.bits_per_byte, rel=1e-6)


def test_several_texts_have_losses_verdicts_and_tokens_of_their_own(english, tmp_path):
    for name, text in {"en": english, "xx": english.upper()}.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    spec = [str(tmp_path / "en.txt"), str(tmp_path / "xx.txt")]
    result = gptkit.compare(
        tokenizers=("char", "bpe:280"), data=spec, seeds=3, out=tmp_path / "o", **SMALL
    )
    found = result.data.by_text
    whole = {(a.tokenizer, a.seed): a.val for a in result.arms}
    for tokenizer in ("char", "bpe:280"):
        rows = [row for row in found.losses if row.tokenizer == tokenizer]
        total = sum(row.bits_per_byte * row.bytes for row in rows)
        mean = np.mean([v.bits_per_byte * v.bytes for (t, _), v in whole.items() if t == tokenizer])
        assert total == pytest.approx(mean, rel=1e-4)
    by_text = {v.text: v for v in found.verdicts}
    assert set(by_text) == {"en", "xx", ALL}
    signed = {t: v.delta_bits_per_byte * (1 if v.a == "char" else -1) for t, v in by_text.items()}
    assert signed[ALL] == pytest.approx((signed["en"] + signed["xx"]) / 2)
    for row in found.tokens:
        tokenizer = gptkit.load_run(result.folder / f"{row.tokenizer.replace(':', '_')}-bigram-s0")
        count = len(tokenizer.tokenizer.encode(english.upper()))
        assert row.tokens["xx"] == count
        assert row.parity["xx"] == count / row.tokens["en"]


def test_blocks_vary_within_texts_only():
    """Two texts with a large difference between them, and none within: no error from the text."""
    arms = [make_arm(name, "m", seed) for name in "ab" for seed in range(2)]

    def losses(arm):
        per_byte = np.repeat([1.0, 5.0], 50_000)
        nats = per_byte * (1.1 if arm.tokenizer == "b" else 1.0) * math.log(2)
        return to_byte_losses(nats, np.arange(1, 100_001), bytes(100_000))

    ranges = {"easy": (0, 50_000), "hard": (50_000, 100_000)}
    found = {v.text: v for v in judge_by_text(arms, losses, ranges)}
    assert found["easy"].delta_bits_per_byte == pytest.approx(0.1)
    assert found["hard"].delta_bits_per_byte == pytest.approx(0.5)
    assert found[ALL].delta_bits_per_byte == pytest.approx(0.3)
    assert found[ALL].ci95 == pytest.approx((0.3, 0.3), abs=1e-6)  # losses are float32


def test_a_text_of_one_block_leaves_all_texts_without_an_interval():
    arms = [make_arm(name, "m", seed) for name in "ab" for seed in range(2)]
    rng = np.random.default_rng(0)
    nats = {name: rng.normal(1.0, 0.2, size=51_000) for name in "ab"}

    def losses(arm):
        return to_byte_losses(nats[arm.tokenizer], np.arange(1, 51_001), bytes(51_000))

    ranges = {"long": (0, 50_000), "short": (50_000, 51_000)}
    found = {v.text: v for v in judge_by_text(arms, losses, ranges)}
    assert found["long"].ci95 is not None
    assert found["short"].ci95 is None
    assert found[ALL].ci95 is None
    assert found[ALL].significant is False


def test_the_freedom_of_all_texts_is_that_of_the_one_with_the_error():
    """All of the error is from a text of two blocks: t has one degree of freedom, 12.706."""
    arms = [make_arm(name, "m", seed) for name in "ab" for seed in range(2)]
    steps = np.repeat([0.0, 0.0, 0.02, 0.05], [40_000, 2_048, 2_048, 2_048])[2_048:]

    def losses(arm):
        nats = np.log(2) * (1.0 + (arm.tokenizer == "b") * steps)
        return to_byte_losses(nats, np.arange(1, len(nats) + 1), bytes(len(nats)))

    n = len(steps)
    ranges = {"long": (0, n - 4_096), "short": (n - 4_096, n)}
    found = {v.text: v for v in judge_by_text(arms, losses, ranges)}[ALL]
    half = (found.ci95[1] - found.ci95[0]) / 2
    assert found.delta_bits_per_byte == pytest.approx(0.035 / 2, rel=1e-4)
    # Two values 0.03 apart: their mean has a standard error of 0.015, and half the weight.
    assert half == pytest.approx(12.706 * 0.015 / 2, rel=1e-3)


@pytest.mark.parametrize("enough", [3, 5])
def test_no_seed_is_trained_after_the_decision(enough):
    config = gptkit.Experiment(tokenizers=("a", "b"), until="decided", max_seeds=5).config
    jobs = [SimpleNamespace(arm=make_job(t, seed)) for seed in range(5) for t in "ab"]
    trained = []

    def train(wanted):
        trained.extend(job.arm.id for job in wanted)
        return [make_arm(job.arm.tokenizer, seed=job.arm.schedule.seed) for job in wanted]

    def judge(arms, level):
        return [make_verdict("a", "b", significant=len(arms) // 2 >= enough)]

    arms, looks = train_until_decided(config, jobs, train, judge)
    assert [look.seeds for look in looks] == [*range(2, enough + 1)]
    assert [look.decided for look in looks] == [False] * (enough - 2) + [True]
    assert len(trained) == len(set(trained)) == len(arms) == 2 * enough


def make_job(tokenizer, seed):
    return SimpleNamespace(
        id=f"{tokenizer}-decoder-s{seed}",
        tokenizer=tokenizer,
        schedule=SimpleNamespace(seed=seed),
    )


def test_seeds_are_added_until_the_best_is_known(text_file, tmp_path):
    asked = {**SMALL, "tokenizers": ("char", "bpe:280"), "data": str(text_file), "max_seeds": 6}
    result = gptkit.compare(**asked, until="decided", out=tmp_path, name="x")
    looks = result.data.looks
    assert [look.seeds for look in looks] == [*range(2, 2 + len(looks))]
    assert result.data.n_seeds == looks[-1].seeds == len(result.arms) // 2
    assert looks[-1].decided or looks[-1].seeds == 6
    assert looks[-1].decided == is_decided(result.verdict)
    if looks[-1].decided:
        assert result.verdict[0].p_holm < looks[-1].level
    again = gptkit.compare(**asked, until="decided", out=tmp_path, name="x", resume=True)
    assert again.data.looks == looks
    assert again.verdict == result.verdict


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until": "bored"}, "there is no way to stop 'bored'"),
        ({"until": "decided", "tokenizers": ("char",)}, "give at least two tokenizers"),
        ({"until": "decided", "seeds": 12}, "must be above the first 12 seeds"),
        ({"max_seeds": 4}, "only until='decided' adds seeds"),
        ({"perturb": ("typo",)}, "there is no perturbation 'typo'"),
        ({"evaluations": 0}, "evaluations is 0"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        gptkit.Experiment(**options)


def test_an_undecided_verdict_says_what_it_needs():
    """Three seeds whose differences are -0.01, 0.02 and 0.03, on a text without noise."""
    arms = [make_arm(name, seed=seed) for name in ("a", "b") for seed in range(3)]

    def losses(arm):
        n = 100_000
        above = (-0.01, 0.02, 0.03)[arm.seed] if arm.tokenizer == "b" else 0.0
        nats = np.full(n, (2.0 + above) * math.log(2))
        return to_byte_losses(nats, np.arange(1, n + 1), bytes(n))

    arms = [
        msgspec.structs.replace(arm, val=make_loss(2.0 + 0.0133 * (arm.tokenizer == "b")))
        for arm in arms
    ]
    (verdict,) = judge(arms, losses)
    assert verdict.significant is False
    assert verdict.more_seeds > 0
    assert verdict.message.endswith(
        f"; about {verdict.more_seeds} more seeds would decide a difference of this size"
    )


def test_a_gap_larger_than_the_difference_is_a_warning():
    from gptkit.results.schema import Marginal

    def row(tokenizer, gap):
        return Marginal(
            tokenizer=tokenizer,
            model="decoder",
            bytes=9,
            canonical=2.0,
            bits_per_byte=2 - gap,
            error=0.0,
        )

    results = make_results(
        make_arm("char", "decoder", 0),
        make_arm("gpt2", "decoder", 0),
        verdict=[make_verdict("char", "gpt2", "decoder", delta_bits_per_byte=0.01)],
    )
    for gap, warned in ((0.02, True), (0.005, False)):
        marked = msgspec.structs.replace(results, marginals=[row("char", 0.0), row("gpt2", gap)])
        said = [w for w in check_result(marked) if "canonical tokenization" in w]
        assert bool(said) == warned
