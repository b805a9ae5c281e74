"""The whole way from a socket to the store and back."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError

from hearth.domain.events import Kind
from hearth.domain.prediction import Step
from hearth.errors import Unavailable

API_TOKEN = "r8_" + "t" * 37
TEXT = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}
STRING = {"type": "string"}
FILE = {"type": "string", "format": "uri"}


@pytest.fixture
async def official(live: Any) -> AsyncIterator[Client]:
    client = Client(api_token=API_TOKEN, base_url=live.url, trust_env=False)
    yield client
    await client._async_client.aclose()


async def test_the_official_client_runs_a_model_by_every_name(
    live: Any, engine: Any, ada: Any, official: Client
) -> None:
    version = await live.model(ada, "hello", STRING)
    for name in ("ada/hello", f"ada/hello:{version.id}", "ada/hello:latest"):
        assert await official.async_run(name, {"text": "you"}) == "hello you"
    prediction = await official.predictions.async_create(version=version.id, input={"text": "x"})
    assert prediction.status == "starting"
    await prediction.async_wait()
    assert (prediction.status, prediction.output) == ("succeeded", "hello x")
    listed = await official.predictions.async_list()
    assert listed.results[0].id == prediction.id
    assert len(listed.results) == 4
    assert (await official.models.async_get("ada/hello")).latest_version.id == version.id  # type: ignore[union-attr]
    assert (await official.accounts.async_current()).username == "ada"


async def test_the_official_client_follows_pages(live: Any, engine: Any, ada: Any, official: Client) -> None:
    await live.model(ada, "hello", STRING)
    made = [
        (await live.predictions.create(ada, version="ada/hello", input={"text": "a"}, origin=live.url)).id
        for _ in range(101)
    ]
    first = await official.predictions.async_list()
    assert len(first.results) == 100
    assert first.next is not None
    second = await official.predictions.async_list(first.next)
    assert [p.id for p in [*first.results, *second.results]] == made[::-1]
    assert second.next is None
    assert second.previous is not None
    back = await official.predictions.async_list(second.previous)
    assert [p.id for p in back.results] == [p.id for p in first.results]


async def test_a_failing_model_raises_in_the_official_client(
    live: Any, engine: Any, ada: Any, official: Client
) -> None:
    async def fail(run: Any) -> None:
        await run.end(Step.FAIL, error="no luck", logs="trace\n")

    engine.script = fail
    await live.model(ada, "hello", STRING)
    with pytest.raises(ModelError, match="no luck") as raised:
        await official.async_run("ada/hello", {"text": "x"})
    assert raised.value.prediction.logs == "trace\n"
    with pytest.raises(ReplicateError) as wrong:
        await official.async_run("ada/nothing", {"text": "x"})
    assert wrong.value.status == 404
    with pytest.raises(ReplicateError) as invalid:
        await official.async_run("ada/hello", {"text": {"no": "string"}})
    assert invalid.value.status == 422


async def test_a_hold_that_runs_out_answers_starting_and_the_work_goes_on(
    live: Any, engine: Any, ada: Any, client: httpx.AsyncClient
) -> None:
    release = asyncio.Event()

    async def slow(run: Any) -> None:
        run.emit("partial")
        await release.wait()
        await run.end(output=["partial", "whole"])

    engine.script = slow
    await live.model(ada, "hello", TEXT)
    body = {"input": {"text": "x"}}
    held = await client.post("/v1/models/ada/hello/predictions", json=body, headers={"Prefer": "wait=1"})
    assert held.status_code == 201
    assert (held.json()["status"], held.json()["output"]) == ("starting", None)
    url = held.json()["urls"]["get"]
    assert (await client.get(url)).json()["output"] == ["partial"]
    release.set()
    await asyncio.gather(*engine.tasks)
    assert (await client.get(url)).json()["output"] == ["partial", "whole"]


async def test_hanging_up_during_a_hold_cancels_nothing(
    live: Any, engine: Any, ada: Any, client: httpx.AsyncClient
) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def slow(run: Any) -> None:
        started.set()
        await release.wait()
        await run.end(output="late")

    engine.script = slow
    await live.model(ada, "hello", STRING)
    body = {"version": "ada/hello", "input": {"text": "x"}}
    request = asyncio.create_task(client.post("/v1/predictions", json=body, headers={"Prefer": "wait"}))
    await started.wait()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    release.set()
    await asyncio.gather(*engine.tasks)
    page = (await client.get("/v1/predictions")).json()
    assert [(p["status"], p["output"]) for p in page["results"]] == [("succeeded", "late")]


async def test_chunks_arrive_while_the_model_runs(live: Any, engine: Any, ada: Any, client: httpx.AsyncClient) -> None:
    steps = [asyncio.Event() for _ in range(3)]

    async def talk(run: Any) -> None:
        for step, word in zip(steps, ["One", " two\n", ""], strict=True):
            await step.wait()
            run.emit(word)
        await run.end(output=["One", " two\n", ""])

    engine.script = talk
    await live.model(ada, "hello", TEXT)
    body = {"version": "ada/hello", "input": {"text": "x"}}
    prediction = (await client.post("/v1/predictions", json=body)).json()
    url = prediction["urls"]["stream"]
    assert "/v1/streams/" in url
    async with httpx.AsyncClient(trust_env=False) as anonymous, anonymous.stream("GET", url) as response:
        chunks = response.aiter_bytes()
        assert await anext(chunks) == b": hi\n\n"
        for step, expected in zip(steps, [b"data: One\n\n", b"data:  two\ndata: \n\n", b"data: \n\n"], strict=True):
            step.set()
            got = await anext(chunks)
            while got == b": waiting\n\n":
                got = await anext(chunks)
            assert expected in got
        rest = got + b"".join([chunk async for chunk in chunks])
        assert rest.endswith(
            b"event: done\nid: %d:4\ndata: {}\n\n" % int(engine.runs[prediction["id"]].prediction.created_at)
        )
    replay = (await client.get(url)).text
    assert replay.count("event: output\n") == 3
    assert replay.count("event: done\n") == 1


async def test_the_official_client_streams(live: Any, engine: Any, ada: Any, official: Client) -> None:
    async def talk(run: Any) -> None:
        run.emit("Hello")
        run.emit("progress\n", kind=Kind.LOG)
        run.emit(" big\n", " world")
        await run.end(output=["Hello", " big\n", " world"])

    engine.script = talk
    await live.model(ada, "hello", TEXT)
    events = [e async for e in await official.async_stream("ada/hello", input={"text": "x"})]
    assert "".join(str(e) for e in events) == "Hello big\n world"
    assert events[-1].event.value == "done"


async def test_a_reader_who_leaves_is_forgotten_at_once(
    live: Any, engine: Any, ada: Any, client: httpx.AsyncClient
) -> None:
    async def wait(run: Any) -> None:
        await run.canceled.wait()
        await run.end(Step.CANCEL)

    engine.script = wait
    await live.model(ada, "hello", TEXT)
    body = {"version": "ada/hello", "input": {"text": "x"}}
    prediction = (await client.post("/v1/predictions", json=body)).json()
    async with client.stream("GET", prediction["urls"]["stream"]) as response:
        await anext(response.aiter_bytes())
        assert await live.bus.heard.get() == prediction["id"]
    assert await asyncio.wait_for(live.bus.left.get(), 60) == prediction["id"]
    canceled = (await client.post(f"/v1/predictions/{prediction['id']}/cancel")).json()
    assert canceled["status"] == "canceled"
    assert canceled["completed_at"] is not None
    assert set(canceled["metrics"]) == {"predict_time", "total_time"}
    again = await client.post(f"/v1/predictions/{prediction['id']}/cancel")
    assert again.json() == canceled


async def test_streams_end_cleanly_when_the_server_hangs_up(
    live: Any, engine: Any, ada: Any, client: httpx.AsyncClient
) -> None:
    async def wait(run: Any) -> None:
        run.emit("so far")
        await run.canceled.wait()

    engine.script = wait
    await live.model(ada, "hello", TEXT)
    body = {"version": "ada/hello", "input": {"text": "x"}}
    prediction = (await client.post("/v1/predictions", json=body)).json()
    async with client.stream("GET", prediction["urls"]["stream"]) as response:
        chunks = response.aiter_bytes()
        await anext(chunks)
        await live.bus.heard.get()
        live.app.hang_up()
        rest = b"".join([chunk async for chunk in chunks])
    assert b"event: done" not in rest
    assert (await client.get("/v1/account")).status_code == 200


async def test_files_go_in_and_out(live: Any, engine: Any, ada: Any, client: httpx.AsyncClient) -> None:
    data = bytes(range(256)) * 2000
    made = (await client.post("/v1/files", files={"content": ("a.bin", data, "application/x-thing")})).json()
    assert made["size"] == len(data)
    assert made["checksums"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert (await client.get(made["urls"]["get"])).json() == made
    url = made["urls"]["download"]
    async with httpx.AsyncClient(trust_env=False) as anonymous:
        got = await anonymous.get(url)
        assert got.content == data
        part = await anonymous.get(url, headers={"Range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, data[1000:2000])
        head = await anonymous.head(url)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(data)))
        again = await anonymous.head(url)
        assert again.status_code == 200
        forged = await anonymous.get(url.replace("owner=ada", "owner=bob"))
        assert forged.status_code == 404
    assert (await client.delete(f"/v1/files/{made['id']}")).status_code == 204
    assert (await client.get(made["urls"]["get"])).status_code == 404


async def test_too_large_an_upload_is_refused_and_the_server_goes_on(live: Any, client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/files", files={"content": ("a.bin", b"x" * ((1 << 20) + 1))})
    assert response.status_code == 413
    assert response.json()["detail"] == "Files must be less than 1MB in size"
    assert (await client.get("/v1/account")).status_code == 200


async def test_a_body_that_is_announced_too_large_is_not_waited_for(live: Any) -> None:
    reader, writer = await asyncio.open_connection(*live.url.removeprefix("http://").split(":"))
    head = f"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_TOKEN}\r\n"
    writer.write(f"{head}Expect: 100-continue\r\nContent-Length: 999999999\r\n\r\n".encode())
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()


async def test_over_http_the_official_client_gets_file_objects(
    live: Any, engine: Any, ada: Any, official: Client, client: httpx.AsyncClient
) -> None:
    file = await live.output(ada, "out 0.png", "image/png", b"png bytes")

    async def draw(run: Any) -> None:
        await run.end(output=file.reference)

    engine.script = draw
    await live.model(ada, "paint", FILE)
    output: Any = await official.async_run("ada/paint", {"text": "x"})
    assert await output.aread() == b"png bytes"
    prediction = (await client.get("/v1/predictions")).json()["results"][0]
    assert prediction["output"] == f"{live.url}/v1/files/{file.id}/out%200.png"
    assert prediction["urls"]["stream"].startswith(f"{live.url}/v1/files/")
    got = await client.get(prediction["output"])
    assert (got.content, got.headers["content-type"]) == (b"png bytes", "image/png")
    stream = (await client.get(prediction["urls"]["stream"])).text
    assert f"data: {prediction['output']}\n" in stream


async def test_a_missing_blob_is_a_404_and_a_broken_one_a_broken_body(
    live: Any, ada: Any, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = await live.output(ada, "a.bin", "application/octet-stream", b"x" * 100)
    await live.blobs.delete([file.key])
    url = f"/v1/files/{file.id}/a.bin"
    assert (await client.get(url)).status_code == 404

    async def broken(*_: Any) -> Any:
        yield b"x" * 10
        raise Unavailable("The disk went away.")

    monkeypatch.setattr(live.files, "content", broken)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(url)
    assert [r.getMessage() for r in caplog.records if r.name == "hearth.api" and "broke off" in r.getMessage()]


async def test_other_accounts_see_nothing(live: Any, engine: Any, ada: Any, client: httpx.AsyncClient) -> None:
    await live.model(ada, "hello", STRING)
    body = {"version": "ada/hello", "input": {"text": "x"}}
    id = (await client.post("/v1/predictions", json=body)).json()["id"]
    bob = await live.accounts.create(ada, "bob")
    token = await live.accounts.new_token(bob, "t")
    headers = {"Authorization": f"Token {token}"}
    for path in (
        f"/v1/predictions/{id}",
        f"/v1/predictions/{id}/events",
        "/v1/models/ada/hello",
        "/v1/admin/instances",
    ):
        assert (await client.get(path, headers=headers)).status_code == 404
    refused = await client.post("/v1/predictions", json=body, headers=headers)
    assert refused.status_code == 422
    assert refused.json()["title"] == "Invalid version or not permitted"


async def test_a_push_is_taken_in(live: Any, engine: Any, ada: Any, client: httpx.AsyncClient) -> None:
    content = b"build:\n  python_version: '3.11'\n"
    digest = hashlib.sha256(content).hexdigest()
    source = [{"path": "cog.yaml", "sha256": digest, "size": len(content), "executable": False}]
    made = (await client.post("/v1/models/ada/new/pushes", json={"source": source, "create": True})).json()
    assert made["missing"] == [digest]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo(digest)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    sent = await client.put(made["urls"]["source"], content=packed.getvalue())
    assert (sent.status_code, sent.json()) == (202, {"missing": []})
    assert (await client.get(made["urls"]["get"])).json()["status"] == "queued"


async def test_the_server_is_ready_and_counts(live: Any, client: httpx.AsyncClient) -> None:
    assert (await client.get("/readyz")).status_code == 200
    assert 'operation="readyz",status="200"' in (await client.get("/metrics")).text


async def test_a_query_method_reaches_the_table(client: httpx.AsyncClient) -> None:
    response = await client.request("QUERY", "/v1/predictions", content=b"text")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST, HEAD")
