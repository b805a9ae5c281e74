"""What is added to the requirements before they are resolved."""

from __future__ import annotations

from pathlib import Path

import pytest

from hearth.cog.build import Environments
from hearth.cog.config import CogConfig, RunStep

ENVIRON = {"PATH": "/bin", "PIP_FIND_LINKS": "/wheels /more", "AWS_SECRET": "x"}
LINKS = ["--find-links /wheels", "--find-links /more"]


@pytest.mark.parametrize(
    ("config", "added"),
    [
        (CogConfig(requirements=("torch==2.1",)), LINKS),
        (CogConfig(requirements=("torch",)), LINKS),
        (CogConfig(requirements=("torch==2.1",), gpu=True), []),
        (CogConfig(requirements=("torchmetrics",)), []),
        (CogConfig(requirements=("numpy",)), []),
        (CogConfig(requirements=("numpy",), run=(RunStep(command="pip install x"),)), ["pip"]),
    ],
)
def test_cpu_wheels_and_pip_are_added_where_they_are_needed(
    tmp_path: Path, config: CogConfig, added: list[str]
) -> None:
    environments = Environments(tmp_path, uv="uv", environ=ENVIRON)
    assert environments._lines(config) == [*config.requirements, *added]


def test_without_a_gpu_a_model_that_wants_one_is_built_for_the_processor(tmp_path: Path) -> None:
    environments = Environments(tmp_path, uv="uv", environ=ENVIRON, has_gpu=False)
    assert environments._lines(CogConfig(requirements=("torch==2.1",), gpu=True)) == ["torch==2.1", *LINKS]


def test_only_package_and_certificate_settings_reach_a_build(tmp_path: Path) -> None:
    environments = Environments(tmp_path, uv="uv", environ={**ENVIRON, "UV_INDEX_URL": "i", "UV_TARGET": "t"})
    assert set(environments._env) == {
        "PATH",
        "PIP_FIND_LINKS",
        "UV_INDEX_URL",
        "NO_COLOR",
        "UV_NO_PROGRESS",
        "UV_NO_CONFIG",
    }
