"""What all tests share: nothing of the shell they were started from decides how they end."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

# How long something takes says nothing of whether it is right: a busy machine is no reason to fail.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")

SCRUBBED = ("HEARTH_", "REPLICATE_")
KEPT = ("HEARTH_TEST_",)


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Without the variables that a user of Hearth or of a client has set."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(SCRUBBED) and not name.startswith(KEPT):
                patch.delenv(name)
        yield
