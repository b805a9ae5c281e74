"""How long boots took, and so how long the next one will take."""

from __future__ import annotations

import logging
from collections import OrderedDict

from hearth.domain.boot import Boot
from hearth.domain.model import Version
from hearth.engine.tasks import Tasks
from hearth.policy.boots import RECENT, History, expected, remaining
from hearth.store.base import Store

log = logging.getLogger(__name__)

KEPT = 20
"""Boots of each version that the store keeps."""
_AT_HAND = 1000
"""Versions whose history is in memory."""


class Boots:
    """What is known of versions that are in use is at hand; of others it is read when somebody asks first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[str, History] = OrderedDict()
        self._reading: set[str] = set()
        self._tasks = Tasks()

    def history(self, version: Version) -> History:
        """Empty, until it has been read."""
        found = self._known.get(version.id)
        if found is not None:
            self._known.move_to_end(version.id)
            return found
        if version.id not in self._reading:
            self._reading.add(version.id)
            self._tasks.spawn(self._read(version), f"boots of {version.id[:12]}")
        return History()

    def expected(self, version: Version) -> float | None:
        """Seconds that a boot of it takes; None if nobody knows."""
        return expected(self.history(version))

    def remaining(self, version: Version, elapsed: float) -> float | None:
        """Seconds that a boot of it still takes which began `elapsed` seconds ago; None if nobody knows."""
        return remaining(self.history(version), elapsed)

    def add(self, version: Version, boot: Boot) -> None:
        self._keep(version.id, self.history(version).with_boot(boot))
        self._tasks.spawn(self._store.boots.add(boot, KEPT), f"boot of {version.id[:12]}")

    async def close(self) -> None:
        """Once everything is stored."""
        await self._tasks.join()

    async def _read(self, version: Version) -> None:
        try:
            own = await self._store.boots.of_version(version.id, RECENT)
            like = await self._store.boots.of_environment(version.recipe.environment, RECENT)
        finally:
            self._reading.discard(version.id)
        newer = self._known.get(version.id, History())  # it has booted meanwhile
        self._keep(
            version.id,
            History(
                version=(*newer.version, *(b for b in own if b not in newer.version))[:RECENT],
                environment=(*newer.environment, *(b for b in like if b not in newer.environment))[:RECENT],
            ),
        )

    def _keep(self, version_id: str, history: History) -> None:
        self._known[version_id] = history
        self._known.move_to_end(version_id)
        if len(self._known) > _AT_HAND:
            self._known.popitem(last=False)
