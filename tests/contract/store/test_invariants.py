"""Queue and leases under any sequence of calls: no prediction is lost, none is owned twice."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hearth.domain.events import Event, Kind
from hearth.domain.prediction import Phase, Prediction
from hearth.store.base import Change, Lease
from hearth.store.sqlite import SQLiteStore

OWNERS = st.sampled_from(["one", "two"])
TERM = st.integers(1, 2)
WHICH = st.integers(0, 5)
PHASES = st.sampled_from([Phase.QUEUED, Phase.RUNNING, Phase.RUNNING, Phase.SUCCEEDED])


class Entry:
    """What the store should know of a prediction that has not ended."""

    def __init__(self, prediction: Prediction, owner: str | None, until: float) -> None:
        self.prediction, self.owner, self.until = prediction, owner, until
        self.cancel_requested = self.delivered = False


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.now = 0.0
        self.created: dict[str, Prediction] = {}
        self.entries: dict[str, Entry] = {}
        self.ended: dict[str, Phase] = {}
        self.open()

    def open(self) -> None:
        self.store = SQLiteStore(Path(self.folder.name) / "hearth.db")
        self.runner.run(self.store.open())

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    def call(self, start):
        async def calling():
            return await start()

        return self.runner.run(calling())

    def pick(self, which: int) -> str:
        return list(self.created)[-1 - which % len(self.created)]

    @initialize(ats=st.lists(st.integers(0, 3), min_size=3, max_size=3))
    def begin(self, ats: list[int]) -> None:
        for at in ats:
            self.create(None, 1, at)

    @rule(owner=st.none() | OWNERS, term=TERM, at=st.integers(0, 3))
    def create(self, owner: str | None, term: int, at: int) -> None:
        prediction = Prediction(
            id=f"p{len(self.created):03}", account_id="a", model="a/m", version="v", input={}, created_at=float(at)
        )
        lease = Lease(owner, self.now + term) if owner else None
        self.call(lambda: self.store.predictions.create(prediction, [], lease=lease))
        self.created[prediction.id] = prediction
        self.entries[prediction.id] = Entry(prediction, owner, self.now + term if owner else 0.0)

    @rule(term=TERM)
    def time_passes(self, term: int) -> None:
        self.now += term

    @rule(owner=OWNERS, term=TERM, limit=st.integers(1, 4))
    def claim(self, owner: str, term: int, limit: int) -> None:
        free = [e for e in self.entries.values() if e.owner is None or e.until <= self.now]
        expected = sorted(free, key=lambda e: (e.prediction.created_at, e.prediction.id))[:limit]
        until = self.now + term
        claims = self.call(lambda: self.store.queue.claim(owner, self.now, until, limit))
        assert [c.prediction.id for c in claims] == [e.prediction.id for e in expected]
        assert [c.delivered for c in claims] == [e.delivered for e in expected]
        for entry in expected:
            entry.owner, entry.until = owner, until

    @rule(owner=OWNERS, term=TERM)
    def renew(self, owner: str, term: int) -> None:
        held = [e for e in self.entries.values() if e.owner == owner]
        assert self.call(lambda: self.store.queue.renew(owner, self.now + term)) == len(held)
        for entry in held:
            entry.until = max(entry.until, self.now + term)

    @rule(keep=st.none() | OWNERS)
    def abandon(self, keep: str | None) -> None:
        dropped = [e for e in self.entries.values() if e.owner is not None and e.owner != keep]
        assert self.call(lambda: self.store.queue.abandon(keep)) == len(dropped)
        for entry in dropped:
            entry.owner = None

    @rule(which=WHICH, owner=st.none() | OWNERS, phase=PHASES, output=st.booleans())
    def record(self, which: int, owner: str | None, phase: Phase, output: bool) -> None:
        id = self.pick(which)
        before = self.created[id]
        changes = {"phase": phase, "events": before.events + output, "completed_at": 1.0 if phase.terminal else None}
        after = msgspec.structs.replace(before, **changes)
        events = [Event(before.events, Kind.OUTPUT, 1.0, "x")] if output else []
        entry = self.entries.get(id)
        allowed = entry is not None and owner in (None, entry.owner)
        change = Change(prediction=after, events=events, owner=owner)
        assert self.call(lambda: self.store.predictions.record(change)) is allowed
        if entry is None or not allowed:
            return
        self.created[id] = entry.prediction = after
        entry.delivered = entry.delivered or output
        if phase.terminal:
            self.ended[id] = phase
            del self.entries[id]

    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        id = self.pick(which)
        entry = self.entries.get(id)
        expected = entry is not None and not entry.cancel_requested
        assert self.call(lambda: self.store.predictions.request_cancel(id, 1.0)) is expected
        if entry is not None:
            entry.cancel_requested = True

    @rule()
    def restart(self) -> None:
        self.runner.run(self.store.close())
        self.open()

    @invariant()
    def nothing_is_lost(self) -> None:
        depth = self.call(self.store.queue.depth)
        assert depth == ({"v": len(self.entries)} if self.entries else {})
        assert len(self.entries) + len(self.ended) == len(self.created)

    @invariant()
    def cancels_reach_their_owner(self) -> None:
        for owner in ("one", "two"):
            expected = {id for id, e in self.entries.items() if e.owner == owner and e.cancel_requested}
            assert set(self.call(lambda owner=owner: self.store.queue.cancels(owner))) == expected

    @invariant()
    def ends_stay(self) -> None:
        for id, phase in self.ended.items():
            found = self.call(lambda id=id: self.store.predictions.get(id))
            assert found is not None
            assert found.phase is phase


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
