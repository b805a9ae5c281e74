"""A store that takes everything and remembers nothing, and an outside world that nobody calls.

Only what the engine asks of a store while it runs predictions is here: whoever lets the engine ask for more finds a
test of this room failing, and adds a line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import Any

from hearth.domain.boot import Boot
from hearth.domain.decision import Decided
from hearth.domain.footprint import Footprint
from hearth.domain.model import Version
from hearth.store.base import Change


class _Predictions:
    ordered = True

    def record(self, change: Change) -> Awaitable[bool]:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        future.set_result(True)
        return future

    async def scrub(self, now: float, limit: int, retention: float = 0.0) -> list[str]:
        return []


class _Queue:
    async def abandon(self, keep_owner: str | None = None) -> int:
        return 0

    async def claim(self, owner: str, now: float, until: float, limit: int) -> list[Any]:
        return []

    async def renew(self, owner: str, until: float) -> int:
        return 0

    async def cancels(self, owner: str) -> list[str]:
        return []

    async def run_times(self, version_id: str, kind: Any) -> list[float]:
        return []

    async def remember(self, version_id: str, kind: Any, seconds: Sequence[float]) -> None: ...


class _Versions:
    def __init__(self, versions: dict[str, Version]) -> None:
        self._versions = versions

    async def get(self, id: str) -> Version | None:
        return self._versions.get(id)


class _Files:
    async def expired(self, now: float, limit: int) -> list[Any]:
        return []


class _Idempotency:
    async def expire(self, now: float, limit: int) -> int:
        return 0


class _Removals:
    async def pending(self, limit: int) -> list[Any]:
        return []


class _Builds:
    async def pending(self) -> list[Any]:
        return []


class _Deployments:
    async def wanted(self) -> list[Any]:
        return []


class _Outbox:
    async def claim(self, now: float, until: float, limit: int) -> list[Any]:
        return []

    async def next_due(self) -> float | None:
        return None


class _Scalings:
    async def all(self) -> list[Any]:
        return []


class _Decisions:
    async def add(self, decisions: Sequence[Decided], keep: int) -> None: ...

    async def latest(self, limit: int) -> list[Decided]:
        return []


class _Footprints:
    def __init__(self, known: Sequence[Footprint]) -> None:
        self._known = known

    async def all(self) -> list[Footprint]:
        return list(self._known)

    async def put(self, footprint: Footprint) -> None: ...


class _Boots:
    async def add(self, boot: Boot, keep: int) -> None: ...

    async def of_version(self, version_id: str, limit: int) -> list[Boot]:
        return []

    async def of_environment(self, environment: str, limit: int) -> list[Boot]:
        return []


class _Breakdowns:
    async def all(self) -> list[Any]:
        return []


class _Samples:
    async def add(self, *args: Any) -> None: ...

    async def expire(self, *args: Any) -> int:
        return 0


class _Garbage:
    async def condemned(self, contents: Any = None, limit: int = 0) -> list[str]:
        return []

    async def abandon_builds(self, *args: Any) -> int:
        return 0

    async def forget_builds(self, *args: Any) -> int:
        return 0

    async def ended_batches(self, *args: Any) -> list[Any]:
        return []


class VoidBlobs:
    """No blob is there."""

    async def walk(self) -> AsyncGenerator[list[Any], None]:
        nothing: list[list[Any]] = []
        for page in nothing:
            yield page


class Void:
    """As much of `store.base.Store` as the engine needs."""

    def __init__(self, versions: dict[str, Version], footprints: Sequence[Footprint]) -> None:
        self.predictions, self.queue, self.versions = _Predictions(), _Queue(), _Versions(versions)
        self.files, self.idempotency, self.removals = _Files(), _Idempotency(), _Removals()
        self.builds, self.deployments, self.outbox = _Builds(), _Deployments(), _Outbox()
        self.scalings, self.decisions, self.samples = _Scalings(), _Decisions(), _Samples()
        self.garbage = _Garbage()
        self.footprints, self.boots, self.breakdowns = _Footprints(footprints), _Boots(), _Breakdowns()
