"""Tokenizers that others made: files, the hub, and what they lose."""

import json
import socket
import sys

import pytest
import tiktoken
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, trainers

from gptkit_tokenizers import LossyTokenizer, TokenizerError, audit, get_tokenizer
from gptkit_tokenizers.bpe import shipped_ranks
from gptkit_tokenizers.reachability import reachable


def trained_json(path, text, normalizer=None, pre_tokenizer=None, model=None, trainer=None):
    made = tokenizers.Tokenizer(model or models.BPE(unk_token="[UNK]"))
    made.normalizer = normalizer
    made.pre_tokenizer = pre_tokenizer or pre_tokenizers.Whitespace()
    made.train_from_iterator(
        [text],
        trainer
        or trainers.BpeTrainer(vocab_size=200, special_tokens=["[UNK]"], show_progress=False),
    )
    made.save(str(path))
    return get_tokenizer(str(path))


def test_special_tokens_and_templates_stay_out_of_a_text(kinds):
    tokenizer = kinds["json"]  # made with <s> in front, cut after 8, a space before all
    text = "<s>to be<|endoftext|> or not to be, that is the question of the king"
    ids = tokenizer.encode(text)
    assert not {0, 1} & set(ids)
    assert len(ids) > 8
    assert audit(tokenizer, text, tokenizer.encode_array(text)) == len(text)


def test_the_ids_are_the_librarys_own(kinds, prose):
    theirs = tokenizers.Tokenizer.from_file(kinds["json"].name)
    theirs.no_truncation()
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert kinds["json"].encode(prose) == theirs.encode(prose, add_special_tokens=False).ids


@pytest.mark.parametrize(
    ("normalizer", "text", "at"),
    [
        (normalizers.Lowercase(), "the King", 4),
        (normalizers.NFKC(), "the ﬁsh", 4),
        (normalizers.StripAccents(), "cafe\u0301 au", 4),
        (None, "the 🦆", 3),
    ],
)
def test_what_is_lost_is_found_and_shown(normalizer, text, at, tmp_path):
    words = pre_tokenizers.Metaspace(prepend_scheme="never")
    letters = "the king the fish cafe au lait "
    lossy = trained_json(tmp_path / "lossy.json", letters, normalizer, words)
    with pytest.raises(LossyTokenizer, match="fails the audit") as error:
        audit(lossy, text, lossy.encode_array(text))
    assert f"from byte {at}" in str(error.value) or "🦆" in text
    assert "lossy_ok=True" in str(error.value)


def test_metaspace_spells_its_spaces(tmp_path):
    words = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer = trained_json(tmp_path / "llama.json", "the king the fish ", pre_tokenizer=words)
    text = "the fish the king"
    assert audit(tokenizer, text, tokenizer.encode_array(text)) == len(text)


def test_byte_fallback_spells_what_the_vocabulary_lacks(tmp_path):
    vocab = {"<unk>": 0, "▁": 1, "a": 2} | {f"<0x{b:02X}>": 3 + b for b in range(256)}
    made = tokenizers.Tokenizer(
        models.BPE(vocab=vocab, merges=[], unk_token="<unk>", byte_fallback=True)
    )
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.save(str(tmp_path / "tokenizer.json"))
    tokenizer = get_tokenizer(str(tmp_path / "tokenizer.json"))
    text = "a 🦆 a\n"
    assert audit(tokenizer, text, tokenizer.encode_array(text)) == len(text.encode())
    assert tokenizer.encode("a") == [2]


def test_wordpiece_as_bert_has_it_loses_its_spaces(tmp_path):
    trainer = trainers.WordPieceTrainer(
        vocab_size=100, special_tokens=["[UNK]"], show_progress=False
    )
    bert = trained_json(
        tmp_path / "bert.json",
        "the king of the kings ",
        model=models.WordPiece(unk_token="[UNK]"),
        trainer=trainer,
    )
    ids = bert.encode_array("the kings")
    assert bert.decode_bytes(ids) == b"thekings"
    with pytest.raises(LossyTokenizer, match="from byte 3"):
        audit(bert, "the kings", ids)


@pytest.mark.parametrize("content", ["{}", "[1]", "not json", '{"model": {"type": "Nothing"}}'])
def test_a_json_that_is_no_tokenizer(content, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(TokenizerError, match=r"tokenizer\.json"):
        get_tokenizer(str(path))


@pytest.mark.parametrize("name", ["nothing.json", "nothing.model", "nothing.tiktoken"])
def test_a_file_that_is_not_there(name):
    with pytest.raises(TokenizerError, match=f"there is no file or folder {name}"):
        get_tokenizer(name)


def test_the_hub_out_of_reach(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(TokenizerError, match="hf:somebody/something is not available") as error:
        get_tokenizer("hf:somebody/something")
    assert "tokenizer.json" in str(error.value)


def test_the_hub_by_name(monkeypatch, kinds, prose):
    import huggingface_hub

    asked = []

    def download(repository, file, revision, local_files_only):
        assert local_files_only  # with no network, from the cache
        asked.append((repository, file, revision))
        return kinds["json"].name

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    tokenizer = get_tokenizer("hf:somebody/something")
    assert asked == [("somebody/something", "tokenizer.json", None)]
    get_tokenizer("hf:somebody/something@v2")
    assert asked[1] == ("somebody/something", "tokenizer.json", "v2")
    assert tokenizer.name == "hf:somebody/something"
    assert tokenizer.encode(prose) == kinds["json"].encode(prose)


def test_sentencepiece_ids_are_the_librarys_own(kinds, prose):
    import sentencepiece

    theirs = sentencepiece.SentencePieceProcessor(model_file=kinds["model"].name)
    assert kinds["model"].encode(" " + prose) == theirs.encode(prose)  # theirs puts a space there


def test_sentencepiece_as_it_comes_loses_doubled_spaces(make_model, prose, tmp_path):
    path = make_model(tmp_path / "lossy.model", prose, byte_fallback=True)
    lossy = get_tokenizer(str(path))
    text = "the  king"
    with pytest.raises(LossyTokenizer, match="from byte 4"):
        audit(lossy, text, lossy.encode_array(text))


def test_a_model_that_is_none(tmp_path):
    (tmp_path / "x.model").write_bytes(b"\n\x05nothing of the kind")
    with pytest.raises(TokenizerError, match="cannot be read as a SentencePiece model: "):
        get_tokenizer(str(tmp_path / "x.model"))


def test_without_the_library_the_extra_is_named(kinds, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(TokenizerError, match="pip install sentencepiece"):
        get_tokenizer(kinds["model"].name)


def test_gpt2s_ranks_from_a_file_give_gpt2s_ids(make_ranks, prose, tmp_path):
    file = make_ranks(tmp_path / "mine.tiktoken", len(shipped_ranks()))
    assert get_tokenizer(str(file)).encode(prose) == get_tokenizer("gpt2").encode(prose)


def test_a_file_named_after_an_encoding_has_its_words(make_ranks, tmp_path):
    # cl100k's words keep letters' case marks and at most three digits together; GPT-2's do not.
    file = make_ranks(tmp_path / "cl100k_base.tiktoken", len(shipped_ranks()))
    assert len(get_tokenizer(str(file)).encode("2000")) == 2
    file = make_ranks(tmp_path / "r50k_base.tiktoken", len(shipped_ranks()))
    assert len(get_tokenizer(str(file)).encode("2000")) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"????\n", "not a tokenizer that gptkit knows"),
        (b"YQ== 0\nYg== x\n", "line 2 is b'Yg== x'"),
        (b"YQ== 0\n", "byte 0x00 has none"),
    ],
)
def test_ranks_that_are_none(content, says, tmp_path):
    (tmp_path / "bad.tiktoken").write_bytes(content)
    with pytest.raises(TokenizerError, match=says):
        get_tokenizer(str(tmp_path / "bad.tiktoken"))


def test_runs_need_no_file_to_be_read_back(kinds, prose):
    from gptkit_tokenizers import tokenizer_from_dict

    for kind in ("json", "model", "tiktoken"):
        data = json.loads(json.dumps(kinds[kind].to_dict()))
        data["name"] = "/nowhere/" + kind
        assert tokenizer_from_dict(data).encode(prose) == kinds[kind].encode(prose)


def test_tiktoken_is_loaded_with_no_special_tokens(make_ranks, tmp_path):
    file = make_ranks(tmp_path / "mine.tiktoken", 300)
    tokenizer = get_tokenizer(f"{file}:split=gpt2")
    assert isinstance(tokenizer._encoding, tiktoken.Encoding)
    assert tokenizer.decode_bytes(tokenizer.encode("<|endoftext|>")) == b"<|endoftext|>"


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_proxy_is_asked_with_or_without_its_scheme(scheme, monkeypatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        monkeypatch.setenv("https_proxy", f"{scheme}127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert reachable("https://hub.example", timeout=10)
    assert not reachable("https://hub.example", timeout=10)  # nothing listens any more
