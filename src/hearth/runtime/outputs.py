"""Outputs as the model's process hands them over, made into what the port promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hearth.cog.files import OUT, TEXT, BadOutput, outgoing
from hearth.runtime.base import FILE_OUTPUT

_RESERVED = f"the output holds a text that starts with {FILE_OUTPUT}, which stands for a file here"


class Outputs:
    """Checks the outputs of one instance, whose files lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def checked(self, value: Any) -> Any:
        """`value` with texts restored, in which a string that starts with FILE_OUTPUT is always a plain file of
        the folder, by its real path: a text of the model's that looks like one is refused. Raises BadOutput."""
        kind = type(value)
        if kind is str:
            return self._text(value) if value.startswith((OUT, TEXT)) else value
        if kind is list:
            return [self.checked(item) for item in value]
        if kind is dict:
            return {key: self.checked(item) for key, item in value.items()}
        return value

    def _text(self, text: str) -> str:
        if "\0" in text:
            raise BadOutput("the output holds a text with a NUL that looks like a file")
        if text.startswith(OUT):
            return str(outgoing(text, self._folder, lambda path: f"{FILE_OUTPUT}{path}"))
        text = text.removeprefix(TEXT)
        if text.startswith(FILE_OUTPUT):
            raise BadOutput(_RESERVED)
        return text
