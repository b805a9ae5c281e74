"""What an idle instance is worth: the seconds that somebody will wait when it is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

HALF = 1800.0
"""Seconds after which a use counts half."""
BURST = 10.0
"""Uses that follow one another within these seconds count as one: had the instance been gone, they would have
waited for one boot together. So a batch of a thousand does not keep its instance for hours."""
_REST = 60.0
_FEW = 0.1


class Uses(msgspec.Struct, frozen=True):
    """How often something was used, each use counting less as time goes by."""

    count: float = 0.0
    at: float = -math.inf
    """Of the last one."""

    def after(self, now: float) -> Uses:
        """With one more use."""
        return Uses(self.counted(now) + (now - self.at > BURST), now)

    def counted(self, now: float) -> float:
        return self.count * math.exp2((self.at - now) / HALF) if self.count else 0.0


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
    memory: int = 0
    """Bytes that it is to be given: at its worst, as far as seen, and no less than now."""
    gpus: tuple[int, ...] = ()
    gpu_memory: int | None = 0
    """Bytes on each of its GPUs; None: it has them whole."""
    boot: float = 1.0
    """Seconds that it takes to bring it back."""
    uses: float = 0.0
    """How often its lane was used lately: each use counts less as time goes by."""

    @property
    def loss(self) -> float:
        """What its end would cost: the time to bring it back x how often it will be wanted, by its uses so far and by
        how long it has rested. Tuned with `python -m bench packing`."""
        return self.boot * (self.uses + _FEW) / math.sqrt(self.idle + _REST)


def cheapest(residents: Sequence[Resident], amount: Callable[[Resident], int], short: float) -> list[Resident] | None:
    """Some that give `short` together for little loss; None if all of them would not do.

    Minimum knapsack by density, trying each resident as the one that completes the set: at most twice the
    smallest loss there is (Csirik, Frenk, Labbé, Zhang: Heuristics for the 0-1 min-knapsack problem, 1991).
    """
    if short <= 0:
        return []
    giving = [r for r in residents if amount(r) > 0]
    taken: list[Resident] = []
    total = 0
    best: list[Resident] | None = None
    for resident in sorted(giving, key=lambda r: (r.loss / amount(r), -r.idle)):
        if total + amount(resident) < short:
            taken.append(resident)
            total += amount(resident)
            continue
        found = _needed([*taken, resident], amount, short)
        if best is None or _loss(found) < _loss(best):
            best = found
    return best


def _needed(found: list[Resident], amount: Callable[[Resident], int], short: float) -> list[Resident]:
    """Without those that are not needed, the most valuable first."""
    total = sum(map(amount, found))
    for resident in sorted(found, key=lambda r: -r.loss):
        if total - amount(resident) >= short:
            total -= amount(resident)
            found = [r for r in found if r is not resident]
    return found


def _loss(residents: Sequence[Resident]) -> float:
    return sum(r.loss for r in residents)
