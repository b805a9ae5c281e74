"""`hearth doctor`: what this machine lacks to run models, and how to mend it."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from hearth import __version__
from hearth.cli.connection import Client, Failure, data_folder, find
from hearth.cli.options import Data, Json
from hearth.cli.output import out, show_json, size
from hearth.cog.interpreters import installed
from hearth.runtime import memory, zygote
from hearth.runtime.limits import Enforcer, InstanceLimits, budget
from hearth.settings import SettingsInvalid, load

KINDS = {
    "files": "blobs/files",
    "pushed sources": "blobs/sources",
    "tables of batches": "blobs/batches",
    "environments": "environments",
    "unpacked sources": "work/sources",
    "weights": "work/weights",
    "what models downloaded": "cache",
    "running instances": "run",
}
"""Folders of the data folder, and what is in them."""


class Finding(msgspec.Struct, frozen=True):
    check: str
    state: str
    """ok, warn or bad."""
    says: str
    mend: str | None = None


def doctor(
    port: Annotated[int, typer.Option(help="The port `hearth serve` would use.")] = 8700,
    json: Json = False,
    data: Data = None,
) -> None:
    """Check Python, uv, disk, ports and accelerators, and say how to mend what is wrong."""
    folder = data_folder(data)
    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _uv,
        _interpreters,
        lambda: _disk(folder),
        lambda: _contents(folder),
        lambda: _links(folder),
        lambda: _port(port),
        _memory,
        _limits,
        _boots,
        _accelerators,
        lambda: _server(data),
    )
    findings = [check() for check in checks]
    if json:
        show_json(msgspec.to_builtins(findings))
    else:
        marks = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "bad": ("✗", "red")}
        for finding in findings:
            mark, colour = marks[finding.state]
            out.print(Text(f"{mark} ", style=colour) + Text(f"{finding.check}: {finding.says}"))
            if finding.mend:
                out.print(Text(f"  → {finding.mend}"))
    if any(f.state == "bad" for f in findings):
        raise typer.Exit(1)


def _python() -> Finding:
    says = f"{platform.python_version()} at {sys.executable}, Hearth {__version__}, {platform.platform()}"
    return Finding("Python", "ok", says)


def _uv() -> Finding:
    path = uv_path()
    if path is None:
        return Finding("uv", "bad", "not found", "pip install uv, into the environment that holds hearth")
    ran = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    if ran.returncode:
        return Finding("uv", "bad", f"{path} does not run: {ran.stderr.strip()}", "pip install --force-reinstall uv")
    return Finding("uv", "ok", f"{ran.stdout.strip()} at {path}")


def uv_path() -> str | None:
    """uv beside our own interpreter, else the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def _interpreters() -> Finding:
    known = asyncio.run(installed(os.environ))
    return Finding(
        "Interpreters for models",
        "ok" if len(known) > 1 else "warn",
        ", ".join(known),
        None if len(known) > 1 else "a model that asks for another Python gets it from uv, if uv can download it",
    )


def _disk(folder: Path) -> Finding:
    existing = _existing(folder)
    usage = shutil.disk_usage(existing)
    says = f"{size(usage.free)} free of {size(usage.total)} at {folder}"
    if not os.access(existing, os.W_OK):
        return Finding("Disk", "bad", f"{existing} is not writable", "choose another folder: hearth serve --data DIR")
    if usage.free < 2 * 10**9:
        return Finding("Disk", "bad", says, "free some space: models and their environments need gigabytes")
    if usage.free < 20 * 10**9:
        return Finding("Disk", "warn", says, "enough to begin; environments with PyTorch take gigabytes each")
    return Finding("Disk", "ok", says)


def _contents(folder: Path) -> Finding:
    """What lies in the data folder, by kind."""
    if not folder.is_dir():
        return Finding("Data", "ok", f"nothing yet at {folder}")
    kinds = {name: taken(folder / path) for name, path in KINDS.items()}
    kinds["database"] = sum(file.stat().st_size for file in folder.glob("hearth.db*"))
    shown = sorted(((bytes, name) for name, bytes in kinds.items() if bytes), reverse=True)
    return Finding("Data", "ok", ", ".join(f"{name} {size(bytes)}" for bytes, name in shown) or "nothing yet")


def taken(folder: Path) -> int:
    """Bytes on disk; a file with several links counts once, and what goes meanwhile not at all."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(place, name))
            except FileNotFoundError:
                continue
            if status.st_nlink > 1:
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
            total += status.st_blocks * 512
    return total


def _links(folder: Path) -> Finding:
    cache = Path(os.environ.get("UV_CACHE_DIR") or "~/.cache/uv").expanduser()
    if _existing(cache).stat().st_dev == _existing(folder).stat().st_dev:
        return Finding("uv's cache", "ok", "on the same file system: environments share their files")
    return Finding(
        "uv's cache",
        "warn",
        f"{cache} is on another file system than {folder}: every environment is a full copy",
        f"export UV_CACHE_DIR={folder / 'uv-cache'}",
    )


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return Finding(
                "Port",
                "warn",
                f"{port} is taken ({error.strerror})",
                "fine if it is hearth; else: hearth serve --port N",
            )
    return Finding("Port", "ok", f"{port} is free")


def _memory() -> Finding:
    try:
        wanted = load().memory
    except SettingsInvalid:
        wanted = None
    there, models = memory.total(), budget(wanted)
    if there is None or models is None:
        return Finding("Memory", "warn", "unknown on this system", "say how much models may take: HEARTH_MEMORY")
    says = f"{size(there)}, of which models may take {size(models)}; {os.cpu_count()} CPUs"
    return Finding("Memory", "ok" if there > 2 * 10**9 else "warn", says)


def _limits() -> Finding:
    """What `hearth serve` would enforce with the settings as they are here, and by what."""
    try:
        settings = load()
    except SettingsInvalid as error:
        return Finding("Limits", "bad", str(error), "correct the setting")
    most = settings.instance_memory or budget(settings.memory)
    limits = InstanceLimits(memory=most, cpus=settings.instance_cpus, file_size=settings.instance_file_size)
    enforcer = Enforcer.detect(limits, "doctor", take=False)
    says = "; ".join(enforcer.told())
    if enforcer.cgroups is not None or sys.platform != "linux":
        return Finding("Limits", "ok", says)
    mend = "systemd-run --user --scope -p Delegate=yes hearth serve, or Delegate=yes in its unit"
    return Finding("Limits", "warn", says, mend)


def _boots() -> Finding:
    try:
        threshold = load().zygote_after
    except SettingsInvalid as error:
        return Finding("Boots", "bad", str(error), "correct the setting")
    if not zygote.available():
        return Finding("Boots", "ok", "instances are always started: forking them needs Linux")
    if not threshold:
        return Finding("Boots", "ok", "instances are always started: zygote_after is 0")
    return Finding("Boots", "ok", f"instances are forked where imports take {threshold:g} s of a processor or more")


def _accelerators() -> Finding:
    smi = shutil.which("nvidia-smi")
    if smi is None:
        if platform.system() == "Darwin" and platform.machine() == "arm64":
            return Finding("Accelerators", "ok", "Apple silicon (MPS)")
        return Finding("Accelerators", "ok", "none: models run on the CPU")
    query = [smi, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    ran = subprocess.run(query, capture_output=True, text=True, check=False, timeout=20)
    if ran.returncode:
        return Finding(
            "Accelerators", "warn", "nvidia-smi fails: " + ran.stdout.strip()[:200], "check the NVIDIA driver"
        )
    return Finding("Accelerators", "ok", "; ".join(ran.stdout.strip().splitlines()))


def _server(data: Path | None) -> Finding:
    try:
        connection = find(data)
    except Failure as failure:
        return Finding("Server", "warn", str(failure), failure.hint)
    try:
        with Client(connection) as client:
            account = client.call("GET", "account")
    except Failure as failure:
        return Finding("Server", "warn", str(failure), "hearth serve")
    return Finding("Server", "ok", f"{connection.url} answers; you are {account['username']}")


def _existing(path: Path) -> Path:
    """The nearest ancestor that exists."""
    while not path.exists():
        path = path.parent
    return path
