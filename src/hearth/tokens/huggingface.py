"""Tokenizers in the format of Hugging Face, read by their own library. It is imported when the first one is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hearth.tokens.base import Token, Tokenizer, Unreadable

if TYPE_CHECKING:
    import tokenizers


class HuggingFaceTokenizers:
    def load(self, data: bytes) -> Tokenizer:
        try:
            import tokenizers
        except ImportError as error:
            raise Unreadable("the package `tokenizers` is not installed beside Hearth") from error
        try:
            fast = tokenizers.Tokenizer.from_str(data.decode())
        except Exception as error:
            raise Unreadable(str(error)) from error
        fast.no_truncation()
        fast.no_padding()
        return _HuggingFaceTokenizer(fast)


class _HuggingFaceTokenizer:
    def __init__(self, fast: tokenizers.Tokenizer) -> None:
        self._fast = fast

    def split(self, text: str) -> list[Token]:
        found = self._fast.encode(text, add_special_tokens=False)
        return spread(text, found.ids, [end for _, end in found.offsets])


def spread(text: str, ids: list[int], ends: list[int]) -> list[Token]:
    """Each token with the text up to where it ends. What no token stands for (blanks that a tokenizer drops) goes with
    the next one, and at the end with the last."""
    tokens, at = [], 0
    for n, (id, end) in enumerate(zip(ids, ends, strict=True)):
        stop = len(text) if n == len(ids) - 1 else max(at, end)
        tokens.append(Token(id, text[at:stop]))
        at = stop
    return tokens
