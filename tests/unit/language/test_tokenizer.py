"""Tokenizers out of GGUF files and folders: a text's tokens stand for its bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from engine.errors import ModelError
from engine.gguf import File
from engine.testing import random_gguf, write
from engine.tokenizer import Tokenizer, from_folder, from_gguf
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Fast
from tokenizers import decoders, models, pre_tokenizers

SENTENCE = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "h", "e", "l", "o"]
SENTENCE += ["ll", "he", "hell", "hello", "▁hello", "lo"]


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    return from_gguf(File(random_gguf(path, words=("th", "the", "é"))))


def sentence_piece(path: Path, **more: Any) -> Tokenizer:
    scores = [0.0] * 264 + [-1.0, -3.0, -4.0, -5.0, -6.0, -2.0]
    kinds = [2, 3, 3, *[6] * 256, *[1] * 11]
    settings = {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": SENTENCE,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }
    write(path, {**settings, **more}, {})
    return from_gguf(File(path))


@given(text=st.text())
def test_the_pieces_of_a_text_are_its_bytes(byte_level: Tokenizer, text: str) -> None:
    ids = byte_level.encode(text)
    assert b"".join(map(byte_level.piece, ids)) == text.encode()


def test_pairs_are_joined(byte_level: Tokenizer) -> None:
    assert [byte_level.name(i) for i in byte_level.encode("the")] == ["the"]


def test_control_tokens_steer_and_are_not_shown(byte_level: Tokenizer) -> None:
    (end,) = byte_level.encode("<|end|>")
    assert byte_level.ends == {end}
    assert byte_level.piece(end) == b""


def test_sentence_piece_joins_by_score(tmp_path: Path) -> None:
    words = sentence_piece(tmp_path / "m.gguf")
    assert [words.name(i) for i in words.encode("hello")] == ["<s>", "▁hello"]
    assert b"".join(map(words.piece, words.encode("hello é"))).decode() == " hello é"


def test_sentence_piece_joins_the_better_score_first(tmp_path: Path) -> None:
    words = sentence_piece(tmp_path / "m.gguf", **{"tokenizer.ggml.add_bos_token": False})
    assert [words.name(i) for i in words.encode("llo")] == ["▁", "ll", "o"]


def test_a_chat_template_writes_the_beginning_itself(tmp_path: Path) -> None:
    words = sentence_piece(tmp_path / "m.gguf")
    assert words.encode("hello", complete=False) == words.encode("hello")[1:]
    assert words.name(words.begin) == "<s>"


def test_a_folder_says_what_ends_a_text(tmp_path: Path) -> None:
    fast = Fast(models.BPE(vocab={c: n for n, c in enumerate(pre_tokenizers.ByteLevel.alphabet())}, merges=[]))
    fast.pre_tokenizer, fast.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    fast.add_special_tokens(["<s>", "</s>", "<|eot_id|>", "<turn>"])
    fast.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": {"content": "</s>"}, "bos_token": "<s>", "add_bos_token": True})
    )
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [fast.token_to_id("<turn>")]}))
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}")
    words = from_folder(tmp_path)
    assert {words.name(i) for i in words.ends} == {"</s>", "<|eot_id|>", "<turn>"}
    assert words.name(words.encode("a")[0]) == "<s>"
    assert words.template == "{{ messages[0].content }}"


@pytest.mark.parametrize(
    "wrong", [{"tokenizer.ggml.model": "bert"}, {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "martian"}]
)
def test_unknown_kinds_are_named(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(ModelError, match=r"bert|martian"):
        sentence_piece(tmp_path / "m.gguf", **wrong)
