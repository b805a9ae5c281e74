"""What is left behind is picked up: leases, predictions of an engine that died, data past its time.

Every sweep goes by an index and takes a bounded bite; what is left waits for the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from hearth.blobs.base import Blobs
from hearth.clock import Clock
from hearth.domain.events import Event
from hearth.domain.lane import Lane, of_trainings, of_version
from hearth.domain.model import Version
from hearth.domain.prediction import Prediction, PredictionKind, Step
from hearth.engine.dispatcher import Dispatcher
from hearth.engine.options import EngineOptions
from hearth.engine.recorder import Recorder
from hearth.engine.run_times import RunTimes
from hearth.engine.ticket import Cause
from hearth.policy.recovery import recover
from hearth.store.base import Claim, Store

log = logging.getLogger(__name__)

PAGE = 200
_VERSIONS = 256
"""Versions remembered between claims."""


class Reaper:
    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        recorder: Recorder,
        dispatcher: Dispatcher,
        times: RunTimes,
        owner: str,
        options: EngineOptions,
        learn: Callable[[Version], object],
    ) -> None:
        self._store, self._blobs, self._clock = store, blobs, clock
        self._recorder, self._dispatcher = recorder, dispatcher
        self._times, self._owner, self._options = times, owner, options
        self._learn = learn
        self._versions: dict[str, Version] = {}

    async def start(self) -> None:
        """Take over what an earlier server left in the queue."""
        if self._options.single:
            await self._store.queue.abandon(self._owner)
        taken = await self.claim()
        if taken:
            log.info("took over %d predictions", taken, extra={"action": "took_over"})

    async def run(self) -> None:
        """Renew, claim and sweep, for ever."""
        swept = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._options.renew_interval)
            await self._guarded("renew leases", self.renew)
            if self._clock.monotonic() - swept >= self._options.sweep_interval:
                swept = self._clock.monotonic()
                await self._guarded("sweep", self.sweep)
                await self._guarded("store run times", self._times.save)

    async def _guarded(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except Exception:
            log.exception("the reaper could not %s", name, extra={"action": "reaper_failed"})

    async def renew(self) -> None:
        """Keep what is ours, take what nobody has, and hear of cancels whose news did not come through."""
        now = self._clock.now()
        await self._store.queue.renew(self._owner, now + self._options.lease)
        for id in await self._store.queue.cancels(self._owner):
            self._dispatcher.ends.cancel(id, Cause.USER)
        await self.claim()

    async def claim(self) -> int:
        """Take what nobody holds, as far as there is room in memory; how many were taken."""
        taken = 0
        while (room := min(PAGE, self._options.held - len(self._dispatcher.tickets))) > 0:
            now = self._clock.now()
            claims = await self._store.queue.claim(self._owner, now, now + self._options.lease, room)
            lanes: dict[tuple[str | None, str, PredictionKind], Lane] = {}
            for claim in claims:
                await self._take_over(claim, lanes)
            taken += len(claims)
            if len(claims) < room:
                break
        return taken

    async def _take_over(self, claim: Claim, lanes: dict[tuple[str | None, str, PredictionKind], Lane]) -> None:
        """`lanes` are those that were looked up for others of this claim."""
        prediction = claim.prediction
        if prediction.id in self._dispatcher.tickets:
            return
        events: list[Event] = []
        if prediction.events > 1:
            events = await self._store.predictions.events(prediction.id)
        version = await self._version(prediction.version)
        live = self._recorder.open(prediction, events)
        live.again = True
        verdict = recover(prediction, delivered=claim.delivered, now=self._clock.now())
        if verdict.step in (Step.FAIL, Step.CANCEL, Step.ABORT):
            error = verdict.because if verdict.step is Step.FAIL else None
            items = list(live.items) or None
            await self._recorder.finish(live, verdict.step, because=verdict.because, error=error, output=items)
            return
        if version is None:
            await self._recorder.finish(
                live, Step.FAIL, error="The version of this prediction does not exist any more."
            )
            return
        key = (prediction.deployment, prediction.version, prediction.kind)
        lane = lanes.get(key)
        if lane is None:
            lane = lanes[key] = await self._lane(prediction)
        if verdict.step is Step.RETURN:
            self._recorder.step(live, Step.RETURN, verdict.because, {"because": verdict.because})
        self._dispatcher.accept(live, version, claim.secrets, lane)

    async def _lane(self, prediction: Prediction) -> Lane:
        """Whose instances run it. What a deleted deployment left can only be canceled."""
        if prediction.deployment is None:
            model_owner, _, model_name = prediction.model.partition("/")
            model = await self._store.models.get(model_owner, model_name)
            hardware = "cpu" if model is None else model.hardware
            train = prediction.kind is PredictionKind.TRAINING
            return (of_trainings if train else of_version)(prediction.version, hardware)
        owner, _, name = prediction.deployment.partition("/")
        deployment = await self._store.deployments.get(owner, name)
        if deployment is None:
            return Lane(key=f"{prediction.deployment}/gone", deployment=prediction.deployment, maximum=0)
        return deployment.lane_for(prediction.version)

    async def _version(self, id: str) -> Version | None:
        version = self._versions.get(id)
        if version is None:
            version = await self._store.versions.get(id)
            if version is not None:
                self._learn(version)
                if len(self._versions) >= _VERSIONS:
                    self._versions.clear()
                self._versions[id] = version
        return version

    async def sweep(self) -> None:
        """Remove the data of predictions past their retention, files past their time, and old idempotency keys.

        Bites follow one another while there is something to remove, but not for so long that leases run out.
        Each ends whole: the files of a scrubbed prediction are expired by the same transaction, and bytes go
        before the row that leads to them.
        """
        now, limit = self._clock.now(), self._options.sweep_limit
        stop = self._clock.monotonic() + self._options.renew_interval / 2
        predictions = files = 0
        more = True
        while more and self._clock.monotonic() < stop:
            scrubbed = await self._store.predictions.scrub(now, limit, self._options.retention)
            expired = await self._store.files.expired(now, limit)
            if expired:
                await self._blobs.delete([file.key for file in expired])
                await self._store.files.delete([file.id for file in expired])
            forgotten = await self._store.idempotency.expire(now, limit)
            predictions, files = predictions + len(scrubbed), files + len(expired)
            more = limit in (len(scrubbed), len(expired), forgotten)
        if predictions or files:
            log.info("removed the data of %d predictions and %d files", predictions, files, extra={"action": "swept"})
