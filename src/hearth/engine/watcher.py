"""What the dispatcher tells of the lanes of deployments; `rollouts.py` listens."""

from __future__ import annotations

from typing import Protocol

from hearth.domain.lane import Lane


class Watcher(Protocol):
    """Who is told how the lanes of deployments fare."""

    def lane_ready(self, lane: Lane) -> None:
        """One of its instances has become ready."""
        ...

    def lane_failed(self, lane: Lane, failures: int, because: str) -> None:
        """`failures` setups in a row have failed."""
        ...

    def lane_hopeless(self, lane: Lane, because: str) -> None:
        """It needs more than this machine has."""
        ...

    def lane_held(self, lane: Lane, because: str) -> None:
        """There is no room for the instance that is to prove it."""
        ...
