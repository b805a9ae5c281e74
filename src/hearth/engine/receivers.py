"""Who takes webhooks, and how many each may be sent at once: one that hangs must not hold up the others.

A receiver is a scheme and a host, as URLs name them. What it may have depends on how it answered last.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum

SLOW = 1.0
"""Seconds for an answer beyond which a receiver gets no more at once than a stranger."""
KNOWN = 4096
"""Receivers that are remembered; those longest without a webhook are forgotten first."""


class Pace(IntEnum):
    """How many webhooks a receiver may be sent at once."""

    HANGS = 1
    """It did not answer the last one."""
    UNKNOWN = 2
    """It answered late, or was not asked yet."""
    QUICK = 16


PAUSES = {Pace.HANGS: 15.0, Pace.UNKNOWN: 1.0, Pace.QUICK: 0.025}
"""Seconds until what a receiver has no room for is looked at again."""


class _Receiver:
    __slots__ = ("pace", "sent")

    def __init__(self) -> None:
        self.pace = Pace.UNKNOWN
        self.sent = 0
        """On their way."""


def receiver(url: str) -> str:
    """Whose URL it is: all up to the path."""
    scheme, separator, rest = url.partition("://")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    return f"{scheme}{separator}{rest[:end]}"


class Receivers:
    def __init__(self) -> None:
        self._known: OrderedDict[str, _Receiver] = OrderedDict()

    def take(self, url: str) -> bool:
        """Whether it may be sent one more now; then `give` must follow."""
        found = self._of(url)
        if found.sent >= found.pace:
            return False
        found.sent += 1
        return True

    def give(self, url: str) -> None:
        """One is on its way no more."""
        self._of(url).sent -= 1

    def answered(self, url: str, seconds: float | None) -> None:
        """How long its answer took; None: there was none."""
        found = self._of(url)
        found.pace = Pace.HANGS if seconds is None else Pace.UNKNOWN if seconds > SLOW else Pace.QUICK

    def pause(self, url: str) -> float:
        """Seconds until there may be room."""
        return PAUSES[self._of(url).pace]

    def _of(self, url: str) -> _Receiver:
        key = receiver(url)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _Receiver()
            if len(self._known) > KNOWN:
                self._forget()
        self._known.move_to_end(key)
        return found

    def _forget(self) -> None:
        """The first that nothing is on its way to, but for the one just met."""
        for key, found in list(self._known.items())[:-1]:
            if not found.sent:
                del self._known[key]
                return
