"""How many instances a version should have, booting ones included, and when one has been idle for long enough.

An instance is booted when waiting for it is the shorter wait. Three facts make up the decision: how many wait, how
long a run takes, how long a boot takes. While the line is expected to be worked off before a boot would be over,
nothing boots; and because expectations err, nobody waits on one for longer than the boot would have taken (the
break-even rule of ski rental: at worst twice the wait of somebody who knew the future). Why this cannot flap is
argued in docs/decisions, and tested in tests/unit/policy/test_autoscale.py.
"""

from __future__ import annotations

from math import ceil, floor

import msgspec

PATIENCE = 1.0
"""Seconds the oldest must have waited before a further instance is booted for a model whose runs have not been
measured yet. The first boots at once; a second one for a burst that the first would have worked off in a moment only
costs memory."""


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
    patience: float = PATIENCE
    run: float | None = None
    """Seconds that a run is expected to take; None: nobody knows yet."""
    boot: float | None = None
    """Seconds that a boot is expected to take."""
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
    6. Nobody knows how long a run takes, and the oldest has not waited long: what there is; again when it has.
    7. Those that serve are expected to have worked off the line before a boot would be over, and the oldest has not
       waited for as long as a boot takes: what there is; again when it has.
    8. As many as those can fill who will still wait then, up to the limit.
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
    known = load.run is not None and load.boot is not None
    enough = max(load.patience, load.boot or 0.0) if known else load.patience
    left = load.waiting
    if load.oldest < enough:
        if not known:
            return Decision(wanted=present, because=_serving(load), again=enough - load.oldest)
        left -= _served(load)
        if left <= load.booting * slots:
            because = f"{_serving(load)}, and free sooner than another would boot"
            return Decision(wanted=present, because=because, again=enough - load.oldest)
    useful = min(load.ready + ceil(left / slots), ceil((load.running + load.waiting) / slots))
    wanted = max(present, min(load.maximum, useful))
    return Decision(wanted=wanted, because=f"{load.waiting} waiting, the oldest for {load.oldest:.0f} s")


def _served(load: Load) -> int:
    """How many will be given a slot while one more would boot: each slot is on average half through its run."""
    if not load.run or load.boot is None:
        return load.waiting
    return floor(load.ready * max(load.slots, 1) * (load.boot / load.run + 0.5))


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
