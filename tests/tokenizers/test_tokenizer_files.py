"""Files and folders as they come: told by their content, and refused with what they are."""

import json
import shutil
from base64 import b64encode

import pytest
import tiktoken
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from gptkit_tokenizers import TokenizerError, audit, get_tokenizer, tokenizer_from_dict
from gptkit_tokenizers.base import TokenizerWarning
from gptkit_tokenizers.bytelevel import CHAR_OF
from gptkit_tokenizers.word_patterns import PATTERNS, table_sha256

EXTRA = [b"to", b" b", b" be", b"'T", b"DON", b"200", b"00"]
TEXT = "to be, DON'T 2000"


def ranks(extra=EXTRA):
    return {token: i for i, token in enumerate([*(bytes([b]) for b in range(256)), *extra])}


def lines(table, *more):
    text = [f"{b64encode(token).decode()} {rank}" for token, rank in table.items()]
    return "\n".join([*text, *more]) + "\n"


def encoded_by_tiktoken(pattern, table=None):
    encoding = tiktoken.Encoding(
        "x", pat_str=PATTERNS[pattern], mergeable_ranks=table or ranks(), special_tokens={}
    )
    return encoding.encode_ordinary(TEXT)


def byte_level(text=TEXT * 30):
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=270, initial_alphabet=sorted(CHAR_OF.values()), show_progress=False
    )
    made.train_from_iterator([text], trainer)
    return made


def check(tokenizer, text=TEXT):
    """The audit passes, and the record gives the same ids."""
    assert audit(tokenizer, text, tokenizer.encode_array(text)) == len(text.encode())
    again = tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert (again.vocab_size, again.encode(text)) == (tokenizer.vocab_size, tokenizer.encode(text))


# --- tables of ranks


def test_words_are_never_guessed(tmp_path):
    file = tmp_path / "mine.tiktoken"
    file.write_text(lines(ranks()))
    assert encoded_by_tiktoken("gpt2") != encoded_by_tiktoken("cl100k")
    with pytest.raises(TokenizerError, match="does not say where words end") as error:
        get_tokenizer(str(file)).encode(TEXT)
    assert ":split=gpt2|cl100k|" in str(error.value)
    assert get_tokenizer(str(file)).encode("to be") == [256, 258]  # the same under all patterns


@pytest.mark.parametrize("pattern", PATTERNS)
def test_words_are_what_the_user_says(tmp_path, pattern):
    file = tmp_path / "mine.tiktoken"
    file.write_text(lines(ranks()))
    expected = encoded_by_tiktoken(pattern)
    by_spec = get_tokenizer(f"{file}:split={pattern}")
    assert by_spec.encode(TEXT) == expected
    check(by_spec)
    assert get_tokenizer(str(file), pattern=PATTERNS[pattern]).encode(TEXT) == expected
    (tmp_path / "mine.pattern").write_text(PATTERNS[pattern] + "\n", encoding="utf-8")
    assert get_tokenizer(str(file)).encode(TEXT) == expected


def test_openais_names_and_tables_are_known(tmp_path):
    from gptkit_tokenizers.bpe import shipped_ranks

    file = tmp_path / "cl100k_base.tiktoken"
    file.write_text(lines(ranks()))
    assert get_tokenizer(str(file)).encode(TEXT) == encoded_by_tiktoken("cl100k")
    # tiktoken's own hash of r50k_base, from its source
    r50k = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"
    assert table_sha256(shipped_ranks()) == r50k
    table = tmp_path / "any-name.tiktoken"
    table.write_text(lines(shipped_ranks()))
    assert get_tokenizer(str(table)).encode(TEXT) == get_tokenizer("gpt2").encode(TEXT)


def test_a_wrong_split_and_a_wrong_pattern_are_refused(tmp_path):
    file = tmp_path / "mine.tiktoken"
    file.write_text(lines(ranks()))
    with pytest.raises(TokenizerError, match=r"no split 'gpt9'\. There are: gpt2, cl100k"):
        get_tokenizer(f"{file}:split=gpt9")
    with pytest.raises(TokenizerError, match="a pattern that tiktoken cannot use"):
        get_tokenizer(f"{file}:pattern=((")


def test_a_hole_and_an_empty_token_are_ids_without_bytes(tmp_path):
    table = {token: rank + (rank >= 259) for token, rank in ranks().items()}
    (tmp_path / "gpt2.tiktoken").write_text(lines(table, "= 270"))
    tokenizer = get_tokenizer(str(tmp_path / "gpt2.tiktoken"))
    assert tokenizer.vocab_size == 271
    assert tokenizer.token_bytes(259) == tokenizer.token_bytes(270) == b""
    assert tokenizer.encode(TEXT) == encoded_by_tiktoken("gpt2", table)
    check(tokenizer)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ("dG8= 256", "rank 256 twice, in lines 257 and 264"),
        ("dG8= 300", "token b'to' twice, with ranks 256 and 300 .line 264."),
        ("??? 300", "line 264 is b'... 300'"),
        ("dG8g", "line 264 is b'dG8g'"),
        ("dG8g -1", "a rank is outside 0 to"),
        ("dG8g 99999999", "a rank is outside 0 to"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path, extra, says):
    (tmp_path / "gpt2.tiktoken").write_text(lines(ranks(), extra))
    with pytest.raises(TokenizerError, match=says):
        get_tokenizer(str(tmp_path / "gpt2.tiktoken"))


def test_tekken_has_its_pattern_and_its_offset(tmp_path):
    vocab = [
        {"rank": i, "token_bytes": b64encode(token).decode()} for i, token in enumerate(ranks())
    ]
    config = {
        "pattern": PATTERNS["o200k"],
        "default_vocab_size": len(vocab) + 10 - 1,  # the last rank does not count
        "default_num_special_tokens": 10,
    }
    (tmp_path / "tekken.json").write_text(json.dumps({"config": config, "vocab": vocab}))
    tokenizer = get_tokenizer(str(tmp_path / "tekken.json"))
    without_last = dict(list(ranks().items())[:-1])
    expected = [10 + i for i in encoded_by_tiktoken("o200k", without_last)]
    assert tokenizer.encode(TEXT) == expected
    assert tokenizer.vocab_size == len(vocab) + 9
    check(tokenizer)


def test_js_tiktoken_has_its_pattern(tmp_path):
    tokens = " ".join(b64encode(token).decode() for token in ranks())
    data = {"pat_str": PATTERNS["cl100k"], "bpe_ranks": f"! 0 {tokens}", "special_tokens": {}}
    (tmp_path / "js.json").write_text(json.dumps(data))
    tokenizer = get_tokenizer(str(tmp_path / "js.json"))
    assert tokenizer.encode(TEXT) == encoded_by_tiktoken("cl100k")
    check(tokenizer)


@pytest.mark.parametrize("spec", ["gpt2", "bpe:300"])
def test_a_million_blanks_are_encoded(spec, prose):
    # tiktoken's regular expressions give up, and its library panics.
    tokenizer = get_tokenizer(spec, text=prose)
    for text in (" " * 1_100_000 + "x", "a" + "\n" * 1_100_000):
        ids = tokenizer.encode_array(text)
        assert tokenizer.decode_bytes(ids) == text.encode()
    assert get_tokenizer("gpt2").encode(" " * 1_100_000 + "x")[-3:] == [220, 220, 2124]


# --- names, folders, content


@pytest.fixture
def folder(tmp_path):
    """As `save_pretrained` writes one."""
    byte_level().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "X"}')
    return tmp_path


def test_a_folder_and_any_file_of_it_give_its_tokenizer(folder):
    expected = byte_level().encode(TEXT).ids
    for spec in (folder, folder / "tokenizer.json", folder / "tokenizer_config.json"):
        tokenizer = get_tokenizer(str(spec))
        assert tokenizer.encode(TEXT) == expected
    check(tokenizer)


def test_vocab_and_merges_are_a_byte_level_bpe(tmp_path):
    byte_level().model.save(str(tmp_path))
    for spec in (tmp_path, tmp_path / "vocab.json", tmp_path / "merges.txt"):
        tokenizer = get_tokenizer(str(spec))
        assert tokenizer.encode(TEXT) == byte_level().encode(TEXT).ids
    check(tokenizer)
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(TokenizerError, match=r"belong together, and .*merges\.txt does not exist"):
        get_tokenizer(str(tmp_path))


def test_the_content_says_what_a_file_is_not_the_name(tmp_path, kinds, folder):
    shutil.copy(kinds["model"].name, tmp_path / "tokenizer.model.v3")
    (tmp_path / "tokenizer.model").write_text(lines(ranks()))
    shutil.copy(folder / "tokenizer.json", tmp_path / "no-suffix")
    model = get_tokenizer(str(tmp_path / "tokenizer.model.v3"))
    assert model.encode(TEXT) == kinds["model"].encode(TEXT)
    table = get_tokenizer(f"{tmp_path / 'tokenizer.model'}:split=llama3")
    assert table.encode(TEXT) == encoded_by_tiktoken("llama3")
    assert get_tokenizer(str(tmp_path / "no-suffix")).encode(TEXT) == byte_level().encode(TEXT).ids


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "a.json",
            b"version https://git-lfs.github.com/spec/v1\n",
            "a Git LFS pointer",
        ),
        ("a.model", b"minbpe v1\n", "a model of minbpe"),
        ("a.json", b"\x1f\x8b\x08", "a gzip archive: unpack it"),
        ("tokenizer.pkl", b"\x80\x04\x95", "a Python pickle, which can run code"),
        ("vocab.txt", b"[PAD]\n[UNK]\nto\n", "does not say how text is normalised"),
        ("a.json", b"{", "cannot be read as JSON"),
        ("a.json", b"[1]", "a JSON list"),
        ("a.json", b'{"a": "b"}', "JSON, but not a tokenizer"),
        ("a.json", b"", "is empty"),
        ("notes", b"to be or not", "not a tokenizer that gptkit knows: it begins with"),
    ],
)
def test_what_is_no_tokenizer_is_called_what_it_is(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TokenizerError, match=says):
        get_tokenizer(str(tmp_path / name))


def test_an_empty_folder_says_what_was_looked_for(tmp_path):
    with pytest.raises(TokenizerError, match=r"has no tokenizer\. It has none of tokenizer\.json"):
        get_tokenizer(str(tmp_path))


# --- tokenizer.json in its odd places


def saved_with(tmp_path, **changes):
    data = json.loads(byte_level().to_str())
    for key, value in changes.items():
        part, _, field = key.partition("__")
        if field:
            data[part][field] = value
        else:
            data[part] = value
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(data), encoding="utf-8-sig")  # as PowerShell writes it
    return path


def added(i, content, **flags):
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": i, "content": content, "special": False} | plain | flags


def test_an_added_token_spells_its_own_text(tmp_path):
    path = saved_with(tmp_path, added_tokens=[added(270, "Öl"), added(271, "đem")])
    tokenizer = get_tokenizer(str(path))
    ids = tokenizer.encode("Öl to đem")
    n = tokenizer.vocab_size  # the library gives added tokens the next free ids
    assert (ids[0], ids[-1]) == (n - 2, n - 1)
    check(tokenizer, "Öl to đem")


def test_an_added_token_that_the_model_makes_of_spaces_spells_them():
    # As in Gemma 3's file: "▁▁" is in the vocabulary, and an added token as well.
    tokens = ["<unk>", "▁", "a", "b", "▁▁"]
    made = tokenizers.Tokenizer(
        models.BPE({t: i for i, t in enumerate(tokens)}, [("▁", "▁")], unk_token="<unk>")
    )
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Replace("▁", " ")
    made.add_tokens([tokenizers.AddedToken(t, normalized=False) for t in ("▁▁", "a▁b")])
    tokenizer = get_tokenizer(made)
    assert tokenizer.encode("a  b") == [2, 4, 3]
    assert tokenizer.decode_bytes([2, 4, 3]) == b"a  b"
    (own,) = tokenizer.encode("a▁b")
    assert tokenizer.token_bytes(own) == "a▁b".encode()  # the model does not make it


@pytest.mark.parametrize("flag", ["lstrip", "rstrip", "single_word"])
def test_an_added_token_takes_no_blanks_along(tmp_path, flag):
    path = saved_with(tmp_path, added_tokens=[added(270, "<b>", **{flag: True})])
    check(get_tokenizer(str(path)), "to  <b>  be<b>")


def test_dropout_is_switched_off(tmp_path):
    with pytest.warns(TokenizerWarning, match=r"drops merges at random .*0\.5.* switched off"):
        tokenizer = get_tokenizer(str(saved_with(tmp_path, model__dropout=0.5)))
    assert {tuple(tokenizer.encode(TEXT)) for _ in range(8)} == {
        tuple(byte_level().encode(TEXT).ids)
    }


def test_a_file_without_the_models_type_is_read(tmp_path):
    path = saved_with(tmp_path)
    data = json.loads(path.read_text(encoding="utf-8-sig"))
    del data["model"]["type"]
    path.write_text(json.dumps(data))
    assert get_tokenizer(str(path)).encode(TEXT) == byte_level().encode(TEXT).ids


def test_a_suffix_is_taken_off_before_the_bytes_are_read(tmp_path):
    made = byte_level()
    vocab = json.loads(made.to_str())["model"]["vocab"] | {"Ġto</w>": 290}
    path = saved_with(tmp_path, model__vocab=vocab, model__end_of_word_suffix="</w>")
    assert get_tokenizer(str(path)).token_bytes(290) == b" to"


def test_a_normaliser_that_deletes_blanks_adds_none(tmp_path):
    words = {
        "type": "Replace",
        "pattern": {"String": " "},
        "content": "",
    }
    data = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": words,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"tobe": 0, "?": 1}, "unk_token": "?"},
    }
    (tmp_path / "x.json").write_text(json.dumps(data))
    assert get_tokenizer(str(tmp_path / "x.json")).token_bytes(0) == b"tobe"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"normalizer": "Lowercase"}, "normalizer is not an object with a type"),
        ({"normalizer": {}}, "normalizer is not an object with a type"),
        ({"pre_tokenizer": {"type": "Sequence"}}, "pre_tokenizer is a Sequence of nothing"),
        ({"normalizer": {"type": "Sequence", "normalizers": [None]}}, "has an empty part"),
        ({"added_tokens": [{"id": "x"}]}, "added_tokens is not a list of tokens"),
        ({"pre_tokenizer": {"type": "Future"}}, "pip install -U tokenizers"),
    ],
)
def test_a_part_of_another_shape_is_named(tmp_path, changes, says):
    with pytest.raises(TokenizerError, match=says):
        get_tokenizer(str(saved_with(tmp_path, **changes)))


def test_an_unknown_token_that_is_not_there_is_one_message(tmp_path):
    model = {"type": "WordLevel", "vocab": {"to": 0}, "unk_token": "[UNK]"}
    tokenizer = get_tokenizer(str(saved_with(tmp_path, model=model)))
    with pytest.raises(TokenizerError, match=r"odd\.json cannot encode.*no unknown token"):
        tokenizer.encode("or")
