"""How many instances a version should have, booting ones included, and when one has been idle for long enough.

A further instance is booted when it is expected to have more to run than its boot takes: what waits now, less what
the present ones will have taken on by then, shared among all of them. So a boot pays for itself, and a line that is
worked off before a boot would be over boots nothing. Expectations err; but a run that goes on for longer than expected
is expected to go on for as long again, so that whoever waits behind it is helped after two boots' time. Why none of
this can flap is argued in docs/decisions/0016-scale.md and tested in tests/unit/policy/test_no_flapping.py.
"""

from __future__ import annotations

from math import ceil, floor

import msgspec

PATIENCE = 1.0
"""Seconds after which a line that waits is looked at again, at least."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One version, as it is now."""

    waiting: int
    running: int
    ready: int
    """Instances that serve, busy or not."""
    booting: int
    slots: int = 1
    """Predictions that one instance runs at the same time, as far as known."""
    minimum: int = 0
    """Instances that are kept whether somebody waits or not."""
    maximum: int = 1
    alone: bool = False
    """Each takes an instance of its own (trainings)."""
    run: float | None = None
    """Seconds that a run is expected to take; None: nobody knows yet."""
    running_for: float = 0.0
    """Seconds that each of those that run has been running at least."""
    boot: float | None = None
    """Seconds that a boot is expected to take; None: nobody knows yet."""
    oldest: float = 0.0
    """Seconds that the oldest has waited."""
    blocked: float = 0.0
    """Seconds until the next boot is allowed after failed ones."""
    failures: int = 0
    """Setups that failed in a row."""
    deaths: int = 0
    """Instances that died in a row before one came through a run."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """How many instances should exist, booting ones included, and why."""

    wanted: int
    because: str
    again: float | None = None
    """Ask again after this many seconds, even if nothing happened."""


def decide(load: Load) -> Decision:
    """The decision for one version. It never wants fewer than there are: instances end by being idle.

    1. Nobody waits: what there is, or the minimum.
    2. The last boots failed and the pause is not over: what there is; again then.
    3. There is none: one, at once.
    4. The limit is reached: what there is.
    5. Those that boot will take all who wait: what there is.
    6. No instance of it has ever been ready, so nobody knows whether a second one pays: what there is.
    7. As many as will have more to run than their boot takes, up to the limit; again in a while.
    """
    present = load.ready + load.booting
    short = load.minimum - present
    if not load.waiting and short <= 0:
        return Decision(wanted=present, because=_kept(load.minimum) if load.minimum else "nobody waits")
    if load.blocked > 0:
        count = load.failures or load.deaths
        times = "once" if count == 1 else f"{count} times in a row"
        what = "its setup failed" if load.failures else "its instance died"
        return Decision(
            wanted=present,
            because=f"{what} {times}; the next try is in {ceil(load.blocked)} s",
            again=load.blocked,
        )
    if short > 0:
        again = PATIENCE if load.waiting else None
        return Decision(wanted=load.minimum, because=_kept(load.minimum), again=again)
    if present == 0:
        return Decision(wanted=1, because="the first instance boots")
    if present >= load.maximum:
        return Decision(wanted=present, because=_full(load))
    slots = max(load.slots, 1)
    if load.waiting <= load.booting * slots:
        return Decision(wanted=present, because=_booting(load.booting))
    if load.boot is None and not load.ready and not load.alone:
        return Decision(wanted=present, because=_booting(load.booting))
    wanted = max(present, min(load.maximum, load.waiting + load.ready if load.alone else _useful(load, slots)))
    if wanted > present:
        return Decision(wanted=wanted, because=f"{load.waiting} waiting, the oldest for {load.oldest:.0f} s")
    because = f"{_serving(load)}, and the line is too short to boot another for it"
    return Decision(wanted=present, because=because, again=max(PATIENCE, (load.boot or 0.0) / 2))


def _useful(load: Load, slots: int) -> int:
    """How many instances will each have more to run than a boot takes, once that is over.

    Until then each slot of those that serve takes on one more per run; of those that boot, from half of the time on.
    While all that run have gone on for longer than expected, none is counted on. Where a run takes as long as two
    boots, everybody who will still wait is worth a slot.
    """
    run, boot = max(load.run or 0.0, load.running_for), load.boot or 0.0
    if run <= 0:
        return 0  # as far as anybody knows, the line is gone in a moment
    left = load.waiting
    if load.running_for <= (load.run or 0.0):
        left -= floor(min(slots * (load.ready + load.booting / 2) * boot / run, left))
    if left <= 0:
        return 0
    most = min(load.ready + ceil(left / slots), ceil((load.running + load.waiting) / slots))
    return most if run >= 2 * boot else floor(min(left * run / (boot * slots), most))


def ends(idle: float, timeout: float, waiting: int) -> bool:
    """Whether an instance that has been idle for `idle` seconds should be stopped."""
    return idle >= timeout and not waiting


def _kept(minimum: int) -> str:
    return "1 instance is kept running" if minimum == 1 else f"{minimum} instances are kept running"


def _full(load: Load) -> str:
    if load.booting and not load.ready:
        return _booting(load.booting)
    return f"{_serving(load)} (limit {load.maximum} for one version)"


def _booting(booting: int) -> str:
    return "an instance is booting" if booting == 1 else f"{booting} instances are booting"


def _serving(load: Load) -> str:
    if not load.ready:
        return _booting(load.booting)
    busy = "its instance is busy" if load.ready == 1 else f"all {load.ready} instances are busy"
    return f"{busy}, {_booting(load.booting)}" if load.booting else busy
