"""Output that can't be invalid: which tokens may come next under a JSON schema, a grammar, a pattern or a choice.

llguidance computes the masks: one small wheel, a few microseconds a token, and the same for every backend.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper, gbnf_to_lark
from numpy.typing import NDArray

from .errors import wrong
from .tokenizer import Tokenizer

COMPACT = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
"""No blanks between JSON's tokens: a small model would go on making them."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the text has to be; at most one of these, and tools beside none."""

    jsonschema: str | None = None
    grammar: str | None = None
    regex: str | None = None
    choices: Sequence[str] | None = None
    tools: Sequence[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] = "auto"

    def __post_init__(self) -> None:
        given = [name for name in ("jsonschema", "grammar", "regex", "choices") if getattr(self, name) is not None]
        if len(given) > 1:
            raise wrong(given[1], f"the text can't have the shape of {given[0]} as well: send one of them")

    def source(self) -> str | None:
        """As llguidance reads it; None: any text."""
        if self.jsonschema is not None:
            return LLMatcher.grammar_from_json_schema(_schema(self.jsonschema), defaults=COMPACT)
        if self.grammar is not None:
            return LLMatcher.grammar_from_lark(_lark(self.grammar))
        if self.regex is not None:
            return LLMatcher.grammar_from_regex(self.regex)
        if self.choices is not None:
            return LLMatcher.grammar_from_lark("start: " + " | ".join(json.dumps(c) for c in self.choices))
        return self._calls()

    def _calls(self) -> str | None:
        """A tool call as `{"name": …, "arguments": …}`, or with `auto` a text that doesn't begin like one."""
        found = self.calls()
        if found is None:
            return None
        calls = json.dumps({**found, "x-guidance": COMPACT})
        if self.tool_choice != "auto":
            return LLMatcher.grammar_from_lark(f"start: call\ncall: %json {calls}")
        return LLMatcher.grammar_from_lark(f"start: TEXT | call\nTEXT: /[^{{](.|\\n)*/\ncall: %json {calls}")

    def calls(self) -> dict[str, Any] | None:
        """The JSON schema of a call of one of the tools; None without tools."""
        functions = [tool.get("function", tool) for tool in self.tools or ()]
        if not functions or self.tool_choice == "none":
            return None
        if named := _named(self.tool_choice):
            functions = [f for f in functions if f.get("name") == named]
            if not functions:
                raise wrong("tool_choice", f"there is no tool named {named}")
        return {"anyOf": [_call(function) for function in functions]}


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
        source = shape.source()
        if source is None:
            return None
        if self._words is None:
            self._words = LLTokenizer(TokenizerWrapper(_Words(self._tokenizer)), eos_token=sorted(self._tokenizer.ends))
        if problem := LLMatcher.validate_grammar(source, self._words):
            raise wrong(_given(shape), problem.removeprefix("ERROR: "))
        return Constraint(LLMatcher(self._words, source), self._vocab)


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


def _given(shape: Shape) -> str:
    return next((n for n in ("jsonschema", "grammar", "regex", "choices") if getattr(shape, n) is not None), "tools")


def _schema(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise wrong("jsonschema", f"not JSON: {error}") from None
    return json.dumps(strict(found))


def strict(schema: Any) -> Any:
    """Objects hold what their schema names: where more is merely allowed, a model would make things up."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: value if key in ("allOf", "enum", "const") else strict(value) for key, value in schema.items()}
    if isinstance(found.get("properties"), dict) and "allOf" not in found:
        found.setdefault("additionalProperties", False)
    return found


def _lark(text: str) -> str:
    """llama.cpp's GBNF says `root ::=`, Lark says `start:`."""
    if "::=" not in text:
        return text
    try:
        return str(gbnf_to_lark.any_to_lark(text))
    except Exception as error:  # noqa: BLE001 - it raises nothing more particular
        raise wrong("grammar", str(error)) from None


def _named(choice: str | dict[str, Any]) -> str | None:
    if isinstance(choice, dict):
        return choice.get("function", choice).get("name")
    return None if choice in ("auto", "none", "required") else choice


def _call(function: dict[str, Any]) -> dict[str, Any]:
    arguments = strict(function.get("parameters") or {"type": "object", "properties": {}})
    return {
        "type": "object",
        "properties": {"name": {"const": function.get("name")}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }
