"""How long runs of each version took lately: for estimates, so nothing waits for it and little of it is lost."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence

from hearth.domain.prediction import Phase, Prediction, PredictionKind
from hearth.engine.tasks import Tasks
from hearth.policy.estimate import RECENT
from hearth.store.base import Store

log = logging.getLogger(__name__)

Key = tuple[str, PredictionKind]


class RunTimes:
    """In memory, newest first. The store is read once for each version that somebody waits for, and written now and
    then (`save`): what a crash forgets is a minute's worth."""

    def __init__(self, store: Store, recent: int = RECENT) -> None:
        self._store, self._recent = store, recent
        self._known: dict[Key, deque[float]] = {}
        self._asked: set[Key] = set()
        self._changed: set[Key] = set()
        self._tasks = Tasks()

    def ended(self, prediction: Prediction) -> None:
        """A prediction has its outcome: it counts if it succeeded."""
        began, ended = prediction.started_at, prediction.completed_at
        if prediction.phase is not Phase.SUCCEEDED or began is None or ended is None:
            return
        key = (prediction.version, prediction.kind)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = deque(maxlen=self._recent)
        known.appendleft(ended - began)
        self._changed.add(key)

    def of(self, version_id: str, train: bool) -> Sequence[float]:
        """Empty if nothing is known yet."""
        return self._known.get(_key(version_id, train), ())

    def want(self, version_id: str, train: bool) -> None:
        """Somebody waits for this version: what the store has will be known soon."""
        key = _key(version_id, train)
        if key not in self._asked:
            self._asked.add(key)
            self._tasks.spawn(self._load(key), f"run times of {version_id}")

    async def _load(self, key: Key) -> None:
        stored = await self._store.queue.run_times(*key)
        known = self._known.setdefault(key, deque(maxlen=self._recent))
        known.extend(stored[: self._recent - len(known)])  # behind what has run meanwhile

    async def save(self) -> None:
        """Store what is new."""
        changed, self._changed = self._changed, set()
        for key in changed:
            if key not in self._asked:  # else the store's are in it already
                self._asked.add(key)
                await self._load(key)
            await self._store.queue.remember(*key, list(self._known[key]))

    async def close(self) -> None:
        """Store what is new, and let go; what the store refuses is forgotten."""
        await self._tasks.close()
        try:
            await self.save()
        except Exception as error:  # noqa: BLE001 - drivers raise their own; estimates are not worth a stop that fails
            log.warning("run times could not be stored: %s", error, extra={"action": "store_refused"})


def _key(version_id: str, train: bool) -> Key:
    return version_id, PredictionKind.TRAINING if train else PredictionKind.PREDICTION
