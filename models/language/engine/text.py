"""From tokens to text that may be shown: no half characters, and nothing of a stop sequence."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence


class Text:
    """The text of one generation, piece by piece. What may be the beginning of a stop sequence waits.

    The result does not depend on where tokens begin and end: of several stop sequences the one that is complete
    first counts.
    """

    def __init__(self, piece: Callable[[int], bytes], stop: Sequence[str] = (), *, lead: bool = True) -> None:
        """`piece` gives a token's bytes. `lead` false: a blank at the very beginning is the tokenizer's."""
        self._piece, self._stop, self._lead = piece, tuple(s for s in stop if s), lead
        # Models can make bytes that are no text: those are left out, as are halves at the end.
        self._decode = codecs.getincrementaldecoder("utf-8")("ignore").decode
        self._held = ""
        self.stopped = False
        """A stop sequence is complete: there is nothing more to come."""

    def push(self, token: int, *, may_stop: bool = True) -> str:
        """What can be shown after this token."""
        new = self._decode(self._piece(token))
        if not self._lead and new:
            new, self._lead = new.removeprefix(" "), True
        return self._cut(new, may_stop) if self._stop else new

    def finish(self) -> str:
        """What was held back, when nothing follows."""
        held, self._held = self._held, ""
        return "" if self.stopped else held

    def _cut(self, new: str, may_stop: bool) -> str:
        whole = self._held + new
        ends = ((at + len(stop), at) for stop in self._stop if (at := whole.find(stop)) >= 0)
        first = min(ends, default=None)
        if first is not None and may_stop:
            self.stopped, self._held = True, ""
            return whole[: first[1]]
        passed = 0
        while not may_stop and first is not None:  # these came too early to count
            passed = first[0]
            ends = ((at + len(stop), at) for stop in self._stop if (at := whole.find(stop, passed)) >= 0)
            first = min(ends, default=None)
        hold = self._beginning(whole[passed:])
        self._held = whole[len(whole) - hold :]
        return whole[: len(whole) - hold]

    def _beginning(self, text: str) -> int:
        """How many characters at the end may begin a stop sequence."""
        longest = min(max(map(len, self._stop)) - 1, len(text))
        for length in range(longest, 0, -1):
            tail = text[len(text) - length :]
            if any(stop.startswith(tail) for stop in self._stop):
                return length
        return 0
