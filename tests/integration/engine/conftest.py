"""An engine on a real SQLite store and a folder of blobs, with a fake runtime and a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from hearth.blobs.obstore import ObstoreBlobs
from hearth.store.sqlite.store import SQLiteStore
from hearth.testing.engine import Bench


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "hearth.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def blobs(tmp_path: Path) -> ObstoreBlobs:
    return ObstoreBlobs.local(tmp_path / "blobs")


@pytest.fixture
def bench(store: SQLiteStore, blobs: ObstoreBlobs, tmp_path: Path) -> Callable[..., Bench]:
    """Makes an engine that is not started yet."""
    return lambda **options: Bench(store, blobs, tmp_path / "work", **options)


@pytest.fixture
async def started(bench: Callable[..., Bench]) -> AsyncIterator[Callable[..., Any]]:
    """Makes engines and starts them; they are stopped after the test."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Bench:
            return await stack.enter_async_context(bench(**options))

        yield start
