"""How many instances of a model or deployment are kept warm and when, how long idle ones stay, how many may wait."""

from __future__ import annotations

import msgspec

from hearth.domain.schedule import Schedule, parse

MOST_WARM = 20
"""Instances that may be kept warm for one model or deployment."""
SHORTEST, LONGEST = 1.0, 7 * 86400.0
"""Seconds of an idle timeout."""


class Scaling(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants for one model, or for one deployment. Without it, what the server does by itself."""

    target: str
    """The id of the model or deployment."""
    version: str | None = None
    """The version of the model that is kept warm; None: its latest. A deployment keeps the release that serves."""
    warm: int = 0
    """Instances that are kept ready while the schedule is open."""
    schedule: str = ""
    """`weekdays 8-19`; empty: always."""
    zone: str = "UTC"
    idle_timeout: float | None = None
    """Seconds that an idle instance stays; None: as the server has it."""
    max_waiting: int | None = None
    """Predictions that may wait for one version; None: as the server has it."""
    changed_at: float
    changed_by: str
    """A username."""

    @property
    def windows(self) -> Schedule | None:
        """None: always open. Raises ScheduleInvalid for what this Hearth cannot read."""
        return parse(self.schedule, self.zone) if self.schedule else None

    def warm_at(self, at: float) -> int:
        """How many are kept ready at this time."""
        windows = self.windows
        return self.warm if windows is None or windows.is_open(at) else 0

    def next_change(self, at: float) -> float | None:
        """When that number changes next; None: never."""
        windows = self.windows
        return None if windows is None or not self.warm else windows.next_change(at)

    def sentence(self, at: float) -> str:
        """What is kept ready now, for people."""
        if not self.warm:
            return "nothing is kept warm"
        kept = "1 instance is" if self.warm == 1 else f"{self.warm} instances are"
        if not self.schedule:
            return f"{kept} kept warm"
        times = f"{self.schedule} ({self.zone})"
        return f"{kept} kept warm now: {times}" if self.warm_at(at) else f"{kept} kept warm at other times: {times}"
