"""When a text's words are told.

Each word that is told costs four processes and a network something, and the shortest steps take 2 ms: telling every
token by itself would cost much that nobody sees. So words that come fast are told together. A beginning and an end wait
for nothing, and the first words come nearly one by one.
"""

from __future__ import annotations

from .job import Piece

PACE = 0.02
"""Seconds that a word waits at most for the next ones: fifty times a second is as often as anybody looks."""
SHARE = 0.5
"""And no longer than this part of the time since the text began."""
MOST = 2000
"""Times a second that words of all texts together are told. Beyond, whoever hands them on would hold up the model."""


class Telling:
    """The words of one text that were not told yet. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._held: Piece | None = None
        self._began: float | None = None
        self._last = 0.0

    def add(self, piece: Piece) -> None:
        self._held = piece if self._held is None else piece._replace(text=self._held.text + piece.text)

    @property
    def urgent(self) -> bool:
        """It begins, or ends."""
        return self._held is not None and (self._began is None or self._held.ended is not None)

    def due(self, now: float, *, beside: int, crowded: bool = False) -> bool:
        """`beside`: how many texts are being made. `crowded`: there is something urgent to tell of another one, which
        is sooner heard alone."""
        if self._held is None or self._began is None:
            return False
        wait = min(max(PACE, beside / MOST), SHARE * (self._last - self._began))
        return now - self._last >= (wait + PACE if crowded else wait)

    def take(self, now: float) -> Piece | None:
        """What there is to tell; it is told now."""
        piece, self._held = self._held, None
        if piece is not None:
            self._last = now
            if self._began is None and piece.text:
                self._began = now
        return piece
