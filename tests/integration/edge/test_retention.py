"""Data goes when its time is over: from the row, the stream, the webhooks and the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hearth import ids
from hearth.domain.file import File, FileKind

GONE = {"Retain-For": "0"}


async def made(world: Any, client: Any, version: Any, headers: dict[str, str], **fields: Any) -> dict[str, Any]:
    """A prediction that has ended."""
    body = {"version": version.id, "input": {"text": "secret"}, **fields}
    answer = await client.post("predictions", json=body, headers={**headers, "Prefer": "wait=20"})
    assert (answer.status_code, answer.json()["status"]) == (201, "failed")
    found: dict[str, Any] = answer.json()
    return found


async def output(world: Any, prediction: str, account: str) -> File:
    file = File(
        id=ids.random32(), account_id=account, kind=FileKind.OUTPUT, name="out.txt", content_type="text/plain", size=3,
        sha256="", md5="0" * 32, created_at=1.0, prediction_id=prediction,
    )  # fmt: skip
    await world.parts.blobs.put(file.key, b"abc")
    await world.store.files.add(file)
    return file


async def sweep(world: Any) -> None:
    await world.parts.engine._reaper.sweep()


def bytes_on_disk(folder: Path) -> list[Path]:
    return [path for path in (folder / "data" / "blobs").rglob("*") if path.is_file()]


async def test_everything_of_it_is_gone_but_the_row(
    hearth: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await hearth()
    ada, client = await world.account("ada")
    version = await world.version(ada)
    gone, stays = await made(world, client, version, GONE), await made(world, client, version, {})
    files = [await output(world, p["id"], ada.id) for p in (gone, stays)]
    assert (await client.get(f"files/{files[0].id}/out.txt")).content == b"abc"
    assert len(bytes_on_disk(tmp_path)) == 2
    await sweep(world)

    shown = (await client.get(f"predictions/{gone['id']}")).json()
    assert shown["data_removed"] is True
    assert (shown["input"], shown["output"], shown["logs"]) == ({}, None, "")
    assert "secret" not in str(shown)
    assert (await client.get(f"files/{files[0].id}/out.txt")).status_code == 404
    assert (await client.get(f"files/{files[1].id}/out.txt")).content == b"abc"
    assert [path.name for path in bytes_on_disk(tmp_path)] == [files[1].id]
    assert (await client.get(f"predictions/{gone['id']}/events")).json()["results"] == []
    assert (await client.get(f"predictions/{stays['id']}")).json()["input"] == {"text": "secret"}
    listed = (await client.get("predictions")).json()["results"]
    assert {p["id"]: p["data_removed"] for p in listed} == {gone["id"]: True, stays["id"]: False}
    from hearth.api import stream

    monkeypatch.setattr(stream, "IDLE", 0.0)
    token = world.parts.services.streams.token(gone["id"])
    assert ":408: 408 Request Timeout" in (await client.get(f"streams/{token}")).text


async def test_an_account_and_the_server_say_how_long(hearth: Any) -> None:
    world = await hearth(retention=0.0)
    ada, client = await world.account("ada")
    version = await world.version(ada)
    _, bob = await world.account("bob", retention=3600.0)
    short = await made(world, client, version, {})
    longer = await made(world, client, version, {"Retain-For": "1h"})
    by_body = await made(world, client, version, {}, retention="2d")
    bobs = await made(world, bob, version, {})
    await sweep(world)
    removed = {
        id: (await reader.get(f"predictions/{id}")).json()["data_removed"]
        for reader, id in ((client, short["id"]), (client, longer["id"]), (client, by_body["id"]), (bob, bobs["id"]))
    }
    assert removed == {short["id"]: True, longer["id"]: False, by_body["id"]: False, bobs["id"]: False}


async def test_what_was_made_in_the_browser_and_what_is_shared_stays(hearth: Any) -> None:
    world = await hearth(retention=0.0)
    ada, client = await world.account("ada")
    version = await world.version(ada)
    shared = await made(world, client, version, {})
    assert await world.store.predictions.share(shared["id"], True)
    web = await world.parts.services.predictions.create(
        ada, version=version.id, input={"text": "x"}, hold=20.0, origin="https://hearth.test", source="web"
    )
    await sweep(world)
    for id in (shared["id"], web.id):
        assert (await client.get(f"predictions/{id}")).json()["data_removed"] is False
    await world.store.predictions.share(shared["id"], False)
    await sweep(world)
    assert (await client.get(f"predictions/{shared['id']}")).json()["data_removed"] is True


async def test_a_sweep_takes_all_there_is(hearth: Any) -> None:
    world = await hearth()
    ada, client = await world.account("ada")
    version = await world.version(ada)
    prediction = await made(world, client, version, GONE)
    for _ in range(450):
        await output(world, prediction["id"], ada.id)
    await sweep(world)
    assert await world.store.files.of_predictions([prediction["id"]]) == []


@pytest.mark.parametrize("text", ["soon", "-1", "5000d", ""])
async def test_what_is_no_duration_is_refused(hearth: Any, text: str) -> None:
    world = await hearth()
    ada, client = await world.account("ada")
    version = await world.version(ada)
    answer = await client.post("predictions", json={"version": version.id, "input": {}}, headers={"Retain-For": text})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/Retain-For")
