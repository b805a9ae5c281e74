"""Settings: defaults, then hearth.toml, then variables, then flags; and words for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from hearth.settings import Settings, SettingsInvalid, load


def write(folder: Path, text: str) -> Path:
    (folder / "hearth.toml").write_text(text)
    return folder


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    settings = load({"data": tmp_path}, environ={})
    assert settings == Settings(data=tmp_path)
    assert (settings.host, settings.port, settings.tls) == ("127.0.0.1", 8700, True)


def test_the_nearer_source_wins(tmp_path: Path) -> None:
    write(tmp_path, 'port = 1\nhost = "10.0.0.1"\nidle_timeout = 5\n')
    settings = load({"data": tmp_path, "host": None, "port": 3}, environ={"HEARTH_PORT": "2", "HEARTH_HOST": "h"})
    assert (settings.port, settings.host, settings.idle_timeout) == (3, "h", 5.0)


def test_the_folder_comes_from_the_environment_too(tmp_path: Path) -> None:
    assert load(environ={"HEARTH_DATA": str(tmp_path)}).data == tmp_path


@pytest.mark.parametrize(("text", "value"), [("1", True), ("no", False), ("TRUE", True), ("off", False)])
def test_switches_are_words(tmp_path: Path, text: str, value: bool) -> None:
    assert load({"data": tmp_path}, environ={"HEARTH_TLS": text}).tls is value


def test_lists_and_tables_have_a_text_form(tmp_path: Path) -> None:
    environ = {"HEARTH_TLS_NAMES": "a.example, b.example", "HEARTH_MODEL_ENVIRONMENT": '{"HF_TOKEN": "x"}'}
    settings = load({"data": tmp_path}, environ=environ)
    assert settings.tls_names == ("a.example", "b.example")
    assert settings.model_environment == {"HF_TOKEN": "x"}


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"HEARTH_TLS": "perhaps"}, "HEARTH_TLS"),
        ({"HEARTH_PORT": "many"}, "port"),
        ({"HEARTH_MODEL_ENVIRONMENT": "no json"}, "HEARTH_MODEL_ENVIRONMENT"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, environ: dict[str, str], names: str) -> None:
    with pytest.raises(SettingsInvalid, match=names):
        load({"data": tmp_path}, environ=environ)


def test_an_unknown_key_in_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="prot"):
        load({"data": write(tmp_path, "prot = 1\n")}, environ={})


def test_a_broken_or_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"hearth\.toml"):
        load({"data": write(tmp_path, "port = = 1\n")}, environ={})
    with pytest.raises(SettingsInvalid, match="elsewhere"):
        load({"data": tmp_path}, environ={"HEARTH_CONFIG": str(tmp_path / "elsewhere.toml")})
