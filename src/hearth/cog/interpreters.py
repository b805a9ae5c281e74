"""Finds a Python of the wanted minor version that really runs.

pyenv puts a `python3.12` on PATH that fails unless that version is selected, so every candidate is executed
before it is believed (cog-runtime.md 12).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from hearth.cog.config import PYTHON_VERSIONS
from hearth.cog.process import execute
from hearth.errors import BuildFailed

_ASK = "import sys; print('%d.%d.%d' % sys.version_info[:3])"


class Interpreter(NamedTuple):
    path: Path
    version: str
    """`3.11.7`."""


def default_version() -> str:
    """What a cog.yaml without python_version gets: this platform's own, if Cog runs on it."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return own if own in PYTHON_VERSIONS else PYTHON_VERSIONS[-1]


async def find(version: str, *, uv: str, env: Mapping[str, str], download: bool = True) -> Interpreter:
    """A working interpreter of `3.11`; as a last resort uv downloads one. Raises BuildFailed."""
    home = Path(env.get("HOME", "/"))
    for candidate in _candidates(version, home, env.get("PATH", os.defpath)):
        if found := await _try(candidate, version, env):
            return found
    code, text = await execute([uv, "python", "find", "--no-project", version], env=env, cwd=Path("/"), capture=True)
    if code and download:
        code, _ = await execute([uv, "python", "install", version], env=env, cwd=Path("/"), capture=True)
        if not code:
            code, text = await execute(
                [uv, "python", "find", "--no-project", version], env=env, cwd=Path("/"), capture=True
            )
    if not code and (found := await _try(Path(text.strip()), version, env)):
        return found
    others = await installed(env)
    raise BuildFailed(
        f"Python {version} is not installed here and could not be downloaded.",
        hint=f"Found: {', '.join(others) or 'none'}. Install Python {version}, or change build.python_version.",
    )


async def installed(env: Mapping[str, str]) -> list[str]:
    """The versions that Cog runs on and that work here, as `3.11.7 (path)`."""
    home, path = Path(env.get("HOME", "/")), env.get("PATH", os.defpath)

    async def first(version: str) -> Interpreter | None:
        for candidate in _candidates(version, home, path):
            if found := await _try(candidate, version, env):
                return found
        return None

    found = await asyncio.gather(*(first(version) for version in PYTHON_VERSIONS))
    return [f"{one.version} ({one.path})" for one in found if one is not None]


def _candidates(version: str, home: Path, path: str) -> Iterator[Path]:
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == version:
        yield Path(sys.executable)
    for folder in path.split(os.pathsep):
        if found := shutil.which(f"python{version}", path=folder or "."):
            yield Path(found)
    versions = home / ".pyenv" / "versions"
    if versions.is_dir():
        matching = [entry for entry in versions.iterdir() if entry.name.startswith(f"{version}.")]
        for entry in sorted(matching, key=_patch, reverse=True):
            yield entry / "bin" / "python"


def _patch(entry: Path) -> int:
    digits = entry.name.rsplit(".", 1)[-1]
    return int(digits) if digits.isdigit() else -1


async def _try(path: Path, version: str, env: Mapping[str, str]) -> Interpreter | None:
    try:
        code, text = await execute([path, "-c", _ASK], env=env, cwd=Path("/"), capture=True, timeout=20)
    except (OSError, TimeoutError):
        return None
    full = text.strip()
    return Interpreter(path, full) if not code and full.rpartition(".")[0] == version else None
