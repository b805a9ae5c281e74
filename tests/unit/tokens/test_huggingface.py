"""Tokenizers as models ship them: the text of the tokens is the text, whatever they are made of."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hearth.tokens.base import Token, Unreadable
from hearth.tokens.huggingface import HuggingFaceTokenizers, spread

tokenizers = pytest.importorskip("tokenizers")
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402


def _bytes() -> bytes:
    """Byte pairs, with a token that begins every text."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        ["the lantern, the lake"] * 9, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet)
    )
    made.add_special_tokens(["<s>"])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))]
    )
    made.enable_truncation(3)
    return str(made.to_str()).encode()


def _words() -> bytes:
    """Words, without their case and what is between them."""
    made = tokenizers.Tokenizer(models.WordLevel({"the": 0, "lantern": 1, "?": 2}, unk_token="?"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return str(made.to_str()).encode()


LOADED = [HuggingFaceTokenizers().load(data) for data in (_bytes(), _words())]


@pytest.mark.parametrize("which", [0, 1])
@given(text=st.text(max_size=40))
@settings(deadline=None)
def test_the_tokens_are_the_text(which: int, text: str) -> None:
    found = LOADED[which].split(text)
    if found or text.strip():
        assert "".join(token.text for token in found) == text


def test_a_character_of_several_tokens_stands_in_one_place() -> None:
    found = LOADED[0].split("a🙂")
    assert [token.text for token in found] == ["a", "🙂", "", "", ""]
    assert "<s>" not in [token.text for token in found]


def test_words_have_their_ids() -> None:
    assert LOADED[1].split("The lantern") == [Token(0, "The"), Token(1, " lantern")]


def test_the_end_of_a_text_is_not_lost() -> None:
    assert spread("ab  ", [7], [2]) == [Token(7, "ab  ")]
    assert spread("", [], []) == []


@pytest.mark.parametrize("data", [b"{}", b"\xff", b""])
def test_what_is_no_tokenizer_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        HuggingFaceTokenizers().load(data)
