"""What an instance of a version has been seen to take."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class FootprintKey(NamedTuple):
    version_id: str
    hardware: str
    train: bool = False


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """The most that was seen, in bytes; 0: not seen yet. Raised where memory ran out."""

    version_id: str
    hardware: str = "cpu"
    train: bool = False
    model: str
    """`owner/name`: a version that is new starts from what the one before it took."""
    at: float
    """When it last changed."""
    setup: int = 0
    """Of memory, until it was ready."""
    run: int = 0
    """Of memory, once it was ready."""
    gpu: int = 0
    """Of memory on one GPU, over its whole life."""

    @property
    def key(self) -> FootprintKey:
        return FootprintKey(self.version_id, self.hardware, self.train)

    @property
    def memory(self) -> int:
        """What a new instance has to have room for."""
        return max(self.setup, self.run)

    @property
    def serving(self) -> int:
        """What an instance that is ready takes: setup often needs more for a moment (weights that are converted)."""
        return self.run or self.setup
