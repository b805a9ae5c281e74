"""GPU memory by process, as drivers tell it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hearth.domain.hardware import Device
from hearth.runtime import gpus
from hearth.runtime.devices import visible

GB = 10**9


class NVMLError(Exception):
    pass


class Nvml:
    """Two cards and what runs on them: (card, pid, bytes or None)."""

    NVMLError = NVMLError

    def __init__(self, *running: tuple[int, int, int | None], fail: str = "") -> None:
        self.running, self.fail = running, fail

    def nvmlInit(self) -> None:
        if self.fail == "init":
            raise NVMLError

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        if self.fail == "processes":
            raise NVMLError
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for card, pid, used in self.running if card == handle]

    nvmlDeviceGetGraphicsRunningProcesses = nvmlDeviceGetComputeRunningProcesses
    """A process that computes and draws is listed twice, with the same bytes."""


def test_the_fullest_card_counts() -> None:
    read = gpus.reader(Nvml((0, 7, 3 * GB), (0, 8, 2 * GB), (1, 7, 4 * GB), (0, 99, 50 * GB)))  # type: ignore[arg-type]
    assert read([7, 8]) == 5 * GB
    assert read([5]) == 0


@pytest.mark.parametrize("nvml", [Nvml((0, 7, None)), Nvml((0, 7, GB), fail="processes"), Nvml(fail="init")])
def test_what_the_driver_does_not_tell_is_unknown(nvml: Any) -> None:
    assert gpus.reader(nvml)([7]) == 0


CARDS = [Device(name="NVIDIA H100", memory=80), Device(name="NVIDIA L40S", memory=48)]


@pytest.mark.parametrize(
    ("text", "names"),
    [(None, ["0", "1"]), ("1", ["1"]), ("1,0", ["1", "0"]), ("", []), ("GPU-aa,GPU-bb", ["GPU-aa", "GPU-bb"])],
)
def test_only_the_cards_that_the_server_may_use_count(text: str | None, names: list[str]) -> None:
    assert [name for name, _ in visible(CARDS, text)] == names


def test_apples_are_none_of_cudas() -> None:
    assert visible([Device(name="Apple M3", memory=16)], None) == []
