"""Requirement lines as uv takes them, out of a list in cog.yaml or a requirements file.

Dropped, with a warning: cog and coglet (the platform brings its own) and `-e .` (the source is not there
when the environment is built). Kept: every other line and option, in order.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from hearth.errors import ConfigInvalid

_COMMENT = re.compile(r"(^|\s+)#.*$")
_OWN = re.compile(r"^(cog|coglet)\s*(\[[^\]]*\])?\s*($|[=<>!~@;])", re.IGNORECASE)
_EDITABLE = re.compile(r"^(-e|--editable)(\s|=)")
_INCLUDE = re.compile(r"^(?:-r|--requirement)(?:\s+|=)(\S+)$")
_LOCAL = re.compile(r"^(?:\.{0,2}/)?[^\s:@]+\.(?:whl|tar\.gz|zip|tar\.bz2)$|^\.{1,2}(?:/\S*)?$")
_LOCAL_OPTION = re.compile(r"^(-c|--constraint|-f|--find-links)(\s+|=)(\S+)$")


def clean(lines: Iterable[str], warnings: list[str]) -> tuple[str, ...]:
    """The lines worth installing. Appends to `warnings` what was left out."""
    kept = []
    for line in _joined(lines):
        if _OWN.match(line):
            warnings.append(f"requirement `{line}` ignored: the platform installs its own cog")
        elif _EDITABLE.match(line):
            warnings.append(f"requirement `{line}` ignored: the source is not present at build time")
        else:
            kept.append(line)
    return tuple(kept)


def read(file: Path, folder: Path, warnings: list[str]) -> tuple[str, ...]:
    """The requirements file with what it includes; local paths rewritten to start at `folder`."""
    return clean(_expanded(file, folder.resolve(), ()), warnings)


def local_paths(lines: Iterable[str], folder: Path) -> list[Path]:
    """The files and folders under `folder` that lines refer to: their bytes are part of the requirements."""
    found = []
    for line in lines:
        option = _LOCAL_OPTION.match(line)
        name = option[3] if option else line if _LOCAL.match(line) else None
        if name is not None and "://" not in name and (folder / name).exists():
            found.append(folder / name)
    return found


def _joined(lines: Iterable[str]) -> Iterator[str]:
    pending = ""
    for raw in lines:
        line = raw.rstrip("\r\n")
        if line.rstrip().endswith("\\") and not line.lstrip().startswith("#"):
            pending += line.rstrip()[:-1].strip() + " "
            continue
        whole = _COMMENT.sub("", pending + line.strip()).strip()
        pending = ""
        if whole:
            yield whole
    if pending.strip():
        yield pending.strip()


def _expanded(file: Path, folder: Path, seen: tuple[Path, ...]) -> Iterator[str]:
    path = file.resolve()
    if path in seen:
        raise ConfigInvalid("includes itself", file=file.name)
    if not path.is_relative_to(folder):
        raise ConfigInvalid(f"{file.name} lies outside the model's folder", key="build.python_requirements")
    if not path.is_file():
        raise ConfigInvalid(f"{file.name} does not exist in the model's folder", file=seen[-1].name)
    base = path.parent
    for line in _joined(path.read_text(encoding="utf-8").splitlines()):
        include = _INCLUDE.match(line)
        if include is not None:
            yield from _expanded(base / include[1], folder, (*seen, path))
        else:
            yield _relocated(line, base, folder)


def _relocated(line: str, base: Path, folder: Path) -> str:
    if base == folder:
        return line
    prefix = base.relative_to(folder).as_posix()
    option = _LOCAL_OPTION.match(line)
    if option and "://" not in option[3] and not option[3].startswith("/"):
        return f"{option[1]}{option[2]}{prefix}/{option[3]}"
    return f"./{posixpath.normpath(f'{prefix}/{line}')}" if _LOCAL.match(line) and not line.startswith("/") else line
