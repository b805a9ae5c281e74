from __future__ import annotations

import base64
import re
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from hearth.api.services import Options, Services
from hearth.domain.prediction import Phase, Place, Prediction
from hearth.domain.priority import Priority
from hearth.store.base import Cursor

ID = "0fqzzq8p2srgm0cjb2zaj681jr"
FILE_ID = "1fqzzq8p2srgm0cjb2zaj681jr"
VERSION_ID = "5" * 64
HOST = "https://hearth.test"
BODY = {"version": "ada/hello", "input": {"text": "hi"}}
TEXT = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}
FILE = {"type": "string", "format": "uri"}


async def test_a_create_shows_a_starting_prediction_without_keys_that_have_no_value(client: Any, world: Any) -> None:
    response = await client.post("/v1/predictions", json=BODY)
    assert response.status_code == 201
    assert response.headers["content-type"] == "application/json"
    assert response.headers["location"] == f"{HOST}/v1/predictions/{ID}"
    assert "preference-applied" not in response.headers
    assert response.json() == {
        "id": ID,
        "model": "ada/hello",
        "version": VERSION_ID,
        "input": {"text": "hi"},
        "logs": "",
        "output": None,
        "data_removed": False,
        "error": None,
        "status": "starting",
        "priority": "normal",
        "created_at": "2023-11-14T22:13:20.500000Z",
        "urls": {
            "get": f"{HOST}/v1/predictions/{ID}",
            "cancel": f"{HOST}/v1/predictions/{ID}/cancel",
            "web": f"{HOST}/p/{ID}",
        },
    }
    name, arguments = world.calls[0]
    assert name == "create"
    assert arguments["version"] == "ada/hello"
    assert arguments["model"] is None
    assert arguments["hold"] is None
    assert arguments["origin"] == HOST


async def test_a_create_shows_nothing_of_a_running_prediction(client: Any, world: Any) -> None:
    world.prediction_record = msgspec.structs.replace(
        world.prediction_record, phase=Phase.RUNNING, output=["partial"], logs="x", started_at=1.0
    )
    body = (await client.post("/v1/predictions", json=BODY, headers={"Prefer": "wait=1"})).json()
    assert (body["status"], body["output"], body["logs"]) == ("starting", None, "")
    assert "started_at" not in body


async def test_a_held_create_answers_with_the_finished_prediction(client: Any, finished: Any) -> None:
    response = await client.post("/v1/predictions", json=BODY, headers={"Prefer": "wait=10"})
    body = response.json()
    assert response.status_code == 201
    assert response.headers["preference-applied"] == "wait=10"
    assert (body["status"], body["output"], body["logs"]) == ("succeeded", "hello", "line\n")
    assert body["metrics"] == {"tokens": 3, "predict_time": 2.5, "total_time": 3.0}
    assert body["started_at"] == "2023-11-14T22:13:21Z"


async def test_a_get_shows_null_for_what_is_not_there_yet(client: Any) -> None:
    body = (await client.get(f"/v1/predictions/{ID}")).json()
    assert body["started_at"] is None
    assert body["completed_at"] is None
    assert body["metrics"] == {}
    assert body["source"] == "api"
    assert "deadline" not in body
    assert "webhook" not in body
    assert "deployment" not in body


@pytest.mark.parametrize(
    ("phase", "status"),
    [
        ("queued", "starting"),
        ("assigned", "starting"),
        ("booting", "starting"),
        ("running", "processing"),
        ("succeeded", "succeeded"),
        ("failed", "failed"),
        ("canceled", "canceled"),
        ("aborted", "canceled"),
    ],
)
async def test_every_phase_has_its_status_word(client: Any, world: Any, phase: str, status: str) -> None:
    world.prediction_record = msgspec.structs.replace(world.prediction_record, phase=Phase(phase))
    assert (await client.get(f"/v1/predictions/{ID}")).json()["status"] == status


async def test_times_metrics_and_webhook_are_shown_as_clients_expect(client: Any, world: Any) -> None:
    world.prediction_record = msgspec.structs.replace(
        world.prediction_record,
        phase=Phase.CANCELED,
        metrics={"predict_time": 2, "n": 1},
        started_at=1_700_000_001.0,
        completed_at=1_700_000_002.0,
        deadline=1_700_000_060.0,
        webhook="https://example.com/x",
        webhook_events=("start",),
        error="",
        source="web",
    )
    response = await client.get(f"/v1/predictions/{ID}")
    body = response.json()
    assert '"predict_time":2.0' in response.text
    assert body["metrics"]["total_time"] == 1.5
    assert body["deadline"] == "2023-11-14T22:14:20Z"
    assert (body["webhook"], body["webhook_events_filter"]) == ("https://example.com/x", ["start"])
    assert body["error"] is None
    assert body["source"] == "web"


@pytest.mark.parametrize(
    ("output", "room"),
    [
        (TEXT, "streams"),
        (FILE, "files"),
        ({"type": "array", "items": FILE}, "files"),
        ({"type": "array", "items": FILE, "x-cog-array-type": "iterator"}, "files"),
        ({"allOf": [{"$ref": "#/components/schemas/Output2"}]}, None),
        ({"type": "string"}, None),
        ({"type": "array", "items": {"type": "string"}}, None),
        ({"type": "object", "properties": {"image": FILE}}, None),
    ],
)
async def test_a_stream_is_offered_for_iterators_and_files(client: Any, world: Any, output: Any, room: Any) -> None:
    world.output_schema = output
    urls = (await client.post("/v1/predictions", json=BODY)).json()["urls"]
    assert urls.get("stream") == (f"{HOST}/v1/{room}/{ID}{'0' * 26}" if room else None)
    assert "stream" in urls if room else "stream" not in urls


async def test_file_references_become_urls_anywhere_in_input_and_output(client: Any, world: Any, finished: Any) -> None:
    reference = f"hearth-file:{FILE_ID}/out 0+a.png"
    world.prediction_record = msgspec.structs.replace(
        finished, input={"image": reference}, output={"a": [{"b": reference}], "text": f"see {reference}"}
    )
    body = (await client.get(f"/v1/predictions/{ID}")).json()
    url = f"{HOST}/v1/files/{FILE_ID}/out%200+a.png"
    assert body["input"] == {"image": url}
    assert body["output"] == {"a": [{"b": url}], "text": f"see {reference}"}


async def test_over_http_held_replies_carry_small_files_as_data_uris(client: Any, world: Any, finished: Any) -> None:
    reference = world.file_record.reference
    world.prediction_record = msgspec.structs.replace(finished, output=[reference, {"x": reference}])
    uri = "data:image/png;base64," + base64.b64encode(world.blob).decode()
    response = await client.post("http://hearth.test/v1/predictions", json=BODY, headers={"Prefer": "wait"})
    assert response.json()["output"] == [uri, {"x": uri}]
    url = f"http://hearth.test/v1/files/{FILE_ID}/out-0.png"
    assert (await client.get(f"http://hearth.test/v1/predictions/{ID}")).json()["output"] == [url, {"x": url}]
    assert (await client.post("http://hearth.test/v1/predictions", json=BODY)).json()["output"] == [url, {"x": url}]
    over_https = await client.post("/v1/predictions", json=BODY, headers={"Prefer": "wait"})
    assert over_https.json()["output"][0].startswith("https://")


async def test_files_beyond_the_limit_stay_urls(client: Any, world: Any, finished: Any) -> None:
    world.file_record = msgspec.structs.replace(world.file_record, size=65)
    world.prediction_record = msgspec.structs.replace(finished, output=world.file_record.reference)
    response = await client.post("http://hearth.test/v1/predictions", json=BODY, headers={"Prefer": "wait"})
    assert response.json()["output"] == f"http://hearth.test/v1/files/{FILE_ID}/out-0.png"


async def test_the_model_door_passes_names_and_a_version_on(client: Any, world: Any) -> None:
    await client.post("/v1/models/ada/hello:latest/predictions", json={"input": {}, "version": "abc"})
    assert world.calls[0][1]["model"] == ("ada", "hello:latest")
    assert world.calls[0][1]["version"] == "abc"


async def test_unknown_top_level_fields_and_legacy_ones_are_tolerated(client: Any, world: Any) -> None:
    extra = {"stream": True, "webhook_event_filter": ["x"], "webhook_completed": "https://x.example/", "wait": {}}
    response = await client.post("/v1/predictions", json={**BODY, **extra})
    assert response.status_code == 201
    assert world.calls[0][1]["webhook"] == "https://x.example/"
    assert world.calls[0][1]["webhook_events"] == ["completed"]


async def test_pythons_words_in_json_are_read(client: Any, world: Any) -> None:
    text = '{"version": "x", "input": {"a": True, "b": [False, None], "c": "True \\" None"}}'
    response = await client.post("/v1/predictions", content=text)
    assert response.status_code == 201
    assert world.calls[0][1]["input"] == {"a": True, "b": [False, None], "c": 'True " None'}


@pytest.mark.parametrize(
    ("headers", "hold", "applied"),
    [
        ({"Prefer": "wait"}, 55.0, "wait"),
        ({"Prefer": "wait=7"}, 7.0, "wait=7"),
        ({"Prefer": "wait=99"}, 60.0, "wait=99"),
        ({"Prefer": "wait=0"}, 1.0, "wait=0"),
        ({"Prefer": "respond-async, WAIT = 5"}, 5.0, "wait=5"),
        ({"Prefer": "wait=soon"}, 55.0, "wait"),
        ({"Prefer": "respond-async"}, None, None),
        ({"Prefer": "waiting"}, None, None),
        ({"Prefer": "wait", "X-Stainless-Read-Timeout": "30"}, 27.0, "wait"),
        ({"Prefer": "wait=10", "X-Stainless-Read-Timeout": "NaN"}, 10.0, "wait=10"),
        ({"Prefer": "wait", "X-Stainless-Read-Timeout": "2"}, None, "wait"),
    ],
)
async def test_prefer(client: Any, world: Any, headers: dict[str, str], hold: Any, applied: Any) -> None:
    response = await client.post("/v1/predictions", json=BODY, headers=headers)
    assert world.calls[0][1]["hold"] == hold
    assert response.headers.get("preference-applied") == applied


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("30s", 30), ("5m", 300), ("2h", 7200), ("1h30m45s", 5445), ("1h30", 3630)]
)
async def test_cancel_after(client: Any, world: Any, text: str, seconds: float) -> None:
    await client.post("/v1/predictions", json=BODY, headers={"Cancel-After": text})
    await client.post("/v1/predictions", json={**BODY, "lifetime": text})
    assert [arguments["cancel_after"] for _, arguments in world.calls] == [seconds, seconds]


@pytest.mark.parametrize("text", ["4s", "0", "25h", "soon", "-5", "1.5m", ""])
async def test_a_wrong_cancel_after_is_refused(client: Any, world: Any, text: str) -> None:
    response = await client.post("/v1/predictions", json=BODY, headers={"Cancel-After": text})
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/Cancel-After"
    assert not world.calls


async def test_a_page_has_absolute_links_that_keep_the_filters(client: Any, world: Any) -> None:
    world.older, world.newer = Cursor(5.25, "b"), Cursor(9.5, "z", True)
    when = "2025-01-01T00:00:00+00:00"
    page = (await client.get("/v1/predictions/", params={"created_after": when, "source": "web"})).json()
    assert page["results"][0]["id"] == ID
    for link, cursor in ((page["next"], world.older), (page["previous"], world.newer)):
        assert link.startswith(f"{HOST}/v1/predictions?")
        world.calls.clear()
        await client.get(link)
        arguments = world.calls[0][1]
        assert arguments["cursor"] == cursor
        assert (arguments["created_after"], arguments["source"]) == (1735689600.0, "web")


async def test_the_last_page_has_no_links(client: Any) -> None:
    page = (await client.get("/v1/predictions")).json()
    assert (page["next"], page["previous"]) == (None, None)


def _cursor(text: str) -> str:
    return "cursor=" + base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "query",
    [
        "cursor=%21%21",
        "cursor=YWJj",
        "cursor=eCB5IHo",
        *map(_cursor, ("nan a f", "inf a r", "1e999 a f", "5.25 b z", "5.25 b", "5.25 b f f")),
        "created_after=yesterday",
        "source=mail",
    ],
)
async def test_wrong_filters_are_named(client: Any, query: str) -> None:
    response = await client.get(f"/v1/predictions?{query}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/" + query.split("=")[0]


async def test_an_unescaped_plus_in_a_time_is_understood(client: Any, world: Any) -> None:
    await client.get("/v1/predictions?created_before=2025-01-01T00:00:00+00:00")
    assert world.calls[0][1]["created_before"] == 1735689600.0


async def test_cancel_takes_an_empty_body_with_a_json_type(client: Any, world: Any) -> None:
    response = await client.post(f"/v1/predictions/{ID}/cancel", headers={"Content-Type": "application/json"})
    assert response.status_code == 200
    assert world.calls == [("cancel", {"id": ID})]
    again = await client.request("GET", f"/v1/predictions/{ID}", headers={"Content-Type": "application/json"})
    assert again.status_code == 200


async def test_timeline_and_webhooks(client: Any, world: Any) -> None:
    body = (await client.get(f"/v1/predictions/{ID}/webhooks")).json()
    assert body["results"][0]["attempts"][0]["status"] == 500
    assert body["results"][0]["due_at"] == "1970-01-01T00:00:02Z"


def test_a_webhook_has_the_same_body_as_a_get(world: Any, wire: Any, finished: Prediction) -> None:
    record = msgspec.structs.replace(finished, origin="https://other.test", output=f"hearth-file:{FILE_ID}/a.png")
    body = msgspec.json.decode(wire.render(record))
    assert body["status"] == "succeeded"
    assert body["output"] == f"https://other.test/v1/files/{FILE_ID}/a.png"
    assert body["urls"]["get"] == f"https://other.test/v1/predictions/{ID}"


async def test_a_webhook_offers_the_stream_of_a_known_version(world: Any, wire: Any, finished: Prediction) -> None:
    world.output_schema = TEXT
    wire.shapes.learn(await world.version(VERSION_ID))
    assert re.search(r"/v1/streams/[0-9a-z]{52}$", msgspec.json.decode(wire.render(finished))["urls"]["stream"])


@pytest.mark.parametrize(
    ("options", "headers", "origin"),
    [
        (Options(), {"Host": "box:8700"}, "http://box:8700"),
        (Options(), {"Host": "box", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "pub"}, "http://box"),
        (
            Options(trust_proxy=True),
            {"Host": "box", "X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "pub, y"},
            "https://pub",
        ),
        (Options(public_url="https://pub.test/replicate"), {"Host": "box"}, "https://pub.test/replicate"),
        (Options(), {"Host": 'evil"><script>'}, "http://hearth.test"),
    ],
)
async def test_urls_start_with_what_the_caller_used(
    services: Services, options: Options, headers: dict[str, str], origin: str
) -> None:
    from hearth.api.app import create_app

    transport = httpx.ASGITransport(app=create_app(services, options=options))
    async with httpx.AsyncClient(transport=transport, base_url="http://hearth.test") as client:
        headers = {"Authorization": "Token r8_x", **headers}
        body = (await client.get(f"/v1/predictions/{ID}", headers=headers)).json()
    assert body["urls"]["get"] == f"{origin}/v1/predictions/{ID}"


async def test_progress_bars_are_shown_as_lines(client: Any, world: Any) -> None:
    logs = "\r 0%|    | 0/4\r25%|#   | 1/4\r\ndone\n"
    world.prediction_record = msgspec.structs.replace(world.prediction_record, logs=logs)
    body = (await client.get(f"/v1/predictions/{ID}")).json()
    assert body["logs"] == "\n 0%|    | 0/4\n25%|#   | 1/4\ndone\n"


@pytest.mark.parametrize(
    ("body", "headers", "priority", "streamed"),
    [
        ({}, {}, None, False),
        ({"priority": "batch"}, {}, Priority.BATCH, False),
        ({"priority": "batch"}, {"Priority-Class": "Normal"}, Priority.NORMAL, False),
        ({"stream": True}, {}, None, True),
        ({"stream": "yes", "urgency": 3}, {"Priority": "u=1, i"}, None, False),
    ],
)
async def test_how_urgent_it_is_comes_in_body_or_header(
    client: Any, world: Any, body: dict[str, Any], headers: dict[str, str], priority: Priority | None, streamed: bool
) -> None:
    await client.post(
        "/v1/predictions", json={"version": "ada/hello", "input": {"text": "hi"}, **body}, headers=headers
    )
    _, arguments = world.calls[0]
    assert (arguments["priority"], arguments["streamed"]) == (priority, streamed)


@pytest.mark.parametrize(("body", "headers"), [({"priority": "urgent"}, {}), ({}, {"Priority-Class": "9"})])
async def test_a_priority_that_there_is_not_is_refused(
    client: Any, body: dict[str, Any], headers: dict[str, str]
) -> None:
    sent = {"version": "ada/hello", "input": {}, **body}
    answer = await client.post("/v1/predictions", json=sent, headers=headers)
    assert answer.status_code in (400, 422)
    assert "priority" in answer.text.lower()


async def test_where_it_waits_is_shown(client: Any, world: Any) -> None:
    place = Place(ahead=1, starts_at=1_700_000_040.0, because="second in line; its instance is busy")
    world.prediction_record = replace(world.prediction_record, reason=place.because, place=place)
    shown = (await client.get(f"/v1/predictions/{ID}")).json()
    assert shown["reason"] == place.because
    assert shown["queue"] == {
        "position": 2,
        "ahead": 1,
        "expected_start": "2023-11-14T22:14:00Z",
        "because": place.because,
    }
