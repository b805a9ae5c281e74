"""How busy the instances of this runtime are: whoever has time to spare waits for it here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator


class Activity:
    """Counts boots, and predictions that run."""

    def __init__(self, cores: int | None = None) -> None:
        self._cores = cores or os.cpu_count() or 1
        self._boots = self._runs = 0
        self._on_change: Callable[[], None] = lambda: None

    def on_change(self, call: Callable[[], None]) -> None:
        """Called when something has ended."""
        self._on_change = call

    def spare(self) -> bool:
        """Whether nothing boots, and a core is left beside what runs."""
        return not self._boots and self._runs < self._cores

    @contextlib.contextmanager
    def booting(self) -> Iterator[None]:
        self._boots += 1
        try:
            yield
        finally:
            self._boots -= 1
            self._on_change()

    def began(self) -> None:
        self._runs += 1

    def ended(self) -> None:
        self._runs -= 1
        if self._runs == self._cores - 1:
            self._on_change()
