"""A download's way into a folder: written under a temporary name, renamed when it is whole."""

from __future__ import annotations

import os
import secrets
from io import FileIO
from pathlib import Path
from types import TracebackType

from hearth.domain import media
from hearth.domain.file import safe_name
from hearth.errors import TooLarge
from hearth.net.base import Fetched


class Landing:
    """A context manager; every method blocks. What was not finished is removed at its end."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._part = folder / f".{secrets.token_hex(8)}.part"
        self._file: FileIO | None = None
        self._head = b""
        self._size = 0

    def open(self) -> None:
        self._file = FileIO(self._part, "x")

    def __enter__(self) -> Landing:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def write(self, data: bytes) -> None:
        """Raises TooLarge beyond the limit."""
        self._size += len(data)
        if self._size > self._limit:
            raise TooLarge(f"This file is larger than the limit of {self._limit} bytes.")
        if len(self._head) < media.HEAD:
            self._head += data[: media.HEAD - len(self._head)]
        assert self._file is not None
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def finish(self, name: str, content_type: str | None) -> Fetched:
        """Give the file its name: made safe, with the extension of its type where it has none, and a number
        where the folder holds that name already."""
        assert self._file is not None
        self._file.close()
        if content_type in (None, "", media.DEFAULT, "binary/octet-stream"):
            content_type = media.sniff(self._head, name)
        assert content_type
        name = safe_name(name)
        if not media.extension_of(name):
            name = safe_name(name + media.extension_for(content_type))
        target = self._reserve(name)
        os.replace(self._part, target)
        return Fetched(path=target, name=target.name, content_type=content_type, size=self._size)

    def discard(self) -> None:
        if self._file is not None:
            self._file.close()
        self._part.unlink(missing_ok=True)

    def _reserve(self, name: str) -> Path:
        extension = media.extension_of(name)
        stem = name[: len(name) - len(extension)]
        number = 0
        while True:
            target = self._folder / (f"{stem}-{number}{name[len(stem) :]}" if number else name)
            try:
                FileIO(target, "x").close()
            except FileExistsError:
                number += 1
            else:
                return target
