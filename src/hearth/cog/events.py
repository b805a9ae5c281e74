"""What a running prediction reports, as coglet's server-sent events carry it (cog-runtime.md 5.2)."""

from __future__ import annotations

import contextlib
from typing import Any, Literal

import msgspec


class Started(msgspec.Struct, frozen=True):
    """The model's run() was dispatched."""


class Log(msgspec.Struct, frozen=True):
    """Text the model printed: a whole line, or what it flushed, verbatim."""

    source: str
    """`stdout` or `stderr`."""
    text: str = msgspec.field(name="data")


class Metric(msgspec.Struct, frozen=True):
    name: str
    value: Any
    mode: Literal["replace", "incr", "increment", "append"] = "replace"
    """coglet says `increment` where the SDK's argument is `incr`; the client hands on `incr`."""


class Output(msgspec.Struct, frozen=True):
    """One item of an iterator. Other results come only in `Completed`."""

    chunk: Any
    index: int


class Completed(msgspec.Struct, frozen=True):
    """The end. `error` is `ExceptionType: message`, without coglet's prefixes and without a traceback."""

    status: Literal["succeeded", "failed", "canceled"]
    output: Any = None
    error: str | None = None
    logs: str = ""
    metrics: dict[str, Any] = {}
    large: bool = False
    """Some event was so large that coglet may have put it into a file, which it forgets."""


Event = Started | Log | Metric | Output | Completed

CHUNK_METRIC = "hearth_chunk"
"""The wrapper sends each item of an async generator as this metric, `{"i": index, "v": item}`, and its result as
`{"hearth_chunk": count}`: coglet sends metrics at once, but keeps the items to the end and then floods the
stream with them. `wrapper.py` has the same words."""

VALUE = "hearth_value"
"""Key around the JSON text of every result that is no iterator: coglet would send a list element by element."""

ITEM = "hearth_item"
"""Key around the JSON text of an iterator's item that is a list or an object."""

ID_CONTEXT = "hearth_id"
"""The prediction's id inside coglet's context: the wrapper names the folder of its output files by it."""


PRINTED_METRIC = "hearth_printed"
"""How many marks a prediction that waited for child processes wrote behind their output (`children.py`)."""

PRINTED_MARK = "hearth-printed:"
"""Before the prediction's id, in a line that coglet passes on like one that a child printed."""


def unwrapped(value: Any) -> Any:
    """A result or an item as the model meant it, whatever the wrapper put around it."""
    if type(value) is dict and len(value) == 1:
        text = value.get(VALUE, value.get(ITEM))
        if isinstance(text, str):
            with contextlib.suppress(msgspec.DecodeError):  # a text that the model itself put there
                return msgspec.json.decode(text)
    return value


_PREFIX = "Prediction failed: "
_PREFIXES = ("Generator iteration error: ", "Async prediction failed: ", "Training failed: ")


def plain_error(text: str) -> str:
    """`ExceptionType: message`, out of coglet's error (cog-runtime.md 5.5)."""
    for _ in range(2):
        text = text.removeprefix(_PREFIX)
    for prefix in _PREFIXES:
        if text.startswith(prefix):
            return text.removeprefix(prefix)
    return text
