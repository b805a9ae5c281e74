"""What nobody needs any more goes: bytes that no row names, rows past their time, what lies unused on this disk.

Marks are in the store, ages on disk: a blob goes if it is so old that its row must be there, and there is none. What
can be made again (`shelf.py`) goes if nothing has used it for a while. Each step is a bounded bite and may be done
twice, so a stop at any moment costs nothing. One kind of blob is shared, the contents of sources: they are condemned
first, which no build that needs them can overlook (`service/pushes.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing

from hearth.blobs.base import Blobs
from hearth.clock import Clock
from hearth.domain.batch import table_key
from hearth.domain.file import file_key
from hearth.domain.model import content_key
from hearth.engine.shelf import Shelf
from hearth.engine.sources import digest
from hearth.store.base import Store

log = logging.getLogger(__name__)

ROUND = 6 * 3600.0
"""Seconds between two rounds."""
PAUSE = 1.0
"""Seconds between two steps of a round: nobody waits for them."""
GRACE = 24 * 3600.0
"""Seconds in which bytes that are stored get their row, or a push all of its contents."""
BUILDS_KEPT = 30 * 24 * 3600.0
"""Seconds for which a build and its log are kept after its end."""
LEAST = 3600.0
"""Seconds for which what nothing uses is kept at least: between its use and the row or instance that shows it."""
STEP = 200
"""Rows or blobs in one bite."""
ABANDONED = "Its contents never came. Push again."

InUse = Callable[[], Mapping[str, Collection[str]]]


async def remove_contents(store: Store, blobs: Blobs, contents: Sequence[str]) -> int:
    """Remove the blobs of those of these contents that nobody needs; how many."""
    condemned = await store.garbage.condemn(contents)
    await _carry_out(store, blobs, condemned)
    return len(condemned)


async def _carry_out(store: Store, blobs: Blobs, condemned: Sequence[str]) -> None:
    if condemned:
        await blobs.delete([content_key(sha256) for sha256 in condemned])
        await store.garbage.pardon(condemned)


class Collector:
    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        shelves: Mapping[str, Shelf],
        in_use: InUse,
        unused: float,
        retention: float,
    ) -> None:
        """`shelves` by name: `environments`, `sources`, `weights`. `in_use` tells what of each runs just now. `unused`:
        seconds for which what nothing uses is kept; `retention` that of predictions."""
        self._store, self._blobs, self._clock = store, blobs, clock
        self._shelves, self._in_use = shelves, in_use
        self._unused, self._retention = max(unused, LEAST), retention

    async def run(self) -> None:
        """A round now and then, for ever."""
        await self._guarded("finish what was begun", self.finish)
        while True:
            await self._clock.sleep(ROUND)
            await self.round(PAUSE)

    async def round(self, pause: float = 0.0) -> None:
        """Collect everything once, with a pause after each step. What fails is logged, and waits for the next round."""
        for name, work in (
            ("finish what was begun", self.finish),
            ("forget builds", lambda: self._builds(pause)),
            ("forget batches", lambda: self._batches(pause)),
            ("collect blobs", lambda: self._nameless(pause)),
            ("collect what is unused", lambda: self._disused(pause)),
        ):
            await self._guarded(name, work)

    async def _guarded(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except Exception:
            log.exception("the collector could not %s", name, extra={"action": "collector_failed"})

    async def finish(self) -> None:
        """Removals that a stop of the server broke off."""
        while condemned := await self._store.garbage.condemned(limit=STEP):
            await _carry_out(self._store, self._blobs, condemned)

    async def _builds(self, pause: float) -> None:
        now = self._clock.now()
        while await self._store.garbage.abandon_builds(now - GRACE, now, ABANDONED, STEP) == STEP:
            await self._clock.sleep(pause)
        while await self._store.garbage.forget_builds(now - BUILDS_KEPT, STEP) == STEP:
            await self._clock.sleep(pause)

    async def _batches(self, pause: float) -> None:
        """With their tables: they hold what the inputs of their predictions did."""
        while batches := await self._store.garbage.ended_batches(self._clock.now(), self._retention, STEP):
            await self._blobs.delete([batch.source for batch in batches])
            await self._store.garbage.forget_batches([batch.id for batch in batches])
            await self._clock.sleep(pause)

    async def _nameless(self, pause: float) -> None:
        count = size = 0
        async with aclosing(self._blobs.walk()) as pages:
            async for page in pages:
                old = {held.key: held for held in page if held.stored_at < self._clock.now() - GRACE}
                for key in await self._unnamed(list(old)):
                    count, size = count + 1, size + old[key].size
                await self._clock.sleep(pause)
        if count:
            log.info("removed %d blobs of %d bytes that nobody names", count, size, extra={"action": "collected"})

    async def _unnamed(self, keys: Sequence[str]) -> list[str]:
        """Remove those that are ours and that no row names; their keys. What is not ours stays."""
        garbage, gone = self._store.garbage, []
        by_id = {_last(key): key for key in keys}
        files = [id for id, key in by_id.items() if key == file_key(id)]
        batches = [id for id, key in by_id.items() if key == table_key(id)]
        contents = [id for id, key in by_id.items() if key == content_key(id)]
        if files:
            gone += [by_id[id] for id in await garbage.nameless_files(files)]
        if batches:
            gone += [by_id[id] for id in await garbage.nameless_batches(batches)]
        await self._blobs.delete(gone)
        if contents:
            condemned = await garbage.condemn(contents)
            await _carry_out(self._store, self._blobs, condemned)
            gone += [by_id[id] for id in condemned]
        return gone

    async def _disused(self, pause: float) -> None:
        before = self._clock.now() - self._unused
        building = {digest(build.source) for build in await self._store.builds.pending()}
        for kind, shelf in self._shelves.items():
            names = [name for name in await shelf.stale(before) if kind != "sources" or name not in building]
            if kind == "environments":  # made again, one may turn out another: versions keep theirs
                names = await self._store.garbage.nameless_environments(names)
            for name in names:
                if name not in self._in_use()[kind] and await shelf.remove(name, before):
                    text = "removed %s %s, which nothing has used for %g s"
                    log.info(text, kind, name, self._unused, extra={"action": "collected"})
                await self._clock.sleep(pause)


def _last(key: str) -> str:
    return key.rpartition("/")[2]
