"""The engine on other libraries: these tests run where the library is installed, and skip elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "models" / "language"))
