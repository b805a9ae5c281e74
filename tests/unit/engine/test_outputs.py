from __future__ import annotations

import pytest

from hearth.domain import media
from hearth.engine.outputs import _decode
from hearth.engine.sentences import last_lines, with_lines


@pytest.mark.parametrize(
    ("name", "head", "type"),
    [
        ("a.png", b"", "image/png"),
        ("a.PNG", b"", "image/png"),
        ("a.webp", b"", "image/webp"),
        ("a.txt", b"\x89PNG\r\n\x1a\n", "text/plain"),
        ("a", b"\x89PNG\r\n\x1a\n0000", "image/png"),
        ("a", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a", b"RIFF0000WEBPVP8 ", "image/webp"),
        ("a", b"RIFF0000WAVEfmt ", "audio/wav"),
        ("a", b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        ("a.weights", b"\x00\x01\xfe\xff", "application/octet-stream"),
        ("a.words", b"plain words", "text/plain"),
        ("a", b"", "application/octet-stream"),
    ],
)
def test_content_types(name: str, head: bytes, type: str) -> None:
    assert media.sniff(head, name) == type


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("data:image/png;base64,AAEC", ("image/png", b"\0\1\2")),
        ("data:,a%20b", ("text/plain", b"a b")),
        ("data:text/plain;charset=utf-8,x", ("text/plain", b"x")),
        ("data:no comma", None),
        ("data:image/png;base64,A", None),
    ],
)
def test_data_uris(uri: str, found: tuple[str, bytes] | None) -> None:
    assert _decode(uri) == found


def test_last_lines() -> None:
    assert last_lines("a\nb\nc\n", 2) == "b\nc"
    assert with_lines("It failed.", "") == "It failed."
    assert with_lines("It failed.", "a\n") == "It failed.\nLast log lines:\na"
