"""When a lane is given up, and how long it rests before that: what its instances died of, counted.

Two kinds of failure are told apart. A setup that fails, or an instance that dies without having been given any work,
says that the version itself is broken: after LIMIT of them in a row nothing is tried any more until somebody says so.
An instance that dies under a prediction says so of that prediction just as well, and whoever may send predictions
must not be able to take a version from everybody else: those deaths only make for short pauses.
"""

from __future__ import annotations

import msgspec

from hearth.policy.backoff import boot_delay, death_delay

LIMIT = 5
"""Setups that may fail in a row, and instances that may die idle. With the pauses between them that takes 50 s."""


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Since the last thing that went well."""

    setups: int = 0
    """Failed in a row."""
    deaths: int = 0
    """Instances in a row that died before one came through a run."""
    idle: int = 0
    """Those of them that had no work."""

    @property
    def broken(self) -> bool:
        return max(self.setups, self.idle) >= LIMIT

    @property
    def pause(self) -> float:
        """Seconds from the last failure to the next boot."""
        broken = max(self.setups, self.idle)
        return max(boot_delay(broken) if broken else 0.0, death_delay(self.deaths) if self.deaths else 0.0)

    def setup_failed(self) -> Faults:
        return Faults(setups=self.setups + 1, deaths=self.deaths, idle=self.idle)

    def ready(self) -> Faults:
        """A setup went well; that it stays alive is yet to be seen."""
        return Faults(deaths=self.deaths, idle=self.idle) if self.setups else self

    def died(self, *, working: bool) -> Faults:
        return Faults(setups=self.setups, deaths=self.deaths + 1, idle=self.idle + (not working))


NONE = Faults()
