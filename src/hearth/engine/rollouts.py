"""Deployments as they are wanted, made so: what is stored is followed here, at the start and after every change.

A new release gets a lane of its own and one instance to prove itself. When that is ready the release serves and the
lane before it retires; when setup has failed PROOFS times it is given up, and the lane before it serves on.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from hearth.clock import Clock
from hearth.domain.deployment import Deployment, Release, ReleaseState
from hearth.domain.lane import Lane
from hearth.engine.planner import Planner
from hearth.engine.tasks import Tasks
from hearth.policy.backoff import store_delay
from hearth.store.base import Store

log = logging.getLogger(__name__)

PROOFS = 2
"""Setups that may fail in a row before a release is given up: the first failure may have been bad luck."""


class Rollouts:
    """`watcher.Watcher`."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        planner: Planner,
        shut: Callable[[str, str, float], None],
        warm: Callable[[str], int] = lambda id: 0,
    ) -> None:
        """`shut` ends a deployment's lanes, for the reason given, up to a release; `warm`: instances of it to keep
        ready now."""
        self._store, self._clock, self._planner, self._shut, self._warm = store, clock, planner, shut, warm
        self._known: dict[str, Deployment] = {}
        """Those that were looked after, as they were then."""
        self._one = asyncio.Lock()
        self._tasks = Tasks()

    async def start(self) -> None:
        """Take up every rollout, and start what is kept running."""
        for deployment in await self._store.deployments.wanted():
            await self._apply(deployment)

    async def close(self) -> None:
        await self._tasks.close()

    def changed(self, id: str) -> None:
        """Somebody wants it otherwise."""
        self._tasks.spawn(self._persist(lambda: self._follow(id)), f"deployment {id}")

    def lane_ready(self, lane: Lane) -> None:
        release = self._judged(lane)
        if release is not None:
            self._judge(lane, release, ReleaseState.LIVE, "its first instance was ready")

    def lane_failed(self, lane: Lane, failures: int, because: str) -> None:
        release = self._judged(lane)
        if release is not None and release.state is ReleaseState.ROLLING and failures >= PROOFS:
            self._judge(lane, release, ReleaseState.FAILED, because)

    def lane_hopeless(self, lane: Lane, because: str) -> None:
        self.lane_failed(lane, PROOFS, because)

    def lane_held(self, lane: Lane, because: str) -> None:
        release, text = self._judged(lane), f"it waits for room: {because}"
        if release is not None and release.state is ReleaseState.ROLLING and release.because != text:
            self._judge(lane, release, ReleaseState.ROLLING, text)

    def _judged(self, lane: Lane) -> Release | None:
        """The newest release, if it is this lane's and not known to be good."""
        known = self._known.get(lane.deployment_id or "")
        if known is None or known.lane(known.current).key != lane.key or known.current.state is ReleaseState.LIVE:
            return None
        return known.current

    def _judge(self, lane: Lane, release: Release, state: ReleaseState, because: str) -> None:
        level = logging.WARNING if state is ReleaseState.FAILED else logging.INFO
        log.log(
            level,
            "release %d of %s is %s: %s",
            release.number,
            lane.deployment,
            state.value,
            because,
            extra={"action": f"release_{state.value}", "deployment": lane.deployment, "release": release.number},
        )
        id = lane.deployment_id or ""

        async def judge() -> None:
            await self._store.deployments.judge(id, release.number, state, because)
            await self._follow(id)

        self._tasks.spawn(self._persist(judge), f"release {release.number} of {lane.deployment}")

    async def _persist(self, work: Callable[[], Awaitable[None]]) -> None:
        tries = 0
        while True:
            try:
                async with self._one:
                    await work()
                return
            except Exception:  # drivers raise their own; what is wanted must not get lost
                tries += 1
                log.exception("a deployment could not be followed", extra={"action": "rollout_retry"})
                await self._clock.sleep(store_delay(tries))

    async def _follow(self, id: str) -> None:
        deployment = await self._store.deployments.by_id(id)
        if deployment is None:
            self._known.pop(id, None)
            self._shut(id, "its deployment was deleted", math.inf)
        else:
            await self._apply(deployment)

    async def _apply(self, deployment: Deployment) -> None:
        self._known[deployment.id] = deployment
        current, serving = deployment.current, deployment.serving
        if current.state is ReleaseState.DISABLED:
            self._shut(deployment.id, "its deployment is disabled", current.number)
            return
        kept = set[str]()
        if serving is not None and serving.max_instances:
            kept.add(deployment.lane(serving).key)
            await self._serve(deployment, self._lane(deployment, serving), serving)
        if current.state is ReleaseState.ROLLING:
            kept.add(deployment.lane(current).key)
            await self._serve(deployment, deployment.lane(current), current, prove=True)
        elif serving is None:  # nothing better to send predictions to: each of them may try it again
            lane = replace(deployment.lane(current), minimum=0)
            kept.add(lane.key)
            await self._serve(deployment, lane, current)
        self._planner.retire(deployment.id, kept)

    def _lane(self, deployment: Deployment, release: Release) -> Lane:
        """With what a warm window keeps ready on top, as far as the release allows."""
        lane = deployment.lane(release)
        warm = min(self._warm(deployment.id), release.max_instances)
        return replace(lane, minimum=max(lane.minimum, warm))

    async def _serve(self, deployment: Deployment, lane: Lane, release: Release, *, prove: bool = False) -> None:
        version = await self._store.versions.get(release.version)
        if version is not None:
            self._planner.serve(lane, version, prove=prove)
        elif prove:
            because = "its version does not exist any more"
            await self._store.deployments.judge(deployment.id, release.number, ReleaseState.FAILED, because)
