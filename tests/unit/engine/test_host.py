"""What is shown of an instance, from its first moment on."""

from __future__ import annotations

from hearth.domain.boot import BootPhase
from hearth.domain.lane import of_version
from hearth.domain.model import Recipe, Version
from hearth.engine.host import Grant, Host


def host() -> Host:
    version = Version(
        id="v", model_id="m", model="ada/m", created_at=1.0, cog_version="0.16.0", openapi_schema={},
        recipe=Recipe(source=(), environment="e"),
    )  # fmt: skip
    return Host("h", version, of_version("v"), "somebody waits", 1.0, 10.0, Grant())


def test_one_whose_boot_has_not_begun_is_shown() -> None:
    assert host().view(11.0).phases == ()


def test_phases_last_until_the_next_or_until_now() -> None:
    made = host()
    made.begin(BootPhase.WEIGHTS, 10.0)
    made.begin(BootPhase.SETUP, 12.0)
    assert [(lap.phase, lap.seconds) for lap in made.view(15.0).phases] == [
        (BootPhase.WEIGHTS, 2.0), (BootPhase.SETUP, 3.0),
    ]  # fmt: skip
