"""A lane as people are shown it."""

from __future__ import annotations

from hearth.domain.overview import LaneView
from hearth.engine.pool import Pool
from hearth.policy.autoscale import Decision, Load


def lane_view(pool: Pool, load: Load, decision: Decision, because: str, idle_timeout: float) -> LaneView:
    return LaneView(
        key=pool.lane.key,
        model=pool.version.model,
        version=pool.version.id,
        deployment=pool.lane.deployment,
        training=pool.lane.train,
        waiting=load.waiting,
        oldest=load.oldest,
        running=load.running,
        ready=load.ready,
        booting=load.booting,
        wanted=decision.wanted,
        minimum=load.minimum,
        maximum=load.maximum,
        idle_timeout=idle_timeout,
        failures=load.failures,
        because=because,
    )
