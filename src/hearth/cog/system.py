"""build.system_packages: without containers they can't be isolated, so they have to be there already."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hearth.cog.process import execute, tail
from hearth.errors import BuildFailed

_ROOT = Path("/")
_QUERIES = {
    "dpkg-query": ["dpkg-query", "-W", "-f", "${db:Status-Status}\\n"],
    "rpm": ["rpm", "-q", "--whatprovides"],
    "apk": ["apk", "info", "-e"],
}


async def ensure(packages: Sequence[str], *, install: bool, env: Mapping[str, str], log: Callable[[str], None]) -> None:
    """Checks each package, installs the missing ones where `install` allows it. Raises BuildFailed."""
    missing = await _missing(packages, env, log)
    if not missing:
        return
    line = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
    if not install:
        raise BuildFailed(
            f"System packages are missing: {', '.join(missing)}",
            hint=f"Install them on this machine ({line}) and push again, or set install_system_packages.",
        )
    log(f"Installing system packages: {' '.join(missing)}")
    quiet = {**env, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], line.split()):
        try:
            code, text = await execute(command, env=quiet, cwd=_ROOT, log=log)
        except OSError as error:
            raise BuildFailed(f"System packages are missing: {', '.join(missing)} ({error})") from error
        if code:
            raise BuildFailed(f"`{' '.join(command)}` failed:\n{tail(text, 15)}")


async def _missing(packages: Sequence[str], env: Mapping[str, str], log: Callable[[str], None]) -> list[str]:
    tool = next((tool for tool in _QUERIES if shutil.which(tool, path=env.get("PATH"))), None)
    if tool is None:
        if packages:
            log(f"Cannot check system packages on this machine: {', '.join(packages)}")
        return []
    missing = []
    for package in packages:
        name = package.partition("=")[0].strip()
        code, text = await execute([*_QUERIES[tool], name], env=env, cwd=_ROOT, capture=True)
        if code or (tool == "dpkg-query" and "installed" not in text.split()):
            missing.append(package)
    return missing
