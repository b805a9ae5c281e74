"""Posted forms, as browsers send them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hearth.errors import InvalidRequest, TooLarge
from hearth.web import forms

BOUNDARY = b"xYz"
KIND = "multipart/form-data; boundary=xYz"


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    extra = f'; filename="{filename}"\r\nContent-Type: image/png' if filename is not None else ""
    return b'--xYz\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (
        name.encode(),
        extra.encode(),
        value,
    )


async def chunks(body: bytes, size: int = 7) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def test_fields_and_files_in_any_pieces() -> None:
    body = (
        part("a", "é".encode())
        + part("a", b"2")
        + part("f", b"\x89PNG" * 10, "p.png")
        + part("g", b"", "")
        + b"--xYz--\r\n"
    )
    form = await forms.read(KIND, chunks(body), 10_000)
    assert form.fields == {"a": ["é", "2"]}
    (file,) = form.files["f"]
    assert (file.name, file.content_type, file.size) == ("p.png", "image/png", 40)
    assert b"".join([chunk async for chunk in file.chunks()]) == b"\x89PNG" * 10
    assert "g" not in form.files  # nobody chose one
    form.close()


async def test_urlencoded() -> None:
    form = await forms.read("application/x-www-form-urlencoded", chunks(b"a=1%202&a=&b=x%0D%0Ay"), 1000)
    assert form.fields == {"a": ["1 2", ""], "b": ["x\r\ny"]}
    assert form.text("b") == "x\ny"


async def test_limits_and_nonsense() -> None:
    with pytest.raises(TooLarge):
        await forms.read(KIND, chunks(part("a", b"x" * 100) + b"--xYz--\r\n"), 50)
    with pytest.raises(InvalidRequest, match="cut off"):
        await forms.read(KIND, chunks(part("f", b"x", "p.png")), 1000)
    with pytest.raises(InvalidRequest):
        await forms.read("application/json", chunks(b"{}"), 1000)
    with pytest.raises(InvalidRequest, match="could not be read"):
        await forms.read(KIND, chunks(b"nonsense"), 1000)
    with pytest.raises(InvalidRequest):
        await forms.read("application/x-www-form-urlencoded", chunks(b"&".join([b"a=1"] * 3000)), 100_000)
