"""Output that can't be invalid: which tokens may come next under a JSON schema, a grammar, a pattern or a choice.

llguidance computes the masks: one small wheel, a few microseconds a token, and the same for every backend.
"""

from __future__ import annotations

import json

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper, gbnf_to_lark
from numpy.typing import NDArray

from .errors import wrong
from .shape import Shape, strict
from .tokenizer import Tokenizer

COMPACT = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
"""No blanks between JSON's tokens: a small model would go on making them."""


def source(shape: Shape) -> str | None:
    """As llguidance reads it; None: any text."""
    if shape.regex is not None:
        return LLMatcher.grammar_from_regex(shape.regex)
    found = lark(shape)
    return None if found is None else LLMatcher.grammar_from_lark(found)


def lark(shape: Shape) -> str | None:
    """All but a regular expression, in Lark's notation; None: any text. Raises UserError."""
    if shape.jsonschema is not None:
        return f"start: %json {_schema(shape.jsonschema)}"
    if shape.grammar is not None:
        return _lark(shape.grammar)
    if shape.choices is not None:
        return "start: " + " | ".join(json.dumps(c) for c in shape.choices)
    return _calls(shape)


def _calls(shape: Shape) -> str | None:
    """A tool call as `{"name": …, "arguments": …}`, or with `auto` a text that doesn't begin like one."""
    found = shape.calls()
    if found is None:
        return None
    calls = json.dumps({**found, "x-guidance": COMPACT})
    if shape.tool_choice != "auto":
        return f"start: %json {calls}"
    return f"start: TEXT | call\nTEXT: /[^{{](.|\\n)*/\ncall: %json {calls}"


class Constraint:
    """Where one text stands in its grammar."""

    def __init__(self, matcher: LLMatcher, vocab: int) -> None:
        self._matcher, self._vocab = matcher, vocab

    @property
    def ended(self) -> bool:
        """Nothing can follow."""
        return bool(self._matcher.is_stopped())

    @property
    def complete(self) -> bool:
        """The text may end here."""
        return bool(self._matcher.is_accepting())

    def allowed(self) -> NDArray[np.bool_]:
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        found = np.unpackbits(bits, bitorder="little").astype(bool)
        if len(found) < self._vocab:
            found = np.concatenate([found, np.zeros(self._vocab - len(found), bool)])
        return found[: self._vocab]

    def advance(self, token: int) -> None:
        if not self._matcher.consume_token(token):
            raise RuntimeError(f"token {token} doesn't fit the grammar: {self._matcher.get_error()}")


class Grammars:
    """Makes constraints for one tokenizer, which is read when the first is asked for."""

    def __init__(self, tokenizer: Tokenizer, vocab: int) -> None:
        self._tokenizer, self._vocab = tokenizer, vocab
        self._words: LLTokenizer | None = None

    def constraint(self, shape: Shape) -> Constraint | None:
        text = source(shape)
        if text is None:
            return None
        if self._words is None:
            self._words = LLTokenizer(TokenizerWrapper(_Words(self._tokenizer)), eos_token=sorted(self._tokenizer.ends))
        if problem := LLMatcher.validate_grammar(text, self._words):
            raise wrong(shape.name or "", problem.removeprefix("ERROR: "))
        return Constraint(LLMatcher(self._words, text), self._vocab)


class _Words:
    """A tokenizer as llguidance wants to see one."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.eos_token_id = min(tokenizer.ends)
        self.bos_token_id = tokenizer.begin
        self.special_token_ids = sorted(tokenizer.specials)
        self.tokens = [
            (tokenizer.name(n) or f"<{n}>").encode() if n in tokenizer.specials else tokenizer.piece(n)
            for n in range(tokenizer.vocab)
        ]

    def __call__(self, text: bytes | str) -> list[int]:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        return self._tokenizer.encode(text, complete=False)


def _schema(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise wrong("jsonschema", f"not JSON: {error}") from None
    return json.dumps({**strict(found), "x-guidance": COMPACT} if isinstance(found, dict) else found)


def _lark(text: str) -> str:
    """llama.cpp's GBNF says `root ::=`, Lark says `start:`."""
    if "::=" not in text:
        return text
    try:
        return str(gbnf_to_lark.any_to_lark(text))
    except Exception as error:  # noqa: BLE001 - it raises nothing more particular
        raise wrong("grammar", str(error)) from None
