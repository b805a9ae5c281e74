from __future__ import annotations

from datetime import datetime

import pytest

from hearth.clock import SystemClock, iso


def test_a_time_survives_its_way_over_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a list shows as `created_at` must find the same row as `created_after`."""
    monkeypatch.setattr("time.time", lambda: 1_750_000_000.1234567)
    monkeypatch.setattr("time.time_ns", lambda: 1_750_000_000_123_456_789)
    now = SystemClock().now()
    assert datetime.fromisoformat(iso(now)).timestamp() == now
