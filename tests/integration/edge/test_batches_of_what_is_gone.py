"""A batch whose predictions were removed ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hearth.bus.base import PauseEngine
from hearth.domain.batch import BatchState
from hearth.service import batches


async def test_predictions_that_are_gone_keep_no_batch_open(hearth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LOOK", 0.02)
    world = await hearth()
    ada, _ = await world.account("ada")
    await world.version(ada)
    services = world.parts.services
    services.bus.submit(PauseEngine(because="a test"))
    made = await services.batches.create(
        ada, version="ada/hello", template={}, text="text\none\ntwo\n", format="csv", origin="https://hearth.test"
    )
    async with asyncio.timeout(60):
        while True:
            items = await world.store.batches.items(made.id)
            if len(await world.store.predictions.many([item.prediction_id for item in items])) == 2:
                break
            await asyncio.sleep(0.01)
        await world.store.predictions.delete([item.prediction_id for item in items])
        while (await services.batches.get(ada, made.id)).state is BatchState.RUNNING:  # noqa: ASYNC110 - it is polled
            await asyncio.sleep(0.01)
    assert (await services.batches.get(ada, made.id)).state is BatchState.COMPLETED
