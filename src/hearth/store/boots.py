"""The port of boots: a part of `store.base.Store`."""

from __future__ import annotations

from typing import Protocol

from hearth.domain.boot import Boot


class Boots(Protocol):
    async def add(self, boot: Boot, keep: int) -> None:
        """Store it, and forget all but the latest `keep` of its version. Of a version that is gone nothing is kept."""
        ...

    async def of_version(self, version_id: str, limit: int) -> list[Boot]:
        """Newest first."""
        ...

    async def of_environment(self, environment: str, limit: int) -> list[Boot]:
        """Those of any version that has this environment, newest first."""
        ...
