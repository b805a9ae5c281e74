"""A lane that is given up: its setup failed too often, and is tried again when somebody says so."""

from __future__ import annotations

import msgspec

LOGS = 16 * 1024
"""Characters of the log that are kept, from its end."""


class Breakdown(msgspec.Struct, frozen=True, kw_only=True):
    lane: str
    """The key of the lane."""
    version_id: str
    model: str
    """`owner/name`."""
    deployment: str | None = None
    """`owner/name`."""
    because: str
    """What happened last, as a sentence."""
    logs: str = ""
    """The last lines that were printed before."""
    failures: int
    """In a row."""
    at: float

    @property
    def sentence(self) -> str:
        """What a prediction is told that it is for."""
        again = f"push the model again, or ask for another try: hearth models retry {self.model}:{self.version_id[:12]}"
        times = f"That was the {_ordinal(self.failures)} time in a row, so it is not tried again"
        return f"{self.because.rstrip('.')}. {times}: {again}"


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"
