"""How long a boot will take, from how long boots took."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

from hearth.domain.boot import Boot

RECENT = 5
"""Boots that count. More would remember weights that have been downloaded since, and colder disks."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What is known, newest first."""

    version: tuple[Boot, ...] = ()
    """Boots of the version itself."""
    environment: tuple[Boot, ...] = ()
    """Boots of any version in its environment: the same libraries, other weights."""

    def with_boot(self, boot: Boot, most: int = RECENT) -> History:
        """After one more boot of the version."""
        return History(version=(boot, *self.version)[:most], environment=(boot, *self.environment)[:most])


def expected(history: History) -> float | None:
    """Seconds that a boot takes from its beginning: the median of the version's recent boots, else of its
    environment's. None if nothing is known."""
    known = _known(history)
    return median(known) if known else None


def remaining(history: History, elapsed: float) -> float | None:
    """Seconds that a boot still takes which began `elapsed` seconds ago: the median of those that took longer.
    None if nothing is known, or if it takes longer than each of them: then nobody can tell."""
    longer = [seconds for seconds in _known(history) if seconds > elapsed]
    return median(longer) - elapsed if longer else None


def _known(history: History) -> Sequence[float]:
    boots = history.version or history.environment
    return [boot.seconds for boot in boots[:RECENT]]
