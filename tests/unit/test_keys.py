"""The server's keys: made once, private, one for each use."""

from __future__ import annotations

from pathlib import Path

from hearth import keys
from hearth.seal import Sealer


def test_the_secret_is_made_once_and_is_its_users_alone(tmp_path: Path) -> None:
    first = keys.ensure(tmp_path, None)
    assert (tmp_path / keys.FILE).stat().st_mode & 0o777 == 0o600
    assert keys.ensure(tmp_path, None).derive("a") == first.derive("a")


def test_uses_have_keys_of_their_own() -> None:
    secret = keys.Keys("s")
    assert secret.derive("streams") != secret.derive("files")
    assert secret.derive("streams") != keys.Keys("t").derive("streams")


def test_a_given_secret_leaves_nothing_on_disk(tmp_path: Path) -> None:
    sealed = Sealer(keys.ensure(tmp_path, "given").seal).seal(b"x")
    assert Sealer(keys.ensure(tmp_path, "given").seal).open(sealed) == b"x"
    assert list(tmp_path.iterdir()) == []
