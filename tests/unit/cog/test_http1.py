"""The incremental parsers, fed with every possible division of the bytes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.cog.http1 import EventStream, Response

EVENTS = [(b"start", b'{"id":"a"}'), (b"log", b'{"data":"x\\n"}'), (b"completed", b"{}")]
STREAM = b": keep-alive\n\n" + b"".join(b"event: %b\ndata: %b\n\n" % event for event in EVENTS)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (STREAM[:5], STREAM[5:60], STREAM[60:]))
    + b"0\r\n\r\n"
)
PLAIN = b"HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def feed_events(parts: list[bytes]) -> list[tuple[bytes, bytes]]:
    seen: list[tuple[bytes, bytes]] = []
    stream = EventStream(lambda name, data: seen.append((name, data)))
    for part in parts:
        stream.feed(part)
    return seen


def feed_response(parts: list[bytes]) -> tuple[Response, bytes, list[bool]]:
    body = bytearray()
    response = Response(body.extend)
    return response, body, [response.feed(part) for part in parts]


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_events_survive_a_cut_at_every_byte(cut: int) -> None:
    assert feed_events([STREAM[:cut], STREAM[cut:]]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_events_survive_any_cuts(cuts: list[int]) -> None:
    assert feed_events(pieces(STREAM, cuts)) == EVENTS


def test_each_event_is_reported_as_soon_as_it_is_complete() -> None:
    seen: list[bytes] = []
    stream = EventStream(lambda name, data: seen.append(name))
    stream.feed(b"event: a\ndata: 1\n")
    assert seen == []
    stream.feed(b"\nevent: b\ndata: 2\n\nevent: c")
    assert seen == [b"a", b"b"]


def test_data_of_several_lines_is_joined_and_comments_are_dropped() -> None:
    assert feed_events([b": hello\n\ndata: one\ndata:two\n\n"]) == [(b"message", b"one\ntwo")]


@given(st.lists(st.integers(0, len(CHUNKED)), max_size=30))
def test_chunked_response_survives_any_cuts(cuts: list[int]) -> None:
    response, body, complete = feed_response(pieces(CHUNKED, cuts))
    assert body == STREAM
    assert complete.count(True) == 1
    assert (response.status, response.headers[b"content-type"]) == (200, b"text/event-stream")
    assert response.keep_alive


@pytest.mark.parametrize("cut", range(len(PLAIN) + 1))
def test_response_with_length_survives_a_cut_at_every_byte(cut: int) -> None:
    response, body, complete = feed_response([PLAIN[:cut], PLAIN[cut:]])
    assert (response.status, bytes(body), complete[-1]) == (409, b"full", True)
    assert not response.keep_alive
    assert complete[0] is (cut == len(PLAIN))


def test_a_piece_of_a_chunk_is_passed_on_before_the_chunk_is_whole() -> None:
    head, _, rest = CHUNKED.partition(b"\r\n\r\n")
    body = bytearray()
    response = Response(body.extend)
    response.feed(head + b"\r\n\r\nff\r\nfirst")
    assert body == b"first"
    assert rest


def test_something_else_than_http_is_refused() -> None:
    with pytest.raises(ValueError, match="not an HTTP response"):
        feed_response([b"SSH-2.0-OpenSSH\r\n\r\n"])
