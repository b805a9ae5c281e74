"""How long to wait before trying again what failed."""

from __future__ import annotations

BOOT = (0.0, 2.0, 5.0, 15.0, 30.0, 60.0)
"""Seconds after the n-th failed setup in a row. After the first one the next prediction gets a fresh try at
once: the reason may have been bad luck (a download that broke). After that a broken model must not keep the
machine busy."""

DEATH = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Seconds after the n-th instance in a row that died under a prediction. Short, because each such death has cost a
prediction its run, so there are no more of them than callers ask for; and others wait for the same version."""

STORE = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between tries of a write that the database refused."""


def boot_delay(failures: int) -> float:
    """Seconds from the last failed setup to the next boot; `failures` in a row, at least one."""
    return BOOT[min(failures, len(BOOT)) - 1]


def death_delay(deaths: int) -> float:
    """Seconds from the last death under a prediction to the next boot; `deaths` in a row, at least one."""
    return DEATH[min(deaths, len(DEATH)) - 1]


def store_delay(tries: int) -> float:
    """Seconds before the next try after `tries` failed ones, at least one."""
    return STORE[min(tries, len(STORE)) - 1]
