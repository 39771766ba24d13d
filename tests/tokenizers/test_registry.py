"""Specs, and plug-ins found as real installed packages are."""

import pytest

from gptkit_tokenizers import (
    NeedsText,
    TokenizerError,
    available,
    get_tokenizer,
    tokenizer_from_dict,
)

PLUG_IN = """
from gptkit_tokenizers.byte import ByteTokenizer
from gptkit_tokenizers.char import CharTokenizer

class Rot(ByteTokenizer):
    name = "rot"

class Letters(CharTokenizer):
    def __init__(self, text):
        super().__init__("".join(sorted(set(text))))
        self.name = "letters"

    @classmethod
    def from_dict(cls, data):
        return cls(data["alphabet"])

class Named(ByteTokenizer):
    def __init__(self, name):
        self.name = name

    @classmethod
    def from_dict(cls, data):
        return cls(data["name"])

def function():
    return Named("function")

class Bare:
    vocab_size = 1

class Stranger(ByteTokenizer):
    name = "somebody else"

def broken():
    raise RuntimeError("out of paint")
"""
ENTRIES = """[gptkit.tokenizers]
rot = some_plug_in:Rot
letters = some_plug_in:Letters
function = some_plug_in:function
bare = some_plug_in:Bare
stranger = some_plug_in:Stranger
broken = some_plug_in:broken
absent = no_such_module:Thing
byte = some_plug_in:broken
"""


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    site = tmp_path / "site"
    info = site / "some_plug_in-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "some_plug_in.py").write_text(PLUG_IN)
    (info / "entry_points.txt").write_text(ENTRIES)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-plug-in\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(site))
    yield
    import sys

    sys.modules.pop("some_plug_in", None)


def test_an_unknown_spec_is_answered_with_the_nearest_and_all():
    with pytest.raises(TokenizerError, match=r"no tokenizer 'gtp2'. Did you mean gpt2\?") as error:
        get_tokenizer("gtp2")
    assert "There are: char, char+bytes, byte" in str(error.value)


@pytest.mark.parametrize("spec", ["char", "char+bytes"])
def test_char_needs_text(spec):
    with pytest.raises(NeedsText, match="built from text"):
        get_tokenizer(spec)


def test_plug_ins_are_listed_and_built(plug_in):
    assert {"rot", "letters", "function"} <= available().keys()
    assert get_tokenizer("rot").encode("ab") == [97, 98]
    assert get_tokenizer("function").encode("ab") == [97, 98]
    assert get_tokenizer("letters", text="ba").encode("ab") == [0, 1]
    with pytest.raises(NeedsText, match="letters is built from text"):
        get_tokenizer("letters")


def test_plug_ins_are_rebuilt_from_json(plug_in):
    for spec in ("rot", "letters"):
        built = get_tokenizer(spec, text="abc")
        assert tokenizer_from_dict(built.to_dict()).encode("cab") == built.encode("cab")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("broken", "'broken' .* cannot be built: RuntimeError.'out of paint'"),
        ("absent", "'absent' .* cannot be imported: ModuleNotFoundError"),
        ("stranger", "'stranger' .* calls itself 'somebody else'"),
        ("bare", "'bare' .*: 'bare' is not a tokenizer: .*Bare has no encode, token_bytes"),
    ],
)
def test_a_failing_plug_in_is_named(plug_in, spec, says):
    with pytest.raises(TokenizerError, match=says):
        get_tokenizer(spec)


def test_a_plug_in_cannot_replace_a_built_in(plug_in):
    assert get_tokenizer("byte").encode("a") == [97]
