"""Streams, read by a parser that follows the specification of server-sent events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from hearth.api import stream
from hearth.api.stream import PIECE, frame, last_number, pieces
from hearth.domain.events import Event, Kind
from hearth.domain.prediction import Phase, Place

ID = "0fqzzq8p2srgm0cjb2zaj681jr"
FILE_ID = "1fqzzq8p2srgm0cjb2zaj681jr"
TOKEN = ID + "0" * 26
TEXT = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}
FILES = {"type": "array", "items": {"type": "string", "format": "uri"}}


class Got(NamedTuple):
    event: str
    id: str
    data: str


def parse(text: str) -> list[Got]:
    found: list[Got] = []
    for block in text.split("\n\n"):
        fields: dict[str, list[str]] = {}
        for line in block.split("\n"):
            if line and not line.startswith(":"):
                name, _, value = line.partition(":")
                fields.setdefault(name, []).append(value[1:] if value.startswith(" ") else value)
        if fields:
            found.append(Got(fields["event"][0], fields["id"][0], "\n".join(fields["data"])))
    return found


def events(*kinds: tuple[Kind, Any]) -> list[Event]:
    return [Event(seq, kind, 1_700_000_001.0 + seq, data) for seq, (kind, data) in enumerate(kinds)]


@pytest.mark.parametrize(
    "data", ["plain", "", " leading", "two\nlines", "\n", "a\n\nb\n", ": colon", "  x\n  y", "ü—\u2028"]
)
def test_every_text_survives_the_round_trip(data: str) -> None:
    raw = frame("output", "1:0", data)
    assert b"\r" not in raw
    assert parse(raw.decode()) == [Got("output", "1:0", data)]


def test_carriage_returns_end_lines() -> None:
    assert parse(frame("logs", "1:0", "a\rb\r\nc").decode())[0].data == "a\nb\nc"


def test_what_a_reader_is_sent_is_made_piece_by_piece() -> None:
    made: list[int] = []

    def parts() -> Iterator[bytes]:
        for number in range(100):
            made.append(number)
            yield bytes([number]) * 10_000

    found = pieces(parts())
    first = next(found)
    assert len(first) < 2 * PIECE
    assert len(made) < 10, "what is not asked for is not made"
    assert b"".join([first, *found]) == b"".join(bytes([number]) * 10_000 for number in range(100))
    assert list(pieces([])) == list(pieces([b"", b""])) == []
    assert list(pieces([b"a", b"b"])) == [b"ab"]


async def test_chunks_then_done(client: Any, world: Any) -> None:
    world.output_schema = TEXT
    world.batches = [
        events((Kind.QUEUED, {}), (Kind.STARTED, {"instance": "i", "attempt": 1}), (Kind.OUTPUT, "Hello")),
        None,
        [
            Event(3, Kind.LOG, 0.0, "log\n"),
            Event(4, Kind.OUTPUT, 0.0, " world\n"),
            Event(5, Kind.OUTPUT, 0.0, {"a": [1]}),
        ],
        [Event(6, Kind.SUCCEEDED, 0.0, {})],
    ]
    response = await client.get(f"/v1/streams/{TOKEN}", headers={"Authorization": ""})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert "content-length" not in response.headers
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.text.startswith(": hi\n\n")
    assert ": waiting\n\n" in response.text
    assert parse(response.text) == [
        Got("output", "1700000000:2", "Hello"),
        Got("output", "1700000000:4", " world\n"),
        Got("output", "1700000000:5", '{"a":[1]}'),
        Got("done", "1700000000:6", "{}"),
    ]


async def test_logs_come_when_asked_for_and_reasons_as_comments(client: Any, world: Any) -> None:
    world.output_schema = TEXT
    world.batches = [
        events(
            (Kind.QUEUED, {}), (Kind.BOOTING, {"because": "nothing\nruns"}), (Kind.LOG, "50%|x\n"), (Kind.SUCCEEDED, {})
        )
    ]
    text = (await client.get(f"/v1/streams/{TOKEN}?logs=true")).text
    assert ": booting nothing runs\n\n" in text
    assert parse(text)[0] == Got("logs", "1700000000:2", "50%|x\n")


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (Kind.FAILED, {"error": "boom"}, [("error", '{"detail":"boom"}'), ("done", '{"reason":"error"}')]),
        (Kind.CANCELED, {"because": "user"}, [("done", '{"reason":"canceled"}')]),
        (Kind.ABORTED, {"because": "deadline"}, [("done", '{"reason":"canceled"}')]),
    ],
)
async def test_every_end_is_followed_by_done(client: Any, world: Any, kind: Kind, data: Any, expected: Any) -> None:
    world.output_schema = TEXT
    world.batches = [events((Kind.QUEUED, {}), (kind, data))]
    got = parse((await client.get(f"/v1/streams/{TOKEN}")).text)
    assert [(e.event, e.data) for e in got] == expected
    assert len({e.id for e in got}) == len(got)


async def test_a_plain_output_is_one_event(client: Any, world: Any, finished: Any) -> None:
    world.batches = [events((Kind.QUEUED, {}), (Kind.SUCCEEDED, {}))]
    got = parse((await client.get(f"/v1/streams/{TOKEN}")).text)
    assert [(e.event, e.data) for e in got] == [("output", "hello"), ("done", "{}")]
    world.prediction_record = msgspec.structs.replace(finished, output={"n": 1})
    assert parse((await client.get(f"/v1/streams/{TOKEN}")).text)[0].data == '{"n":1}'


async def test_files_come_as_urls_one_by_one(client: Any, world: Any, finished: Any) -> None:
    world.output_schema = FILES
    output = [f"hearth-file:{FILE_ID}/out-{n}.png" for n in range(2)]
    world.prediction_record = msgspec.structs.replace(finished, output=output, events=2)
    world.batches = [events((Kind.QUEUED, {}), (Kind.SUCCEEDED, {}))]
    got = parse((await client.get(f"/v1/files/{TOKEN}", headers={"Authorization": ""})).text)
    assert [e.data for e in got] == [
        f"https://hearth.test/v1/files/{FILE_ID}/out-0.png",
        f"https://hearth.test/v1/files/{FILE_ID}/out-1.png",
        "{}",
    ]
    again = await client.get(f"/v1/files/{TOKEN}", headers={"Last-Event-ID": got[0].id})
    assert parse(again.text) == got[1:]


async def test_last_event_id_resumes_and_the_end_is_always_told(client: Any, world: Any) -> None:
    world.output_schema = TEXT
    world.prediction_record = msgspec.structs.replace(world.prediction_record, phase=Phase.SUCCEEDED, events=4)
    world.batches = [events((Kind.QUEUED, {}), (Kind.OUTPUT, "a"), (Kind.OUTPUT, "b"), (Kind.SUCCEEDED, {}))]
    whole = parse((await client.get(f"/v1/streams/{TOKEN}")).text)
    assert [e.event for e in whole] == ["output", "output", "done"]
    for at, event in enumerate(whole):
        text = (await client.get(f"/v1/streams/{TOKEN}", headers={"Last-Event-ID": event.id})).text
        assert parse(text) == (whole[at + 1 :] or whole[-1:])


async def test_an_error_is_told_to_who_saw_more_than_was_kept(client: Any, world: Any) -> None:
    """A server that is killed loses the chunks of its last milliseconds: their numbers are given again."""
    world.output_schema = TEXT
    world.prediction_record = msgspec.structs.replace(world.prediction_record, phase=Phase.FAILED, events=3)
    world.batches = [events((Kind.QUEUED, {}), (Kind.OUTPUT, "a"), (Kind.FAILED, {"error": "killed"}))]
    for number in (2, 3, 7):
        headers = {"Last-Event-ID": f"1700000000:{number}"}
        got = parse((await client.get(f"/v1/streams/{TOKEN}", headers=headers)).text)
        assert [e.event for e in got] == ["error", "done"]


@pytest.mark.parametrize(
    ("header", "number"),
    [(None, -1), ("", -1), ("17:4", 4), ("5", -1), ("17:x", -1), ("17:-3", -1), ("1:" + "9" * 99, -1)],
)
def test_foreign_ids_start_from_the_beginning(header: Any, number: int) -> None:
    assert last_number(header) == number


async def test_unknown_tokens_and_removed_timelines_are_404(client: Any, world: Any) -> None:
    for path in (f"/v1/streams/{ID}{'1' * 26}", f"/v1/files/{ID}{'1' * 26}", "/v1/streams/short"):
        response = await client.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
    world.prediction_record = msgspec.structs.replace(world.prediction_record, data_removed=True)
    assert (await client.get(f"/v1/predictions/{ID}/events?follow=true")).status_code == 404


async def test_a_stream_whose_data_was_removed_is_silent_and_ends(
    client: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "IDLE", 0.0)
    world.prediction_record = msgspec.structs.replace(world.prediction_record, data_removed=True)
    response = await client.get(f"/v1/streams/{TOKEN}")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
    assert response.text.splitlines()[-2:] == [":408: 408 Request Timeout", ""]
    assert parse(response.text) == []


async def test_following_the_timeline(client: Any, world: Any) -> None:
    world.batches = [events((Kind.QUEUED, {}), (Kind.LOG, "x\ny"), (Kind.SUCCEEDED, {})), None]
    listed = (await client.get(f"/v1/predictions/{ID}/events")).json()["results"]
    got = parse((await client.get(f"/v1/predictions/{ID}/events?follow=true")).text)
    assert [e.event for e in got] == ["queued", "log", "succeeded"]
    assert [msgspec.json.decode(e.data) for e in got] == listed
    assert re.fullmatch(r"\d+:\d+", got[0].id)


async def test_a_push_log_ends_with_its_outcome(client: Any, world: Any) -> None:
    world.log_texts = ["installing\n", None, "done\n"]
    got = parse((await client.get("/v1/pushes/b1/log")).text)
    assert [(e.event, e.data) for e in got[:2]] == [("log", "installing\n"), ("log", "done\n")]
    assert got[2].event == "done"
    assert msgspec.json.decode(got[2].data) == {
        "status": "succeeded",
        "version": "5" * 64,
        "error": None,
        "hint": None,
    }


async def test_where_it_waits_is_told_in_comments_and_in_the_timeline(client: Any, world: Any) -> None:
    world.places = [Place(ahead=1, starts_at=None, because=f"{n} in line\nand waits") for n in ("second", "first")]
    world.batches = [[Event(0, Kind.QUEUED, 1_700_000_000.5, {}), Event(1, Kind.SUCCEEDED, 1_700_000_001.0, {})]]
    text = (await client.get(f"/v1/streams/{TOKEN}")).text
    assert ": second in line and waits\n\n: first in line and waits\n\n" in text
    text = (await client.get(f"/v1/predictions/{ID}/events?follow=true")).text
    assert text.count("event: queue\ndata: {") == 2
    assert '"because":"first in line\\nand waits"' in text
    assert "event: queue\nid:" not in text
