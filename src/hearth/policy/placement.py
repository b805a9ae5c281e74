"""Where an instance goes: into free room, into the room of an idle one, or nowhere yet."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

TAKEOVER = 30.0
"""Seconds that a version may be kept out by busy instances of others before one of them, when its run ends,
makes room instead of taking its next prediction. Long, because each takeover costs a boot."""


class Resident(msgspec.Struct, frozen=True, kw_only=True):
    """An instance that takes up room."""

    id: str
    lane: str
    model: str
    busy: int = 0
    serving: bool = True
    """Ready: neither booting nor ending."""
    ending: bool = False
    idle: float = 0.0
    """Seconds without work; 0 while busy."""
    kept: bool = False
    """Its deployment wants it running: nobody else gets its room."""
    train: bool = False


class Boot(msgspec.Struct, frozen=True):
    """There is room."""


class Evict(msgspec.Struct, frozen=True):
    """End this idle instance; its room is free when it has gone."""

    instance: str
    because: str


class Hold(msgspec.Struct, frozen=True):
    """No room now; ask again when an instance becomes idle or ends."""

    because: str
    room: bool = True
    """Whether it is room that is missing."""


Placement = Boot | Evict | Hold


def place(
    lane: str, model: str, residents: Sequence[Resident], maximum: int, *, trainings: int | None = None
) -> Placement:
    """Where the next instance of `lane` goes. `trainings`: for a training, how many there may be at a time.

    1. A training, and as many run as may: hold. One place is always left to predictions, if there are two.
    2. Fewer residents than the limit: boot.
    3. One is ending already: hold, its room comes free.
    4. An idle instance of another lane that nobody keeps: evict the one that has been idle longest.
    5. All are busy, booting, kept or our own: hold.
    """
    if trainings is not None:
        most = min(trainings, max(maximum - 1, 1))
        if sum(1 for r in residents if r.train) >= most:
            running = "another training is running" if most == 1 else f"{most} other trainings are running"
            return Hold(f"{running}, as many as may at a time", room=False)
    if len(residents) < maximum:
        return Boot()
    if any(r.ending for r in residents):
        return Hold("an instance is being stopped to make room")
    idle = [r for r in residents if r.serving and not r.busy and r.lane != lane and not r.kept]
    if idle:
        victim = max(idle, key=lambda r: r.idle)
        return Evict(victim.id, f"idle for {victim.idle:.0f} s, and {model} needs the room")
    if maximum == 1:
        return Hold(f"the only instance this server may run is busy with {residents[0].model}")
    return Hold(f"all {maximum} instances that this server may run are busy")


def yields(kept_out: float, own_oldest: float, serving_for: float) -> bool:
    """Whether an instance whose run has just ended gives its room to a version that is kept out.

    `kept_out`: seconds that version has waited; `own_oldest`: seconds the instance's own next prediction has
    waited (0 if there is none); `serving_for`: seconds since the instance became ready. The longer wait wins,
    but an instance serves for as long as TAKEOVER before it may be turned out, so that two versions cannot
    boot each other away all day.
    """
    return kept_out >= TAKEOVER and kept_out > own_oldest and serving_for >= TAKEOVER
