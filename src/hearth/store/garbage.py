"""The port of what can go: a part of `store.base.Store`. Nothing here removes bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hearth.domain.batch import Batch


class Garbage(Protocol):
    async def nameless_files(self, ids: Sequence[str]) -> list[str]:
        """Those that are no file's id."""
        ...

    async def nameless_batches(self, ids: Sequence[str]) -> list[str]:
        """Those that are no batch's id."""
        ...

    async def nameless_environments(self, keys: Sequence[str]) -> list[str]:
        """Those that no version runs in."""
        ...

    async def condemn(self, contents: Sequence[str]) -> list[str]:
        """Of these contents (SHA-256) the ones that no version and no open build needs. From now on no build counts
        on them: their blobs may be removed, then they must be pardoned."""
        ...

    async def condemned(self, contents: Sequence[str] | None = None, limit: int = 1000) -> list[str]:
        """Of these contents, or of all there are, those whose blobs are being removed."""
        ...

    async def pardon(self, contents: Sequence[str]) -> None:
        """Their blobs are gone; whoever needs one may store it again."""
        ...

    async def abandon_builds(self, before: float, at: float, error: str, limit: int) -> int:
        """Fail those that began earlier and whose contents never came; how many."""
        ...

    async def forget_builds(self, before: float, limit: int) -> int:
        """Remove those that ended earlier, with their logs; how many."""
        ...

    async def ended_batches(self, now: float, retention: float, limit: int) -> list[Batch]:
        """Those that ended more than their account's retention ago, or `retention` where it has none."""
        ...

    async def forget_batches(self, ids: Sequence[str]) -> None:
        """Remove batches that have ended; their predictions stay."""
        ...
