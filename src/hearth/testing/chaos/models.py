"""The models of the mixed load, each of them one file of source."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from hearth.cli.push import push

SICK = "HEARTH_CHAOS_SICK"
"""Names the file to a model whose setup fails for as long as it exists."""

_BEGIN = "import os, sys, time\nfrom cog import BaseRunner, ConcatenateIterator, Input\n\n\n"

SOURCES = {
    "quick": "class Predictor(BaseRunner):\n    def run(self, key: str) -> str:\n        return key\n",
    "slow": """class Predictor(BaseRunner):
    def run(self, key: str, seconds: float = 0.2) -> str:
        time.sleep(seconds)
        return key
""",
    "stream": """class Predictor(BaseRunner):
    def run(self, key: str) -> ConcatenateIterator[str]:
        for n in range(8):
            time.sleep(0.02)
            yield f"{key} {n}\\n"
""",
    "crash": """class Predictor(BaseRunner):
    def run(self, key: str, how: str = "answer") -> str:
        if how == "kill":
            os.kill(os.getpid(), 9)
        if how == "exit":
            os._exit(3)
        if how == "raise":
            raise ValueError(key)
        return key
""",
    "leak": """class Predictor(BaseRunner):
    def setup(self):
        self.kept = []

    def run(self, key: str) -> str:
        self.kept.append(bytearray(os.urandom(1024) * 4096))
        return key
""",
    "hang": """class Predictor(BaseRunner):
    def run(self, key: str) -> str:
        while True:
            try:
                time.sleep(60)
            except BaseException:
                print("no")
""",
    "moody": f"""class Predictor(BaseRunner):
    def setup(self):
        if os.path.exists(os.environ["{SICK}"]):
            raise RuntimeError("not today")

    def run(self, key: str) -> str:
        return key
""",
}


def push_all(data: Path, scratch: Path) -> dict[str, str]:
    """Push them to the server of this data folder; version ids by name."""
    versions = {}
    for name, source in SOURCES.items():
        folder = scratch / name
        folder.mkdir(parents=True)
        folder.joinpath("cog.yaml").write_text('build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n')
        folder.joinpath("predict.py").write_text(_BEGIN + source)
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(io.StringIO()):
            push(folder, f"admin/{name}", create=True, public=False, json=True, data=data)
        versions[name] = json.loads(said.getvalue())["version"]
    return versions
