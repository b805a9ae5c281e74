"""Where the figures of a suite go: `bench/results/SUITE-TIME.json`, with the versions that they are true of."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hearth import __version__

FOLDER = Path(__file__).parent / "results"


def write(suite: str, figures: Mapping[str, Any]) -> Path:
    """The file. An empty `suite` is the one that `make bench` runs."""
    at = datetime.now(UTC)
    result = {
        "at": at.isoformat(timespec="seconds"),
        "hearth": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **figures,
    }
    path = FOLDER / f"{suite}{'-' if suite else ''}{at:%Y-%m-%d-%H%M}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path
