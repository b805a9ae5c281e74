"""`[hardware.SKU]` in hearth.toml, and HEARTH_HARDWARE."""

from __future__ import annotations

from pathlib import Path

import pytest

from hearth.compose import _stated
from hearth.domain.hardware import CPU, priced
from hearth.settings import HardwareSetting, SettingsInvalid, load


def test_hardware_is_set_in_the_file(tmp_path: Path) -> None:
    tmp_path.joinpath("hearth.toml").write_text(
        '[hardware.cpu]\nname = "Old box"\n[hardware.cpu-small]\nhidden = true\n'
    )
    settings = load({"data": str(tmp_path)}, environ={})
    given = {sku: _stated(setting) for sku, setting in settings.hardware.items()}
    assert [(h.sku, h.name, h.price) for h in priced(CPU, given)] == [("cpu", "Old box", 0.0)]


def test_hardware_is_set_by_the_environment(tmp_path: Path) -> None:
    settings = load({"data": str(tmp_path)}, environ={"HEARTH_HARDWARE": '{"gpu-x": {"price": 0.5}}'})
    assert settings.hardware == {"gpu-x": HardwareSetting(price=0.5)}


@pytest.mark.parametrize("text", ["gpu", '{"gpu-x": {"cost": 1}}', '{"gpu-x": {"price": "much"}}', "[]"])
def test_what_is_wrong_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsInvalid):
        load({"data": str(tmp_path)}, environ={"HEARTH_HARDWARE": text})
