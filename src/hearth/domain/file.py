"""Bytes with a name: uploads, outputs, and inputs too large for a row.

Inside Hearth a stored file is a reference string, `hearth-file:{id}/{name}`, wherever a value names a
file: in inputs, outputs and events. `api/wire.py` turns references into URLs under the address that
the caller used; the engine turns them into local paths.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import msgspec

PREFIX = "hearth-file:"
_REFERENCE = re.compile(r"^hearth-file:([0-9a-z]{26})/([^/]+)\Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+@=,()\- ]+")


def file_key(id: str) -> str:
    """Of the blob that holds a file's bytes."""
    return f"files/{id[-2:]}/{id}"


class FileKind(StrEnum):
    UPLOAD = "upload"
    """POST /v1/files. Expires after 24 hours."""
    INPUT = "input"
    """A data URI too large for a row."""
    OUTPUT = "output"
    """Made by a model."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    """26 unguessable characters; also the blob's key. For outputs it is the whole secret of the URL."""
    account_id: str
    kind: FileKind
    name: str
    content_type: str
    size: int
    sha256: str
    md5: str
    created_at: float
    expires_at: float | None = None
    prediction_id: str | None = None
    metadata: dict[str, Any] = {}

    @property
    def key(self) -> str:
        return file_key(self.id)

    @property
    def reference(self) -> str:
        return f"{PREFIX}{self.id}/{self.name}"


def parse_reference(value: str) -> tuple[str, str] | None:
    """(id, name) of a reference, or None for any other string."""
    match = _REFERENCE.match(value)
    return (match[1], match[2]) if match else None


def safe_name(name: str, default: str = "file") -> str:
    """A name that is one harmless path segment of at most 120 characters, its extension kept."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    base = _UNSAFE.sub("_", base).strip(" .") or default
    if len(base) > 120:
        stem, dot, extension = base.rpartition(".")
        base = f"{stem[: 110 - len(extension)]}.{extension}" if dot and len(extension) < 20 else base[:120]
    return base
