"""Short names of folders.

The path of a Unix socket has room for 107 characters, and libraries make theirs in the temporary folder
(`multiprocessing.Manager`, ZeroMQ, vLLM). An instance's own is as long as that by itself.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from pathlib import Path

from hearth.runtime.owner import Owner

ROOM = 40
"""Characters of the folder of the names. A name has 20, which leaves 47 to whoever makes a socket."""


class Shortcuts:
    """Links in one folder: below `root`, where nobody tidies up what is old, or in /tmp if that is too long itself."""

    def __init__(self, root: Path, owner: Owner) -> None:
        beside, shared = root / "t", Path("/tmp")
        if len(str(beside)) > ROOM:
            beside = shared if shared.is_dir() else Path(tempfile.gettempdir())
        self._folder = beside
        self._server = f"h{owner.server[:6]}"
        self._run = f"{self._server}{owner.run[:6]}"

    def make(self, folder: Path) -> Path:
        """Another name of a folder; its own where no link can be made."""
        name = self._folder / f"{self._run}{secrets.token_hex(3)}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            name.symlink_to(folder)
        except OSError:  # a system without links, or a full disk
            return folder
        return name

    def sweep(self) -> None:
        """Remove those of earlier runs of this server."""
        for name in self._folder.glob(f"{self._server}*"):
            if name.is_symlink() and not name.name.startswith(self._run):
                with contextlib.suppress(OSError):  # another user's
                    name.unlink()
