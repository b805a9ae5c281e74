"""The engine on other libraries: these tests run where the library is installed, and skip elsewhere.

torch is not in Hearth's own environment: it is 800 MB. In one that has it, transformers and pillow, and jinja2,
llguidance, tokenizers, hypothesis, pytest, pytest-asyncio:
`python -m pytest -c /dev/null --rootdir . -o asyncio_mode=auto --import-mode=importlib FILE`, at the root.

`test_torch_packages.py` is run in Hearth's own: it pushes, and uv makes the environment (docs/language-models.md).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "models" / "language"))
