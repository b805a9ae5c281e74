"""Sources on disk: what versions share, and when it goes."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from hearth.blobs.obstore import ObstoreBlobs
from hearth.domain.model import SourceFile
from hearth.engine.contents import LARGE
from hearth.engine.sources import CONTENTS, Sources

WEIGHTS = bytes(range(256)) * (LARGE // 256)


class Counting:
    """Counts what is fetched."""

    def __init__(self, blobs: ObstoreBlobs) -> None:
        self._blobs = blobs
        self.fetched: list[str] = []

    async def fetch(self, key: str, path: Path) -> None:
        self.fetched.append(key)
        await self._blobs.fetch(key, path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)


async def stored(blobs: Any, path: str, content: bytes, executable: bool = False) -> SourceFile:
    sha256 = hashlib.sha256(content).hexdigest()
    file = SourceFile(path=path, sha256=sha256, size=len(content), executable=executable)
    await blobs.put(file.key, content)
    return file


async def versions(blobs: Any) -> tuple[tuple[SourceFile, ...], tuple[SourceFile, ...]]:
    """Two with the same weights and other code."""
    weights = await stored(blobs, "weights/model.bin", WEIGHTS)
    return (
        (await stored(blobs, "predict.py", b"one"), weights),
        (await stored(blobs, "predict.py", b"two"), weights),
    )


async def test_versions_with_the_same_weights_share_their_blocks(blobs: ObstoreBlobs, tmp_path: Path) -> None:
    counting: Any = Counting(blobs)
    sources = Sources(tmp_path / "sources", counting)
    one, two = [await sources.materialise(source) for source in await versions(blobs)]
    assert one != two
    assert (one / "weights/model.bin").read_bytes() == WEIGHTS
    assert (one / "weights/model.bin").stat().st_ino == (two / "weights/model.bin").stat().st_ino
    assert (one / "weights/model.bin").stat().st_mode & 0o777 == 0o444
    assert (one / "predict.py").read_bytes() != (two / "predict.py").read_bytes()
    assert len(counting.fetched) == 3


async def test_versions_that_come_together_fetch_their_weights_once(blobs: ObstoreBlobs, tmp_path: Path) -> None:
    counting: Any = Counting(blobs)
    sources = Sources(tmp_path / "sources", counting)
    await asyncio.gather(*(sources.materialise(source) for source in await versions(blobs)))
    assert len(counting.fetched) == 3


async def test_weights_go_with_the_last_version_that_has_them(blobs: ObstoreBlobs, tmp_path: Path) -> None:
    sources = Sources(tmp_path / "sources", blobs)
    first, second = await versions(blobs)
    one, two = [await sources.materialise(source) for source in (first, second)]
    contents = tmp_path / "sources" / CONTENTS
    await sources.drop(first)
    assert not one.exists()
    assert (two / "weights/model.bin").read_bytes() == WEIGHTS
    assert len(list(contents.iterdir())) == 1
    await sources.drop(second)
    assert list(contents.iterdir()) == []


async def test_what_a_killed_run_left_is_swept(blobs: ObstoreBlobs, tmp_path: Path) -> None:
    sources = Sources(tmp_path / "sources", blobs)
    first, _ = await versions(blobs)
    folder = await sources.materialise(first)
    contents = tmp_path / "sources" / CONTENTS
    (contents / ".new-half").write_bytes(b"half")
    (contents / "nobody's").write_bytes(b"x")
    sources.sweep()
    (kept,) = contents.iterdir()
    assert kept.stat().st_ino == (folder / "weights/model.bin").stat().st_ino


async def test_an_executable_keeps_its_mode(blobs: ObstoreBlobs, tmp_path: Path) -> None:
    sources = Sources(tmp_path / "sources", blobs)
    tool = await stored(blobs, "tool", WEIGHTS, executable=True)
    data = await stored(blobs, "data", WEIGHTS)
    folder = await sources.materialise((tool, data))
    assert [(folder / name).stat().st_mode & 0o777 for name in ("tool", "data")] == [0o555, 0o444]
