"""A batch: one model over many inputs, and how a table and a template become those inputs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

_VARIABLE = re.compile(r"<([A-Za-z_][A-Za-z0-9_]*)>")


class BatchState(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    """Each of its predictions has ended, however."""
    CANCELED = "canceled"
    FAILED = "failed"
    """It could not go on: its version was deleted, say."""


def table_key(id: str) -> str:
    """Of the blob that holds a batch's inputs."""
    return f"batches/{id}"


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """`source` is the blob that holds its inputs, one JSON object a line."""

    id: str
    account_id: str
    model: str
    """`owner/name`."""
    version: str
    total: int
    source: str
    created_at: float
    origin: str = ""
    """Scheme and host the caller used."""
    state: BatchState = BatchState.RUNNING
    because: str = ""
    """Why it failed."""
    completed_at: float | None = None
    owner: str | None = None
    """The process that feeds it, as long as `owned_until`."""
    owned_until: float | None = None


class Item(NamedTuple):
    """One input's place, counted from 0, and the prediction made of it."""

    position: int
    prediction_id: str


class RowsInvalid(Exception):
    """A table that cannot be read. The message names the line."""


def rows(text: str, format: str) -> list[dict[str, Any]]:
    """The rows of a table: `csv` with a header (between tabs, if that has one: so do spreadsheets copy), `jsonl`, or
    `json` (a list of objects). Raises RowsInvalid."""
    if format == "csv":
        return _csv(text)
    if format == "json":
        return _objects(enumerate(_json(text, "the text"), 1), "item")
    lines = ((n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip())
    return _objects(((n, _json(line, f"line {n}")) for n, line in lines), "line")


def format_of(name: str) -> str:
    """By a file's name: `csv`, `json`, else `jsonl`."""
    ending = name.rpartition(".")[2].lower()
    return {"csv": "csv", "tsv": "csv", "json": "json"}.get(ending, "jsonl")


def guess(text: str) -> str:
    """The format of a text that somebody typed or pasted."""
    start = text.lstrip("\ufeff \t\r\n")[:1]
    return "jsonl" if start == "{" else "json" if start == "[" else "csv"


def variables(template: Any) -> list[str]:
    """The `<variables>` in a template's texts, each once, in order."""
    found: dict[str, None] = {}
    for text in _texts(template):
        found.update(dict.fromkeys(_VARIABLE.findall(text)))
    return list(found)


def inputs(template: Mapping[str, Any], table: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """An input for each row: the template with its `<variables>` filled, and the row's other columns over it.

    Raises RowsInvalid for a row that lacks a variable.
    """
    named = variables(template)
    made = []
    for number, row in enumerate(table, 1):
        missing = [name for name in named if row.get(name) is None]
        if missing:
            raise RowsInvalid(f"row {number} has no {', '.join(missing)}, which the template names")
        filled = _filled(template, row) if named else dict(template)
        made.append({**filled, **{key: value for key, value in row.items() if key not in named}})
    return made


def _csv(text: str) -> list[dict[str, Any]]:
    text = text.removeprefix("\ufeff")
    between = "\t" if "\t" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=between, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not header or not all(header) or len(set(header)) < len(header):
            raise RowsInvalid("line 1: the first line of a CSV names its columns, each once")
        found = []
        for values in reader:
            if not values:
                continue
            if len(values) != len(header):
                raise RowsInvalid(f"line {reader.line_num}: {len(values)} values for {len(header)} columns")
            # An empty cell is no value: the model's default counts.
            found.append({name: value for name, value in zip(header, values, strict=True) if value != ""})
    except csv.Error as error:
        raise RowsInvalid(f"line {reader.line_num}: {error}") from error
    return found


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise RowsInvalid(f"{where}: this is not JSON: {error}") from error


def _objects(items: Iterable[tuple[int, Any]], what: str) -> list[dict[str, Any]]:
    found = []
    for number, item in items:
        if not isinstance(item, dict):
            raise RowsInvalid(f'{what} {number}: an object of inputs is wanted, {{"prompt": "…"}}')
        found.append(item)
    return found


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _filled(value: Any, row: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda m: str(row[m[1]]), value)
    if isinstance(value, Mapping):
        return {key: _filled(inner, row) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, row) for inner in value]
    return value
