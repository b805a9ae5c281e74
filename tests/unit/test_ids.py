"""Identifiers sort by age, and stay unguessable."""

from __future__ import annotations

import time
from unittest.mock import patch

from hearth import ids


def test_ids_of_one_moment_sort_in_the_order_they_were_made() -> None:
    with patch.object(time, "time_ns", return_value=time.time_ns()):
        made = [ids.sortable() for _ in range(2000)]
    assert made == sorted(made)
    assert len({id[-13:] for id in made}) == len(made), "their random part differs"


def test_a_clock_that_is_set_back_changes_no_order() -> None:
    before = ids.sortable()
    with patch.object(time, "time_ns", return_value=time.time_ns() - 3_600 * 10**9):
        assert ids.sortable() > before


def test_an_id_begins_with_the_milliseconds_of_its_making() -> None:
    first, made, last = time.time_ns(), ids.sortable(), time.time_ns()
    assert ids.PREDICTION_ID.match(made)
    value = 0
    for letter in made:
        value = value << 5 | "0123456789abcdefghjkmnpqrstvwxyz".index(letter)
    # The test above may have moved the clock of this process by two milliseconds.
    assert first // 10**6 <= value >> 80 <= last // 10**6 + 3
