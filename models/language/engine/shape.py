"""What a text has to be, as it is asked for; `grammar.py` sees to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import wrong

_EXCLUSIVE = ("jsonschema", "grammar", "regex", "choices")
"""One text has one of these at most."""


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
        given = [name for name in _EXCLUSIVE if getattr(self, name) is not None]
        if len(given) > 1:
            raise wrong(given[1], f"the text can't have the shape of {given[0]} as well: send one of them")

    @property
    def name(self) -> str | None:
        """Which of them is given."""
        return next((name for name in (*_EXCLUSIVE, "tools") if getattr(self, name) is not None), None)

    @property
    def free(self) -> bool:
        """Any text will do."""
        return not self.tools and self.jsonschema is self.grammar is self.regex is self.choices is None

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
