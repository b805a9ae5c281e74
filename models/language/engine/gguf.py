"""Reads GGUF files: the format of llama.cpp, weights with tokenizer and settings in one file.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LENGTH = struct.Struct("<Q")
F32, F16, Q8_0, BF16 = 0, 1, 8, 30
_BLOCK = [("scale", "<f2"), ("values", "i1", 32)]


class Tensor(NamedTuple):
    shape: tuple[int, ...]
    kind: int
    offset: int


class File:
    """`settings` by key and the tensors, which are read when they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._at = 0
        if self._bytes[:4] != b"GGUF":
            raise ModelError(f"{path.name} is not a GGUF file")
        self._at = 4
        version = self._number("I")
        if version not in (2, 3):
            raise ModelError(f"{path.name} is of GGUF version {version}; 2 and 3 can be read")
        tensors, settings = self._number("Q"), self._number("Q")
        self.settings: dict[str, Any] = {}
        for _ in range(settings):
            key = self._text()
            self.settings[key] = self._value(self._number("I"))
        self.tensors: dict[str, Tensor] = {}
        for _ in range(tensors):
            name, dimensions = self._text(), self._number("I")
            shape = tuple(self._number("Q") for _ in range(dimensions))[::-1]
            self.tensors[name] = Tensor(shape, self._number("I"), self._number("Q"))
        align = int(self.settings.get("general.alignment", 32))
        self._data = (self._at + align - 1) // align * align

    def read(self, name: str) -> NDArray[np.float32]:
        """A tensor in 32-bit floats. KeyError if there is none of that name."""
        import numpy as np  # settings are read without

        tensor = self.tensors[name]
        count, start = int(np.prod(tensor.shape)), self._data + tensor.offset
        if tensor.kind == F32:
            values = np.frombuffer(self._bytes, "<f4", count, start)
        elif tensor.kind == F16:
            values = np.frombuffer(self._bytes, "<f2", count, start)
        elif tensor.kind == BF16:
            values = (np.frombuffer(self._bytes, "<u2", count, start).astype("<u4") << 16).view("<f4")
        elif tensor.kind == Q8_0:
            blocks = np.frombuffer(self._bytes, np.dtype(_BLOCK), count // 32, start)
            values = blocks["values"].astype(np.float32) * blocks["scale"].astype(np.float32)[:, None]
        else:
            raise ModelError(
                f"{self.path.name} holds {name} in a format (GGML type {tensor.kind}) that the numpy backend can't "
                "read: it reads F32, F16, BF16 and Q8_0. xllamacpp, among the model's requirements, reads all."
            )
        return np.ascontiguousarray(values, dtype=np.float32).reshape(tensor.shape)

    def _number(self, code: str) -> Any:
        found = struct.unpack_from("<" + code, self._bytes, self._at)[0]
        self._at += struct.calcsize("<" + code)
        return found

    def _text(self) -> str:
        length = self._number("Q")
        self._at += length
        return self._bytes[self._at - length : self._at].decode("utf-8", "replace")

    def _texts(self, count: int) -> list[str]:
        """Tokenizers have a hundred thousand."""
        data, at, length, found = self._bytes, self._at, _LENGTH.unpack_from, []
        for _ in range(count):
            begin = at + _LENGTH.size
            at = begin + length(data, at)[0]
            found.append(data[begin:at].decode("utf-8", "replace"))
        self._at = at
        return found

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            kind, count = self._number("I"), self._number("Q")
            if kind in _SCALARS:
                form = f"<{count}{_SCALARS[kind]}"
                found = struct.unpack_from(form, self._bytes, self._at)
                self._at += struct.calcsize(form)
                return list(found)
            if kind == _STRING:
                return self._texts(count)
            return [self._value(kind) for _ in range(count)]
        if kind not in _SCALARS:
            raise ModelError(f"{self.path.name} is damaged: a setting of unknown type {kind}")
        return self._number(_SCALARS[kind])
