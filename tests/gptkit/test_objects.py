"""Tokenizer objects stand wherever specs do."""

import pytest
import tiktoken
from tokenizers import Tokenizer as HuggingFace
from tokenizers import models, pre_tokenizers, trainers

import gptkit
from gptkit.errors import ConfigError
from gptkit.experiment import Experiment
from gptkit_tokenizers import Tokenizer, TokenizerError, adapt, get_tokenizer

SMALL = {"budget": "4steps", "bytes_per_step": 256, "context_bytes": 32, "sample_bytes": 9}


class Pairs:
    """Two bytes to an id where both are lower-case letters: only the three members."""

    vocab_size = 256 + 26 * 26

    def encode(self, text):
        data, ids, i = text.encode(), [], 0
        while i < len(data):
            pair = data[i : i + 2]
            both = len(pair) == 2 and all(97 <= b <= 122 for b in pair)
            ids.append(256 + 26 * (pair[0] - 97) + pair[1] - 97 if both else pair[0])
            i += 1 + both
        return ids

    def token_bytes(self, token):
        if token < 256:
            return bytes([token])
        return bytes([97 + (token - 256) // 26, 97 + (token - 256) % 26])


class Restless(Pairs):
    """Gives other ids at every second call."""

    calls = 0

    def encode(self, text):
        self.calls += 1
        return super().encode(text) if self.calls % 2 else list(text.encode())


@pytest.fixture(scope="module")
def learned(english):
    tokenizer = HuggingFace(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([english], trainer)
    return tokenizer


def test_objects_and_specs_are_compared_and_loaded_again(learned, text_file, tmp_path):
    pairs = Pairs()
    result = gptkit.compare(
        tokenizers={"byte": "byte", "learned": learned, "pairs": pairs},
        models=["bigram"],
        data=str(text_file),
        out=tmp_path,
        name="mine",
        jobs=2,  # an object stays in this process
        **SMALL,
    )
    assert [arm.tokenizer for arm in result.arms] == ["byte", "learned", "pairs"]
    assert result.arms[1].vocab_size == 300
    assert result.data.machine.arms_at_a_time == 1
    run = gptkit.load_run(result.folder / "learned-bigram-s0")
    assert run.tokenizer.encode("the king") == learned.encode("the king").ids
    missing = gptkit.load_run(result.folder / "pairs-bigram-s0")
    with pytest.raises(TokenizerError, match=r"Pairs, which cannot be rebuilt.*\n.*tokenizer="):
        _ = missing.tokenizer
    given = gptkit.load_run(result.folder / "pairs-bigram-s0", tokenizer=pairs)
    assert given.tokenizer.encode("ab c") == pairs.encode("ab c")


def test_objects_without_a_name_are_named_after_their_class():
    experiment = Experiment(tokenizers=["char", Pairs(), get_tokenizer("byte")])
    assert experiment.config.tokenizers == ("char", "pairs", "byte")


def test_two_objects_of_one_name_are_refused():
    with pytest.raises(ConfigError, match=r"a name twice: pairs, pairs.\nGive names of your own"):
        Experiment(tokenizers=[Pairs(), Pairs()])


@pytest.mark.parametrize("tokenizers", ["char", 3, None])
def test_what_is_no_list_is_refused(tokenizers):
    with pytest.raises(ConfigError, match="give a list"):
        Experiment(tokenizers=tokenizers)


def test_an_object_that_is_no_tokenizer_is_refused():
    with pytest.raises(TokenizerError, match=r"builtins.dict has no vocab_size, encode"):
        Experiment(tokenizers={"mine": {"a": 1}})


def test_ids_that_differ_between_two_calls_are_refused(text_file, tmp_path):
    experiment = Experiment(tokenizers=[Restless()], data=str(text_file), out=tmp_path, **SMALL)
    with pytest.raises(TokenizerError, match="two calls give different ids for one text"):
        experiment.untuned_plan()


def test_an_encoding_of_tiktoken_has_its_own_ids():
    ranks = {bytes([b]): b for b in range(256)} | {b"th": 256, b"the": 257}
    made = tiktoken.Encoding("mine", pat_str=r"\S+|\s+", mergeable_ranks=ranks, special_tokens={})
    tokenizer = adapt(made)
    assert isinstance(tokenizer, Tokenizer)
    assert (tokenizer.name, tokenizer.encode("the then")) == ("mine", made.encode("the then"))
    again = type(tokenizer).from_dict(tokenizer.to_dict())
    assert again.encode("the then") == made.encode("the then")
