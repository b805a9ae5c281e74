"""How urgent a prediction is: three classes, each with the time after which it counts as the most urgent.

A class is a head start and not a rank for ever: what has waited its `AGES` goes with the interactive ones, in the
order of those moments (`policy/order.py`).
"""

from __future__ import annotations

from enum import StrEnum


class Priority(StrEnum):
    INTERACTIVE = "interactive"
    """Somebody looks on: the answer is held or streamed, or it was made in a browser."""
    NORMAL = "normal"
    BATCH = "batch"
    """Nobody waits for any single one."""

    def within(self, ceiling: Priority) -> bool:
        """Whether it is no more urgent than `ceiling`."""
        return URGENCY[self] >= URGENCY[ceiling]


URGENCY = {priority: index for index, priority in enumerate(Priority)}
AGES = {Priority.INTERACTIVE: 0.0, Priority.NORMAL: 30.0, Priority.BATCH: 600.0}
"""Seconds of waiting after which a prediction counts as interactive, so that nothing starves."""


def matures(priority: Priority, created_at: float) -> float:
    """When it counts as interactive: the order in which the queue is taken over after a restart."""
    return created_at + AGES[priority]
