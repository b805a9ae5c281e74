"""What an instance gets to see: composed, nothing inherited by accident."""

from __future__ import annotations

from pathlib import Path

from hearth.cog import instance
from hearth.cog.build import Environment

ENV = Environment(key="k" * 64, path=Path("/envs/k"), lock="", python_version="3.11.7", cog_version="0.23.1")


def compose(**more: object) -> dict[str, str]:
    return instance.environment(
        ENV,
        reference="predict.py:Predictor",
        port=5001,
        tmp=Path("/t"),
        out=Path("/o"),
        home=Path("/h"),
        **more,  # type: ignore[arg-type]
    )


def test_the_environment_is_first_on_path_and_coglet_loads_the_wrapper() -> None:
    variables = compose(concurrency=4)
    assert variables["PATH"].startswith("/envs/k/bin:")
    assert variables["COG_PREDICT_TYPE_STUB"] == f"{instance.WRAPPER}:Model"
    assert instance.WRAPPER.is_file()
    assert instance.command(ENV) == ["/envs/k/bin/python", str(instance.LAUNCH)]
    assert (variables["PORT"], variables["COG_MAX_CONCURRENCY"], variables["TMPDIR"]) == ("5001", "4", "/t")
    assert (variables["HEARTH_MODEL"], variables["HEARTH_MODE"]) == ("predict.py:Predictor", "predict")
    assert "COG_WEIGHTS" not in variables
    assert "HEARTH_ALIVE_FD" not in variables


def test_optional_settings_are_passed_when_given() -> None:
    variables = compose(train=True, weights="https://x/w", setup_timeout=0, alive_fd=7)
    assert variables["HEARTH_MODE"] == "train"
    assert variables["COG_WEIGHTS"] == "https://x/w"
    assert variables["COG_SETUP_TIMEOUT"] == "1"
    assert variables["HEARTH_ALIVE_FD"] == "7"


def test_the_operator_wins_over_the_model_and_the_platform_over_both() -> None:
    variables = compose(
        variables={"HF_TOKEN": "model", "MODE": "fast", "TMPDIR": "/elsewhere"},
        operator={"HF_TOKEN": "operator", "PORT": "1"},
    )
    assert (variables["HF_TOKEN"], variables["MODE"]) == ("operator", "fast")
    assert (variables["TMPDIR"], variables["PORT"]) == ("/t", "5001")


def test_only_the_allow_list_is_inherited() -> None:
    environ = {"SSL_CERT_FILE": "/c", "HTTPS_PROXY": "p", "HEARTH_BOOTSTRAP_TOKEN": "r8_x", "AWS_SECRET": "y"}
    assert instance.passed(environ) == {"SSL_CERT_FILE": "/c", "HTTPS_PROXY": "p"}
