"""`data:` URIs: RFC 2397, as browsers and the official clients write it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes

from hearth.errors import FetchFailed, TooLarge

_STEP = 1024 * 1024
"""Characters decoded at once; a multiple of 4."""
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
_SPACE = re.compile(r"\s+")


class DataURI(NamedTuple):
    content_type: str
    """With no parameters; `text/plain` where the URI names none."""
    name: str | None
    """The `name` parameter, which some programs add. Not yet safe."""
    base64: bool
    payload: str

    def chunks(self, limit: int) -> Iterator[bytes]:
        """The decoded bytes. Raises FetchFailed where they cannot be decoded, TooLarge beyond `limit`."""
        total = 0
        for chunk in self._base64() if self.base64 else self._percent():
            total += len(chunk)
            if total > limit:
                raise TooLarge(f"This data URI holds more than the limit of {limit} bytes.")
            yield chunk

    def _base64(self) -> Iterator[bytes]:
        text = unquote(self.payload) if "%" in self.payload else self.payload
        # url-safe letters, line breaks and missing padding are common, and have only one meaning
        text = _SPACE.sub("", text).translate(_STANDARD).rstrip("=")
        if len(text) % 4 == 1:
            raise FetchFailed("The data URI is not valid base64: it is cut off.")
        text += "=" * (-len(text) % 4)
        for at in range(0, len(text), _STEP):
            try:
                yield base64.b64decode(text[at : at + _STEP], validate=True)
            except (binascii.Error, ValueError) as error:
                raise FetchFailed(f"The data URI is not valid base64: {error}.") from error

    def _percent(self) -> Iterator[bytes]:
        text, at = self.payload, 0
        while at < len(text):
            end = min(at + _STEP, len(text))
            cut = text.rfind("%", end - 2, end)  # an escape must not be torn apart
            if end < len(text) and cut > at:
                end = cut
            yield unquote_to_bytes(text[at:end])
            at = end


_STANDARD = str.maketrans("-_", "+/")


def parse(uri: str) -> DataURI:
    """Raises FetchFailed with a sentence that says what is wrong."""
    head, comma, payload = uri.partition(",")
    if not comma:
        raise FetchFailed("The data URI has no comma: expected data:<type>;base64,<data>.")
    first, *parameters = [part.strip() for part in head.partition(":")[2].split(";")]
    if first and not _TYPE.fullmatch(first):
        raise FetchFailed(f"The data URI has no proper content type: {first[:60]!r}.")
    named = dict(part.split("=", 1) for part in parameters if "=" in part)
    return DataURI(
        content_type=first.lower() or "text/plain",
        name=unquote(named["name"]) if named.get("name") else None,
        base64=bool(parameters) and parameters[-1].lower() == "base64",
        payload=payload,
    )
