from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.errors import FetchFailed, TooLarge
from hearth.net import data_uri


def decoded(uri: str, limit: int = 1 << 30) -> bytes:
    return b"".join(data_uri.parse(uri).chunks(limit))


@given(st.binary(max_size=200))
def test_base64_round_trips(data: bytes) -> None:
    for text in (
        base64.b64encode(data).decode(),
        base64.b64encode(data).decode().rstrip("="),
        base64.urlsafe_b64encode(data).decode(),
        base64.encodebytes(data).decode(),
        quote(base64.b64encode(data).decode(), safe=""),
    ):
        assert decoded(f"data:application/octet-stream;base64,{text}") == data


@given(st.binary(max_size=200), st.integers(3, 8))
def test_percent_form_round_trips_in_any_steps(data: bytes, step: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_uri, "_STEP", step)
        assert decoded("data:," + quote(data)) == data


def test_large_payloads_come_in_pieces() -> None:
    data = bytes(range(256)) * 16_000
    parsed = data_uri.parse("data:image/png;base64," + base64.b64encode(data).decode())
    chunks = list(parsed.chunks(len(data)))
    assert b"".join(chunks) == data
    assert len(chunks) > 4
    percent = quote(data)
    assert b"".join(data_uri.parse("data:," + percent).chunks(len(data))) == data


@pytest.mark.parametrize(
    ("head", "content_type", "name"),
    [
        ("", "text/plain", None),
        (";base64", "text/plain", None),
        (";charset=utf-8", "text/plain", None),
        ("Image/PNG;base64", "image/png", None),
        ("image/svg+xml;charset=utf-8", "image/svg+xml", None),
        ("image/png;name=my%20cat.png;base64", "image/png", "my cat.png"),
        ("application/vnd.ms-excel.sheet; base64", "application/vnd.ms-excel.sheet", None),
    ],
)
def test_what_stands_before_the_comma(head: str, content_type: str, name: str | None) -> None:
    parsed = data_uri.parse(f"data:{head},eHl6")
    assert (parsed.content_type, parsed.name) == (content_type, name)
    assert b"".join(parsed.chunks(10)) == (b"xyz" if head.endswith("base64") else b"eHl6")


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("data:image/png;base64", "no comma"),
        ("data:image png;base64,eHl6", "no proper content type"),
        ("data:image/png;base64,eHl6e", "cut off"),
        ("data:image/png;base64,eH*6", "not valid base64"),
        ("data:image/png;base64,ééé", "not valid base64"),
        ("data:image/png;base64,eA==eA==", "not valid base64"),
    ],
)
def test_bad_uris_say_what_is_wrong(uri: str, sentence: str) -> None:
    with pytest.raises(FetchFailed, match=sentence):
        decoded(uri)


def test_the_limit_counts_decoded_bytes() -> None:
    assert decoded("data:,%41%42", limit=2) == b"AB"
    with pytest.raises(TooLarge, match="limit of 1 bytes"):
        decoded("data:,%41%42", limit=1)
