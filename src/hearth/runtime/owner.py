"""Whose processes and folders are whose, also after a kill -9."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

import msgspec

SERVER, RUN = "HEARTH_SERVER", "HEARTH_RUN"


class Owner(msgspec.Struct, frozen=True):
    """A server, named by its data for good, and one run of it.

    Both stand in the environment of every process that it starts, builds as well as instances, so that the
    next run finds what this one had to leave.
    """

    server: str
    run: str

    @classmethod
    def of(cls, root: Path) -> Owner:
        """A new run of the server whose data lies at `root`."""
        return cls(hashlib.sha256(str(root.absolute()).encode()).hexdigest()[:32], secrets.token_hex(16))

    @property
    def markers(self) -> dict[str, str]:
        """Environment variables."""
        return {SERVER: self.server, RUN: self.run}

    @property
    def server_prefix(self) -> str:
        """How names of folders begin that are the server's, in this run or another."""
        return f"{self.server[:12]}-"

    @property
    def run_prefix(self) -> str:
        """How names of folders begin that are of this run."""
        return f"{self.server_prefix}{self.run[:8]}-"
