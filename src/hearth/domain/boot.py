"""A boot that succeeded: what it did, step by step, and how long each step took."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class BootPhase(StrEnum):
    """In this order; a phase ends when the next one begins."""

    WEIGHTS = "weights"
    """Source and trained weights are brought to this disk."""
    ENVIRONMENT = "environment"
    """The environment is looked up, or built again, and the private folder is furnished."""
    PROCESS = "process"
    """Processes are started, until the model's interpreter runs."""
    IMPORT = "import"
    """The model's code and its libraries are imported."""
    SETUP = "setup"
    """The model's setup() runs, until it takes predictions."""


DOES = {
    BootPhase.WEIGHTS: "its source and weights are brought to this disk",
    BootPhase.ENVIRONMENT: "its environment is made ready",
    BootPhase.PROCESS: "its processes are started",
    BootPhase.IMPORT: "it imports its libraries",
    BootPhase.SETUP: "its setup runs",
}
"""What an instance does in each phase."""


class Lap(msgspec.Struct, frozen=True):
    """How long one phase took, or has taken so far."""

    phase: BootPhase
    seconds: float


class Boot(msgspec.Struct, frozen=True, kw_only=True):
    """Of a version, in an environment."""

    version_id: str
    environment: str
    at: float
    """When it was ready."""
    laps: tuple[Lap, ...]
    forked: bool = False
    """The model's process was forked from an interpreter that had imported its libraries."""

    @property
    def seconds(self) -> float:
        return sum(lap.seconds for lap in self.laps)
