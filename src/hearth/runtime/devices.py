"""The accelerators of this machine. Asked once, at the start: drivers take their time to answer."""

from __future__ import annotations

import logging
import platform
import subprocess
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from hearth.domain.hardware import Device

log = logging.getLogger(__name__)

_PATIENCE = 10.0
"""Seconds that a driver's tool may take: a broken driver can hang."""


def detect() -> list[Device]:
    """By NVML where `nvidia-ml-py` is installed, else by `nvidia-smi`; Apple's own. Blocks; never raises for a
    machine that has none."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return _apple()
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return _smi()
    return _nvml(nvml)


def visible(found: Sequence[Device], text: str | None) -> list[tuple[str, Device]]:
    """Those of CUDA that the server may use, by the name that CUDA has for each. `text`: the server's own
    CUDA_VISIBLE_DEVICES; numbers are those of the driver, other names (`GPU-…`) are taken in order."""
    cuda = [(str(number), device) for number, device in enumerate(found) if not device.name.startswith("Apple")]
    if text is None or not cuda:
        return cuda
    names = [name.strip() for name in text.split(",") if name.strip()]
    if all(name.isdigit() for name in names):
        return [(name, device) for name in names for number, device in cuda if name == number]
    return [(name, device) for name, (_, device) in zip(names, cuda, strict=False)]


def _nvml(nvml: ModuleType) -> list[Device]:
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        log.debug("NVML finds no driver: %s", error)
        return []
    try:
        devices = []
        for index in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            name = nvml.nvmlDeviceGetName(handle)
            text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
            devices.append(Device(name=text, memory=int(nvml.nvmlDeviceGetMemoryInfo(handle).total)))
        return devices
    except nvml.NVMLError as error:
        log.warning("the GPUs could not be listed: %s", error, extra={"action": "devices_unknown"})
        return []
    finally:
        nvml.nvmlShutdown()


def _smi() -> list[Device]:
    printed = _printed("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
    devices = []
    for line in printed.splitlines():
        name, _, megabytes = line.rpartition(",")
        size = megabytes.strip()
        if name.strip():
            devices.append(Device(name=name.strip(), memory=int(size) * 1024**2 if size.isdigit() else 0))
    return devices


def _apple() -> list[Device]:
    name = _printed("sysctl", "-n", "machdep.cpu.brand_string").strip()
    size = _printed("sysctl", "-n", "hw.memsize").strip()
    return [Device(name=name or "Apple", memory=int(size) if size.isdigit() else 0)]


def _printed(*command: str) -> str:
    """What a tool prints, nothing if it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.debug("%s tells nothing: %s", command[0], error)
        return ""
    return done.stdout
