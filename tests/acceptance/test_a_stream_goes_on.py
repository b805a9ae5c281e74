"""A stream is replayed for late readers, resumed by Last-Event-ID, kept alive, and outlives the server."""

from __future__ import annotations

import itertools
from typing import Any


def parts(events: Any) -> list[str]:
    return [event.data for event in events if event.name == "output"]


def test_late_readers_get_all_of_it(api: Any, models: Any) -> None:
    prediction = api.run(models("output-concatenate").name, {"text": "a b c"})
    stream = prediction["urls"]["stream"]
    first, second = list(api.events(stream)), list(api.events(stream))
    assert first == second
    assert parts(first) == ["a", " b", " c"]
    assert (first[-1].name, first[-1].data) == ("done", "{}")
    numbers = [int(event.id.rpartition(":")[2]) for event in first]
    assert numbers == sorted(set(numbers))


def test_readers_go_on_where_they_were(api: Any, models: Any) -> None:
    prediction = api.run(models("output-concatenate").name, {"text": "a b c"})
    stream = prediction["urls"]["stream"]
    whole = list(api.events(stream))
    for n, event in enumerate(whole[:-1]):
        rest = list(api.events(stream, {"Last-Event-ID": event.id}))
        assert rest == whole[n + 1 :]
    assert list(api.events(stream, {"Last-Event-ID": "nonsense"})) == whole
    again = list(api.events(stream, {"Last-Event-ID": whole[-1].id}))
    assert [event.name for event in again] == ["done"]


def test_readers_join_while_it_runs(api: Any, models: Any) -> None:
    created = api.create(models("stream-paced").name, {"count": 60, "delay": 0.02})
    early = api.events(created["urls"]["stream"])
    begun = list(itertools.islice(early, 20))
    late = list(api.events(created["urls"]["stream"], {"Last-Event-ID": begun[9].id}))
    assert begun[10:] + list(early) == late
    assert len(parts(late)) == 50


def test_a_connection_that_waits_is_kept_alive(api: Any, models: Any) -> None:
    created = api.create(models("sleeper").name, {"seconds": 600})
    api.until(created["id"], "started")
    waiting = api.create(models("sleeper").name)
    with api.http.stream("GET", f"predictions/{waiting['id']}/events?follow=true", timeout=60) as response:
        lines = response.iter_lines()
        comments = [line for line in itertools.islice(lines, 1) if line.startswith(":")]
        for line in lines:
            if line.startswith(":"):
                comments.append(line)
                break
    assert len(comments) == 2
    api.cancel(waiting["id"])
    api.cancel(created["id"])


def test_a_stream_has_the_headers_it_needs(api: Any, models: Any) -> None:
    stream = api.run(models("output-concatenate").name)["urls"]["stream"]
    with api.http.stream("GET", stream, headers={"Authorization": "Bearer nonsense"}) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
        assert response.headers["cache-control"] == "no-store"
        assert "content-length" not in response.headers
        body = response.read()
    assert b"\r" not in body
    assert body.startswith(b": ")
    forged = stream[:-1] + ("a" if stream[-1] != "a" else "b")
    assert api.http.get(forged).status_code == 404
    text, files = api.create(models("output-iterator-str").name), api.create(models("output-iterator-path").name)
    assert "/v1/streams/" in text["urls"]["stream"]
    assert "/v1/files/" in files["urls"]["stream"]
    assert "stream" not in api.create(models("noop").name)["urls"]


def test_a_stream_resumes_after_a_restart(fresh: Any) -> None:
    server, api, models = fresh()
    ended = api.run(models("output-concatenate").name, {"text": "a b c"})
    whole = list(api.events(ended["urls"]["stream"]))
    broken = api.create(models("stream-paced").name, {"count": 1000, "delay": 0.02})
    seen = list(itertools.islice(api.events(broken["urls"]["stream"]), 10))
    server.kill()
    server.start()
    assert list(api.events(ended["urls"]["stream"])) == whole
    assert list(api.events(ended["urls"]["stream"], {"Last-Event-ID": whole[0].id})) == whole[1:]

    everything = list(api.events(broken["urls"]["stream"]))
    kept = everything[:-2]
    assert kept  # what was delivered in the last milliseconds is not
    assert kept == seen[: len(kept)] or seen == kept[: len(seen)]
    assert [event.name for event in everything[-2:]] == ["error", "done"]
    for n, event in enumerate(kept):
        assert list(api.events(broken["urls"]["stream"], {"Last-Event-ID": event.id})) == everything[n + 1 :]
    rest = list(api.events(broken["urls"]["stream"], {"Last-Event-ID": seen[-1].id}))
    assert [(event.name, event.data) for event in rest[-2:]] == [(event.name, event.data) for event in everything[-2:]]
    prediction = api.get(broken["id"])
    assert prediction["status"] == "failed"
    assert "stopped" in prediction["error"]
    assert prediction["output"] == parts(everything)
