import codecs
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from gptkit.errors import ConfigError
from gptkit.eval.sampling import draw, generate, sample_text, stream_text
from gptkit.models import build_model
from gptkit.plan.recipes import RECIPES
from gptkit_tokenizers import get_tokenizer
from gptkit_tokenizers.byte import ByteTokenizer

BYTE = get_tokenizer("byte")


def make(recipe, train_ids, block_size=8):
    own = RECIPES[recipe]().model
    config = replace(own, n_embd=8, n_head=2, n_layer=2)
    model = build_model(config, block_size=block_size, vocab_size=256, train_ids=train_ids, seed=0)
    model.double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p))
    return model


TRAIN = np.frombuffer("naïve 🦆 ducks ".encode() * 10, dtype=np.uint8)


@pytest.fixture(params=["bigram", "decoder", "fast"])
def model(request):
    return make(request.param, TRAIN)


@pytest.mark.parametrize("recipe", ["decoder", "fast"])
def test_the_cache_and_its_renewal_change_no_draw(recipe):
    model = make(recipe, TRAIN)
    cached = list(islice(generate(model, [110, 97], seed=3), 40))
    generator = torch.Generator().manual_seed(3)
    window, plain = [110, 97], []
    for _ in range(40):
        with torch.no_grad():
            log_probs = model.next_log_probs(torch.tensor([window]))[0]
        plain.append(draw(log_probs, temperature=1.0, top_k=None, generator=generator))
        window.append(plain[-1])
        if len(window) > 8:
            window = window[-4:]  # a full window starts again from its last half
    assert cached == plain


def test_a_seed_gives_the_same_text_and_leaves_torchs_state_alone(model):
    before = torch.get_rng_state()
    a, b, c = (sample_text(model, BYTE, "n", max_bytes=60, seed=s) for s in (1, 1, 2))
    assert a == b != c
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("n_bytes", [1, 2, 59, 60])
def test_text_is_matched_by_bytes(model, n_bytes):
    ids = list(islice(generate(model, [110], seed=0), n_bytes))
    # all the bytes drawn, as UTF-8, but for a character that the limit cut
    whole = codecs.getincrementaldecoder("utf-8")(errors="replace").decode(bytes(ids))
    assert sample_text(model, BYTE, "n", max_bytes=n_bytes, seed=0) == whole


class Canned:
    """A model that is certain of the next byte of a script."""

    block_size = 64
    training = False

    def __init__(self, script):
        self.script = list(script)

    def eval(self):
        return self

    def train(self, mode):
        return self

    def parameters(self):
        yield torch.zeros(1)

    def new_cache(self):
        return None

    def next_log_probs(self, ids, cache):
        certain = torch.full((1, 256), -torch.inf)
        certain[0, self.script.pop(0)] = 0.0
        return certain


def test_no_piece_ends_within_a_character():
    script = "a🦆é".encode() + b"\xff!" + "ü".encode()[:1]
    pieces = list(stream_text(Canned(script), BYTE, "x", max_bytes=len(script)))
    assert pieces == ["a", "🦆", "é", "\ufffd", "!"]


def test_top_k_draws_from_the_likeliest_alone():
    log_probs = torch.tensor([0.1, 0.4, 0.2, 0.3]).log()
    generator = torch.Generator().manual_seed(0)
    drawn = {draw(log_probs, temperature=1.0, top_k=2, generator=generator) for _ in range(200)}
    assert drawn == {1, 3}
    assert {draw(log_probs, temperature=1.0, top_k=1, generator=generator) for _ in range(9)} == {1}


def test_of_equals_top_k_takes_the_first_ids():
    log_probs = torch.tensor([0.05, 0.1, 0.5, 0.1, 0.1, 0.1, 0.05]).log()
    generator = torch.Generator().manual_seed(0)
    drawn = {draw(log_probs, temperature=1.0, top_k=3, generator=generator) for _ in range(400)}
    assert drawn == {1, 2, 3}


def test_the_smallest_temperature_takes_the_best():
    log_probs = torch.tensor([0.1, 0.4, 0.2, 0.3]).log()
    generator = torch.Generator().manual_seed(0)
    for temperature in (5e-324, 1e-30):
        assert draw(log_probs, temperature=temperature, top_k=None, generator=generator) == 1


class Silent(ByteTokenizer):
    """Spells nothing but the letter a."""

    def token_bytes(self, token):
        return b"a" if token == 97 else b""


def test_tokens_that_spell_nothing_end():
    silent = Canned([1] * 1000)
    assert sample_text(silent, Silent(), "a", max_bytes=20) == ""
    assert len(silent.script) == 1000 - 4 * 20 - Canned.block_size


def test_draws_follow_the_distribution_unused_ids_included():
    model = make("bigram", TRAIN)
    probabilities = model.next_log_probs(torch.tensor([[32]]))[0].exp()
    unused = [i for i in range(256) if i not in set(TRAIN.tolist())]
    share = probabilities[unused].sum().item()
    assert 0.1 < share < 0.99
    generator = torch.Generator().manual_seed(0)
    n = 2000
    drawn = [
        draw(probabilities.log(), temperature=1.0, top_k=None, generator=generator)
        for _ in range(n)
    ]
    count = sum(i in set(unused) for i in drawn)
    deviation = (n * share * (1 - share)) ** 0.5
    assert abs(count - n * share) < 5 * deviation  # a binomial's, five standard deviations


@pytest.mark.parametrize(
    ("options", "says"),
    [({"temperature": 0.0}, "must be positive"), ({"top_k": 0}, "at least 1")],
)
def test_impossible_options_are_refused(model, options, says):
    with pytest.raises(ConfigError, match=says):
        next(generate(model, [1], **options))


def test_an_empty_prompt_is_refused(model):
    with pytest.raises(ConfigError, match="prompt is empty"):
        sample_text(model, BYTE, "", max_bytes=5)
