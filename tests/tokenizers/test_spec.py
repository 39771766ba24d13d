"""Specs taken apart: names, options, paths."""

import pytest

from gptkit_tokenizers import TokenizerError, get_tokenizer
from gptkit_tokenizers.spec import parse_spec, with_alias


def test_a_spec_has_an_alias_a_base_and_options():
    spec = parse_spec("qwen=a/b.tiktoken:split=cl100k")
    assert (spec.name, spec.base, spec.options) == ("qwen", "a/b.tiktoken", {"split": "cl100k"})
    spec = parse_spec(r"x.tiktoken:pattern=\w+:split=|\s")  # a pattern may contain anything
    assert spec.options == {"pattern": r"\w+:split=|\s"}
    assert spec.name == r"x.tiktoken:pattern=\w+:split=|\s"


def test_a_path_that_exists_is_not_taken_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.json").write_text("{}")
    assert parse_spec("a=b.json").base == "a=b.json"


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert parse_spec("~/x.json").base == str(tmp_path / "x.json")
    assert parse_spec("~no-such-user-/x.json").base == "~no-such-user-/x.json"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("x.tiktoken:split=", "split in .* has no value"),
        ("x.tiktoken:pattern=", "pattern in .* has no value"),
        ("x.tiktoken:split=gpt2:split=o200k", "an option twice"),
        ("gpt2:split=o200k", "gpt2 has no option split"),
        ("byte:split=gpt2", "byte has no option split"),
    ],
)
def test_a_wrong_option_is_refused(spec, says):
    with pytest.raises(TokenizerError, match=says):
        get_tokenizer(spec)


@pytest.mark.parametrize("spec", ["char", "byte", "gpt2", "bpe:300"])
def test_an_alias_is_the_tokenizers_name_and_is_recorded(spec, prose):
    from gptkit_tokenizers import tokenizer_from_dict

    named = get_tokenizer(with_alias(spec, "mine"), text=prose)
    plain = get_tokenizer(spec, text=prose)
    again = tokenizer_from_dict(named.to_dict())
    assert named.name == again.name == "mine"
    assert named.encode(prose) == again.encode(prose) == plain.encode(prose)


def test_an_alias_is_letters_and_digits():
    with pytest.raises(TokenizerError, match="cannot be a tokenizer's name"):
        with_alias("gpt2", "my tokenizer")


@pytest.mark.parametrize(("model", "encoding"), [("gpt-2", "gpt2"), ("davinci", "r50k_base")])
def test_a_models_name_gives_its_encoding(model, encoding):
    assert get_tokenizer(model).encode("to be") == get_tokenizer(encoding).encode("to be")
