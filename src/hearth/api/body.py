"""JSON bodies to request records, with errors that say where and what.

Two dialects: what creates predictions answers 422 with `invalid_fields`, everything else 400 with
`errors` and JSON pointers. Unknown top-level fields are ignored: clients send extra ones.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from hearth.errors import HearthError, InvalidField, InvalidInput, InvalidRequest, Pointer

T = TypeVar("T")

_PYTHON_WORDS = re.compile(rb'"(?:[^"\\]|\\.)*"|\b(?:True|False|None)\b', re.DOTALL)
_JSON_WORDS = {b"True": b"true", b"False": b"false", b"None": b"null"}
_WHERE = re.compile(r"^(.*?)(?: - at `\$?\.?(.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(.*)`$")
_BYTE = re.compile(r"\(byte (\d+)\)")


def decode(decoder: msgspec.json.Decoder[T], data: bytes, *, as_input: bool) -> T:
    """The record. Python's bare True, False and None are read as JSON's if the text fails otherwise.

    Raises InvalidRequest for what is not JSON, and for wrong fields that or, if `as_input`, InvalidInput.
    """
    text = data if data.strip() else b"{}"
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise _wrong_field(str(error), as_input) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        repaired = _PYTHON_WORDS.sub(lambda m: _JSON_WORDS.get(m[0], m[0]), text)
        if repaired == text:
            raise _malformed(error, text) from None
    try:
        return decoder.decode(repaired)
    except msgspec.ValidationError as error:
        raise _wrong_field(str(error), as_input) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(error, repaired) from None


def _malformed(error: Exception, text: bytes) -> HearthError:
    if isinstance(error, UnicodeDecodeError):
        return InvalidRequest("The request body is not valid JSON: it is not UTF-8.")
    if isinstance(error, RecursionError):
        return InvalidRequest("The request body is not valid JSON: it is nested too deeply.")
    message = str(error).removeprefix("JSON is malformed: ")
    found = _BYTE.search(message)
    if found:
        at = int(found[1])
        before = text[:at]
        line = before.count(b"\n") + 1
        column = at - (before.rfind(b"\n") + 1) + 1
        message = f"{message[: found.start()].strip()} at line {line}, column {column} (byte {at})"
    return InvalidRequest(f"The request body is not valid JSON: {message}.")


def _wrong_field(message: str, as_input: bool) -> HearthError:
    match = _WHERE.match(message)
    text, where = (match[1], (match[2] or "").partition("[...]")[0]) if match else (message, "")
    missing = _MISSING.match(text)
    if missing:
        name = f"{where}.{missing[1]}" if where else missing[1]
        kind, detail = "required", f"{missing[1]} is required"
    else:
        name, kind, detail = where, "invalid_type", text[:1].lower() + text[1:].replace("`", "")
    if as_input:
        return InvalidInput((InvalidField(kind, name or "body", detail),))
    return InvalidRequest(errors=(Pointer("/" + _pointer(name), detail),))


def _pointer(name: str) -> str:
    """`source[0].size` as `source/0/size`."""
    return name.replace("[", ".").replace("]", "").replace(".", "/")
