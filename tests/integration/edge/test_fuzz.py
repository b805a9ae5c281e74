"""Whatever is asked: no 5xx, and every answer is one that our own document promises.

`HEARTH_FUZZ` is how many requests each operation gets (default 12; CI asks for 60: over 4,000 in all).
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hearth.api import openapi
from hearth.api.routes import ROUTES
from hearth.compose import assembled
from hearth.service.seeds import Finished
from hearth.settings import Settings

EACH = int(os.environ.get("HEARTH_FUZZ") or (60 if os.environ.get("CI") else 12))
TOKEN = "r8_" + "f" * 37
ENDLESS = {"pushes.log", "predictions.events.list", "streams.get"}
"""Streams; they have tests of their own."""
CHECKS = (checks.not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)

schemathesis.serializer.alias("application/x-tar", "application/octet-stream")
SCHEMA = schemathesis.openapi.from_dict(openapi.document(ROUTES, "http://hearth.test", "3.2"))
OPERATIONS = {op.definition.raw["operationId"]: op for op in (r.ok() for r in SCHEMA.get_all_operations())}


class Server(threading.Thread):
    """A whole Hearth on a loop of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="fuzzed server", daemon=True)
        self._folder = folder
        self.url = ""
        self.ready = threading.Event()
        self.failed: BaseException | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - it belongs to the thread that waits
            self.failed = error
            self.ready.set()

    async def _main(self) -> None:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        settings = Settings(data=self._folder, tls=False, max_body=1 << 20)
        async with assembled(settings) as parts:
            await parts.services.accounts.bootstrap("ada", TOKEN)
            seeds = parts.services.seeds
            await seeds.model("ada", "hello", {})
            await self._world(parts)
            config = uvicorn.Config(parts.app, log_config=None, access_log=False, lifespan="off")
            self._server = uvicorn.Server(config)
            self._server.capture_signals = _no_signals  # type: ignore[method-assign]
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            serving = asyncio.create_task(self._server.serve([listener]), name="http")
            self.ready.set()
            await serving

    async def _world(self, parts: Any) -> None:
        from hearth.domain.model import Recipe, Version

        model = await parts.store.models.get("ada", "hello")
        schemas = {"Input": {"type": "object", "properties": {"text": {"type": "string"}}}, "Output": {}}
        await parts.store.versions.add(
            Version(
                id="a" * 64, model_id=model.id, model="ada/hello", created_at=2.0, cog_version="0.16.12",
                openapi_schema={"openapi": "3.0.2", "components": {"schemas": schemas}},
                recipe=Recipe(source=(), environment="e" * 64, predict="predict.py:Predictor"),
            )
        )  # fmt: skip
        parts.services.seeds._versions.forget("ada", "hello")
        for n in range(3):
            told = Finished(account="ada", model="ada/hello", output="x", created_at=10.0 + n, completed_at=20.0)
            await parts.services.seeds.prediction(f"{n:026}", told)

    def stop(self) -> None:
        if self.failed is None:
            self._server.should_exit = True
        self.join(30)


class _no_signals:
    def __init__(self) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("fuzz"))
    server.start()
    assert server.ready.wait(30)
    assert server.failed is None, server.failed
    yield server
    server.stop()


KNOWN = {
    "prediction_id": "0" * 26, "model_owner": "ada", "model_name": "hello", "version_id": "a" * 64,
    "account_username": "ada", "deployment_owner": "ada",
}  # fmt: skip
"""Values with which a request gets past the first lookup; every other request keeps what was made up."""


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - ENDLESS))
def test_every_answer_is_promised(name: str, server: Server) -> None:
    operation = OPERATIONS[name]
    count = 0

    @hypothesis.given(case=operation.as_strategy())
    @hypothesis.settings(
        max_examples=EACH, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    def check(case: Any) -> None:
        nonlocal count
        count += 1
        if count % 2 and case.path_parameters:
            case.path_parameters.update({k: v for k, v in KNOWN.items() if k in case.path_parameters})
        headers = {"Authorization": f"Bearer {TOKEN}"}
        response = case.call(base_url=f"{server.url}/v1", headers=headers, timeout=30)
        case.validate_response(response, checks=CHECKS)

    check()
