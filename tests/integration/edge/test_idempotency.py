"""Idempotency keys through the whole server: one thing is made, however often it is asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

KEY = {"Idempotency-Key": "3f0e6a52"}


async def test_twenty_at_once_make_one_prediction(hearth: Any) -> None:
    world = await hearth()
    ada, client = await world.account("ada")
    version = await world.version(ada)
    body = {"version": version.id, "input": {"text": "x"}}
    answers = await asyncio.gather(*[client.post("predictions", json=body, headers=KEY) for _ in range(20)])
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["id"] for a in answers}) == 1
    listed = (await client.get("predictions")).json()["results"]
    assert [p["id"] for p in listed] == [answers[0].json()["id"]]
    assert (await world.store.models.get("ada", "hello")).run_count == 1


async def test_a_key_survives_a_restart_and_shows_the_prediction_as_it_is(hearth: Any) -> None:
    world = await hearth()
    ada, client = await world.account("ada")
    version = await world.version(ada)
    body = {"version": version.id, "input": {"text": "x"}}
    made = (await client.post("predictions", json=body, headers=KEY)).json()
    world = await hearth()
    _, client = await world.account("ada")
    again = await client.post("predictions", json=body, headers={**KEY, "Prefer": "wait=20"})
    assert again.status_code == 201
    assert (again.json()["id"], again.json()["status"]) == (made["id"], "failed")


async def test_another_request_with_the_same_key_is_a_mistake(hearth: Any) -> None:
    world = await hearth()
    ada, client = await world.account("ada")
    version = await world.version(ada)
    body = {"version": version.id, "input": {"text": "x"}}
    made = await client.post("predictions", json=body, headers=KEY)
    # White space and the order of keys mean nothing.
    same = await client.post(
        "predictions", content=f'{{"input": {{"text":"x"}}, "version": "{version.id}"}}', headers=KEY
    )
    assert same.json()["id"] == made.json()["id"]
    other = await client.post("predictions", json={**body, "input": {"text": "y"}}, headers=KEY)
    assert (other.status_code, other.json()["title"]) == (422, "Idempotency key reused")
    door = await client.post("models/ada/hello/predictions", json={"input": {"text": "x"}}, headers=KEY)
    assert door.status_code == 422
    _, bob = await world.account("bob")
    assert (await bob.post("predictions", json=body, headers=KEY)).json()["id"] != made.json()["id"]
    without = await client.post("predictions", json=body)
    assert without.json()["id"] != made.json()["id"]


async def test_mistakes_leave_the_key_free(hearth: Any) -> None:
    world = await hearth()
    ada, client = await world.account("ada")
    version = await world.version(ada)
    wrong = await client.post("predictions", json={"version": version.id, "input": {"text": {"a": 1}}}, headers=KEY)
    assert wrong.status_code == 422
    right = await client.post("predictions", json={"version": version.id, "input": {"text": "1"}}, headers=KEY)
    assert right.status_code == 201
    model = {"owner": "ada", "name": "Wrong Name", "visibility": "private", "hardware": "cpu"}
    key = {"Idempotency-Key": "another"}
    assert (await client.post("models", json=model, headers=key)).status_code == 400
    assert (await client.post("models", json={**model, "name": "right"}, headers=key)).status_code == 201


async def test_a_model_is_made_once(hearth: Any) -> None:
    world = await hearth()
    _, client = await world.account("ada")
    body = {"owner": "ada", "name": "tuned", "visibility": "private", "hardware": "cpu"}
    answers = await asyncio.gather(*[client.post("models", json=body, headers=KEY) for _ in range(5)])
    assert {(a.status_code, a.content) for a in answers} == {(201, answers[0].content)}
    assert sorted(a.headers.get("idempotency-replayed", "") for a in answers) == ["", "true", "true", "true", "true"]
    other = await client.post("models", json={**body, "name": "other"}, headers=KEY)
    assert other.status_code == 422
    assert (await client.post("models", json=body)).status_code == 409


async def test_a_file_is_uploaded_once(hearth: Any) -> None:
    world = await hearth()
    _, client = await world.account("ada")

    async def upload(content: bytes) -> Any:
        return await client.post("files", files={"content": ("a.txt", content, "text/plain")}, headers=KEY)

    first, again, other = await upload(b"one"), await upload(b"one"), await upload(b"two")
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == again.json()
    assert len((await client.get("files")).json()["results"]) == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_what_is_no_key_is_refused(hearth: Any, key: str) -> None:
    world = await hearth()
    ada, client = await world.account("ada")
    version = await world.version(ada)
    body = {"version": version.id, "input": {}}
    answer = await client.post("predictions", json=body, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/Idempotency-Key")


async def test_a_training_is_made_once(hearth: Any) -> None:
    world = await hearth()
    ada, client = await world.account("ada")
    base = await world.version(ada, train=True)
    await world.version(ada, "tuned")
    path = f"models/ada/hello/versions/{base.id}/trainings"
    body = {"destination": "ada/tuned", "input": {}}
    answers = await asyncio.gather(*[client.post(path, json=body, headers=KEY) for _ in range(5)])
    assert {a.status_code for a in answers} == {201}, answers[0].text
    assert len({a.json()["id"] for a in answers}) == 1
    assert len((await client.get("trainings")).json()["results"]) == 1
    assert (await client.post(path, json={**body, "webhook": "https://x.test"}, headers=KEY)).status_code == 422
