"""How much GPU memory processes take, by NVML. Nothing is known where `nvidia-ml-py` is not installed, where the
driver does not tell (some virtual GPUs), or where it tells pids of another namespace than ours (some containers)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from importlib import import_module
from types import ModuleType

log = logging.getLogger(__name__)


def reader(nvml: ModuleType | None = None) -> Callable[[Collection[int]], int]:
    """What tells the bytes that some processes take on the fullest GPU; 0 where nobody knows. It blocks for about
    a millisecond, and never raises."""
    try:
        nvml = nvml or import_module("pynvml")
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    except ImportError:
        return _nothing
    except nvml.NVMLError as error:  # type: ignore[union-attr]
        log.debug("NVML finds no driver: %s", error)
        return _nothing
    found = nvml

    def read(pids: Collection[int]) -> int:
        try:
            return max((_on(found, handle, pids) for handle in handles), default=0)
        except found.NVMLError as error:
            log.debug("GPU memory is unknown: %s", error)
            return 0

    return read if handles else _nothing


def _on(nvml: ModuleType, handle: object, pids: Collection[int]) -> int:
    taken: dict[int, int] = {}
    for running in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        for process in running(handle):
            if process.pid in pids and process.usedGpuMemory is not None:
                taken[process.pid] = max(taken.get(process.pid, 0), int(process.usedGpuMemory))
    return sum(taken.values())


def _nothing(pids: Collection[int]) -> int:
    return 0
