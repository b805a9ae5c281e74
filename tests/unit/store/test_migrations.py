from __future__ import annotations

import pytest

from hearth.errors import Conflict
from hearth.store.migrations import Migration, load, missing

KNOWN = [Migration(n, f"{n:04}_x.sql", "") for n in (1, 2, 3)]


def test_only_what_is_missing_runs():
    assert missing(KNOWN, 0) == KNOWN
    assert missing(KNOWN, 2) == KNOWN[2:]
    assert missing(KNOWN, 3) == []


def test_a_newer_database_is_refused_and_the_error_says_what_to_do():
    with pytest.raises(Conflict, match=r"number 4, this one knows 3") as refused:
        missing(KNOWN, 4)
    assert refused.value.hint


@pytest.mark.parametrize("package", ["hearth.store.sqlite", "hearth.store.postgres"])
def test_migrations_are_numbered_without_gaps(package: str):
    migrations = load(package)
    assert [m.number for m in migrations] == list(range(1, len(migrations) + 1))
    assert all(m.sql.strip() for m in migrations)


def test_both_adapters_take_the_same_steps():
    assert [m.name for m in load("hearth.store.sqlite")] == [m.name for m in load("hearth.store.postgres")]
