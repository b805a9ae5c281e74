"""Instances, workers and the server die, the disk fills, setup fails and recovers: nothing acknowledged is lost.

HEARTH_TEST_SEED repeats a run that failed; `make soak` is the long version.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hearth.testing.chaos import Chaos

SEED = int(os.environ.get("HEARTH_TEST_SEED", "0")) or time.time_ns() % 1_000_000


@pytest.mark.timeout(300)
def test_whatever_goes_wrong_every_promise_is_kept(tmp_path: Path) -> None:
    print(f"HEARTH_TEST_SEED={SEED}")
    report = Chaos(tmp_path, SEED).run(20, 10, print)
    print(report)
    assert report.faults == []
    assert report.promised > 50
    assert sum(report.trouble.values()) > 10
    assert {"quick", "slow", "stream", "leak"} <= report.statuses.keys()
    assert report.statuses["quick"]["succeeded"] > 0
    assert report.statuses.get("hang", {}).keys() <= {"canceled", "failed"}
