"""What a model returned, in pieces that a page can show: text, pictures, sound, films, files, values, JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from hearth.domain import media
from hearth.domain.file import parse_reference
from hearth.domain.schema import OutputKind
from hearth.web.links import file_url

TEXTS = ("text/plain", "text/markdown", "text/csv", "application/json")
_PROGRESS = re.compile(r"(\d{1,3})%\s*\|[^|\n]*\|\s*(\d+(?:\.\d+)?\w*)/(\d+(?:\.\d+)?\w*)([^\n]*)")
_MARKS = re.compile(r"^\s*#+\s|\*\*|`+", re.MULTILINE)
"""Of Markdown, what only stands in the way where nothing is rendered."""
_TAIL = 4000
"""Characters of the logs' end in which progress is looked for."""


MAX_DEPTH = 24
MAX_NODES = 2000
"""Values of a tree, all of them."""
MAX_RAW = 200_000
"""Bytes of JSON."""
MAX_LAID_OUT = 2 * MAX_RAW
"""Bytes of JSON that are laid out in lines; what is larger is cut early anyway."""
MAX_PIECES = 300
"""Pieces that a page shows."""
MAX_OPENING = 120
"""Characters of a text on the cover of a card."""
MAX_LOGS = 200_000
"""Characters of logs that a page shows: the last ones."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    """text, image, audio, video, pdf, file, value, json; raw: JSON too large or too deep for a tree."""
    value: Any = None
    url: str = ""
    name: str = ""
    label: str = ""
    """The key it stands under, in an object."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    percent: int
    label: str


def pieces(output: Any, kind: OutputKind) -> list[Piece]:
    """Everything, in order. Text that reads on is one piece."""
    if output is None:
        return []
    if isinstance(output, list):
        if kind.concatenate and all(isinstance(item, str) for item in output):
            return [Piece(kind="text", value="".join(output))]
        if kind.is_iterator or any(_is_file(item, kind) for item in output):
            return [piece(item, kind) for item in output]
    if isinstance(output, dict):
        files = [(key, item) for key, item in _files(output, kind)]
        if files:
            shown = [msgspec.structs.replace(piece(item, kind), label=key) for key, item in files]
            return [*shown, Piece(kind="json", value=output)]
    return [piece(output, kind)]


def piece(value: Any, kind: OutputKind) -> Piece:
    """One value."""
    if isinstance(value, str):
        return _file(value) if _is_file(value, kind) else Piece(kind="text", value=value)
    if isinstance(value, bool | int | float):
        return Piece(kind="value", value=value)
    return Piece(kind="json", value=value) if _shallow(value) else Piece(kind="raw", value=_cut(value))


def _shallow(value: Any) -> bool:
    """Whether it can be shown as a tree. Models return whatever they like."""
    rest, count = [(value, 0)], 0
    while rest:
        item, depth = rest.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_NODES:
            return False
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        rest.extend((each, depth + 1) for each in inner)
    return True


def _depth(value: Any) -> int:
    deepest, rest = 0, [(value, 0)]
    while rest:
        item, depth = rest.pop()
        deepest = max(deepest, depth)
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        rest.extend((each, depth + 1) for each in inner)
    return deepest


def _cut(value: Any) -> str:
    text = msgspec.json.encode(value)
    if len(text) <= MAX_LAID_OUT and _depth(value) <= MAX_DEPTH:  # deeper, and blanks would be most of it
        text = msgspec.json.format(text, indent=2)
    return text.decode() if len(text) <= MAX_RAW else text[:MAX_RAW].decode("utf-8", "ignore") + "…"


def text_of(output: Any, kind: OutputKind) -> str | None:
    """The whole text, if text is what the model returned."""
    found = pieces(output, kind)
    return found[0].value if len(found) == 1 and found[0].kind == "text" else None


def opening(text: str) -> str:
    """How it begins: what fits on a cover, up to the end of a word."""
    text = " ".join(_MARKS.sub("", text[: 2 * MAX_OPENING]).split())
    return text if len(text) <= MAX_OPENING else text[: MAX_OPENING + 1].rsplit(" ", 1)[0][:MAX_OPENING] + "…"


def input_piece(value: Any) -> Piece | None:
    """A file that was given to a model; None for what is no file."""
    if not isinstance(value, str):
        return None
    if parse_reference(value) or (value.startswith(("http://", "https://")) and media.by_name(_name(value))):
        return _file(value)
    if value.startswith("data:"):
        kind = value[5:64].partition(";")[0].partition(",")[0]
        return Piece(kind=_kind(kind), url=value, name="inline data")
    return None


def _is_file(value: Any, kind: OutputKind) -> bool:
    if not isinstance(value, str):
        return False
    return parse_reference(value) is not None or (kind.has_files and value.startswith(("http://", "https://")))


def _files(output: dict[str, Any], kind: OutputKind) -> Iterator[tuple[str, str]]:
    for key, value in output.items():
        for item in value if isinstance(value, list) else [value]:
            if _is_file(item, kind):
                yield key, item


def _file(value: str) -> Piece:
    name = _name(value)
    return Piece(kind=_kind(media.by_name(name) or ""), url=file_url(value), name=name)


def _name(value: str) -> str:
    reference = parse_reference(value)
    return reference[1] if reference else unquote(urlsplit(value).path.rsplit("/", 1)[-1]) or "file"


def _kind(content_type: str) -> str:
    group = content_type.partition("/")[0]
    if group in ("image", "audio", "video"):
        return group
    return "pdf" if content_type == "application/pdf" else "file"


def progress(logs: str) -> Progress | None:
    """What a progress bar (as tqdm draws it) said last, if the newest line of the logs is one."""
    tail = logs[-_TAIL:].replace("\r", "\n").rstrip()
    found = _PROGRESS.search(tail.rsplit("\n", 1)[-1])
    if found is None:
        return None
    return Progress(percent=min(int(found[1]), 100), label=f"{found[2]} of {found[3]}{_rate(found[4])}")


def _rate(rest: str) -> str:
    """`, 00:02 left` of tqdm's `[00:01<00:02, 3.1it/s]`."""
    left = re.search(r"<([\d:]+)", rest)
    return f", {left[1]} left" if left else ""


def readable(logs: str) -> str:
    """Logs as a terminal would show them: what follows a carriage return replaces the line."""
    if "\r" not in logs:
        return logs
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in logs.split("\n"))
