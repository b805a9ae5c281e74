"""Migrations: the numbered `.sql` files beside each adapter, and which of them a database still needs."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import NamedTuple

from hearth.errors import Conflict

_NAME = re.compile(r"^(\d{4})_\w+\.sql$")


class Migration(NamedTuple):
    number: int
    name: str
    sql: str


def load(package: str) -> list[Migration]:
    """The migrations in `package`, in order. A file that is edited after its release never runs again: add one."""
    found = [
        Migration(int(match[1]), entry.name, entry.read_text(encoding="utf-8"))
        for entry in files(package).joinpath("migrations").iterdir()
        if (match := _NAME.match(entry.name))
    ]
    return sorted(found)


def missing(known: list[Migration], applied: int) -> list[Migration]:
    """What to run on a database whose newest applied number is `applied` (0: none).

    Raises Conflict for a database that a newer Hearth has migrated: older code could damage it.
    """
    newest = known[-1].number
    if applied > newest:
        raise Conflict(
            f"The database was written by a newer Hearth: its schema is number {applied}, this one knows {newest}.",
            hint="Start the newer Hearth again, or restore a backup made before the upgrade.",
        )
    return [migration for migration in known if migration.number > applied]
