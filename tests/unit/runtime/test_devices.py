"""What the drivers say, whatever there is of them."""

from __future__ import annotations

import platform
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

from hearth.domain.hardware import Device
from hearth.runtime import devices


class NVMLError(Exception):
    pass


class Nvml(SimpleNamespace):
    """A driver with two cards; `fail` raises at that call."""

    NVMLError = NVMLError

    def __init__(self, fail: str = "") -> None:
        super().__init__(fail=fail, open=False)

    def _call(self, name: str) -> None:
        if self.fail == name:
            raise NVMLError(name)

    def nvmlInit(self) -> None:
        self._call("init")
        self.open = True

    def nvmlShutdown(self) -> None:
        self.open = False

    def nvmlDeviceGetCount(self) -> int:
        self._call("count")
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes | str:
        return b"NVIDIA H100" if handle else "NVIDIA L40S"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return SimpleNamespace(total=48 + handle)


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")


def given(monkeypatch: pytest.MonkeyPatch, nvml: Any, printed: Any = None) -> None:
    def load(name: str) -> Any:
        if nvml is None:
            raise ImportError(name)
        return nvml

    def run(command: Any, **options: Any) -> Any:
        if isinstance(printed, Exception):
            raise printed
        return SimpleNamespace(stdout=printed)

    monkeypatch.setattr(devices, "import_module", load)
    monkeypatch.setattr(subprocess, "run", run)


def test_nvml_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = Nvml()
    given(monkeypatch, nvml)
    assert devices.detect() == [Device(name="NVIDIA L40S", memory=48), Device(name="NVIDIA H100", memory=49)]
    assert nvml.open is False


@pytest.mark.parametrize("fail", ["init", "count"])
def test_a_driver_that_fails_has_no_devices(monkeypatch: pytest.MonkeyPatch, fail: str) -> None:
    nvml = Nvml(fail)
    given(monkeypatch, nvml)
    assert devices.detect() == []
    assert nvml.open is False


def test_without_nvml_its_tool_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, None, "NVIDIA A10, 24\nNVIDIA, odd, [N/A]\n\n")
    assert devices.detect() == [Device(name="NVIDIA A10", memory=24 * 1024**2), Device(name="NVIDIA, odd", memory=0)]


@pytest.mark.parametrize("error", [FileNotFoundError("nvidia-smi"), subprocess.TimeoutExpired("nvidia-smi", 1)])
def test_a_machine_without_any_has_none(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    given(monkeypatch, None, error)
    assert devices.detect() == []


def test_apple_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, None, "Apple M2\n")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert devices.detect() == [Device(name="Apple M2")]
