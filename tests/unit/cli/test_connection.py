"""How a command finds its server."""

from __future__ import annotations

from pathlib import Path

import pytest

from hearth.cli.connection import FILE, Connection, Failure, find, leave

LEFT = Connection(url="https://127.0.0.1:8700", token="r8_left", ca="/ca.pem")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HEARTH_URL", "HEARTH_TOKEN", "HEARTH_CA", "HEARTH_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_what_serve_left_is_found_and_private(tmp_path: Path) -> None:
    leave(tmp_path, LEFT)
    assert find(tmp_path) == LEFT
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_the_folder_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(tmp_path, LEFT)
    monkeypatch.setenv("HEARTH_DATA", str(tmp_path))
    assert find() == LEFT


def test_url_and_token_beat_what_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(tmp_path, LEFT)
    monkeypatch.setenv("HEARTH_DATA", str(tmp_path))
    monkeypatch.setenv("HEARTH_URL", "https://elsewhere:1/v1/")
    with pytest.raises(Failure, match="HEARTH_TOKEN"):
        find()
    monkeypatch.setenv("HEARTH_TOKEN", "t")
    assert find() == Connection(url="https://elsewhere:1", token="t", ca=None)


def test_the_url_of_the_server_here_needs_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(tmp_path, LEFT)
    monkeypatch.setenv("HEARTH_DATA", str(tmp_path))
    monkeypatch.setenv("HEARTH_URL", LEFT.url + "/v1")
    assert find() == LEFT


def test_a_folder_that_is_named_beats_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(tmp_path, LEFT)
    monkeypatch.setenv("HEARTH_URL", "https://elsewhere:1")
    monkeypatch.setenv("HEARTH_TOKEN", "t")
    assert find(tmp_path) == LEFT


def test_nothing_found_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="No server found") as caught:
        find(tmp_path)
    assert "hearth serve" in (caught.value.hint or "")
