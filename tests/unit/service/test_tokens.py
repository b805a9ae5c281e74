"""Tokens by the file that a version ships: whose they are, what is refused, and that a file is loaded once."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from hearth.clock import SystemClock
from hearth.domain.account import Account
from hearth.domain.model import Recipe, SourceFile, Version
from hearth.errors import Conflict, InvalidRequest, NotFound
from hearth.service.tokens import KEPT, LARGEST, MOST, Tokens
from hearth.tokens.base import Token, Tokenizer, Unreadable

CALLER = Account(id="1", username="admin", created_at=0.0)


class Letters:
    def split(self, text: str) -> list[Token]:
        return [Token(ord(letter), letter) for letter in text]


class World:
    """One version for all names; a blob for each key."""

    def __init__(self, *files: SourceFile, tokenizer: str | None = "t/tokenizer.json") -> None:
        recipe = Recipe(source=files, environment="", tokenizer=tokenizer)
        self.version = Version(
            id="a" * 64, model_id="m", model="admin/m", created_at=0.0, cog_version="", openapi_schema={}, recipe=recipe
        )
        self.asked: list[Any] = []
        self.loaded: list[bytes] = []
        self.tokens = Tokens(
            blobs=cast(Any, self), versions=cast(Any, self), tokenizers=cast(Any, self), clock=SystemClock()
        )

    async def resolve(self, caller: Account, *, model: tuple[str, str]) -> World:
        self.asked.append(model)
        return self

    async def get(self, key: str) -> bytes:
        await asyncio.sleep(0)
        return key.encode()

    def load(self, data: bytes) -> Tokenizer:
        self.loaded.append(data)
        if b"broken" in data:
            raise Unreadable("it is broken")
        return Letters()

    async def split(self, text: str = "ab", **more: Any) -> list[Token]:
        return await self.tokens.split(CALLER, owner="admin", name="m", text=text, **more)


def file(sha256: str = "f" * 64, *, size: int = 10, path: str = "t/tokenizer.json") -> SourceFile:
    return SourceFile(path=path, sha256=sha256, size=size)


async def test_a_file_is_loaded_once_however_many_ask() -> None:
    world = World(file(path="other"), file())
    found = await asyncio.gather(*(world.split() for _ in range(5)))
    assert found == [[Token(97, "a"), Token(98, "b")]] * 5
    assert world.loaded == [file().key.encode()]
    await world.split(version="b" * 64)
    assert world.asked[-1] == ("admin", f"m:{'b' * 64}")


async def test_a_bounded_number_is_kept() -> None:
    world = World()
    for sha in [f"{n:064}" for n in range(KEPT + 1)] + [f"{0:064}"]:
        recipe = Recipe(source=(file(sha),), environment="", tokenizer="t/tokenizer.json")
        world.version = Version(
            id="a" * 64, model_id="m", model="admin/m", created_at=0.0, cog_version="", openapi_schema={}, recipe=recipe
        )
        await world.split()
    assert len(world.loaded) == KEPT + 2


@pytest.mark.parametrize(
    ("world", "error", "said"),
    [
        (World(file(), tokenizer=None), NotFound, "ships no tokenizer"),
        (World(file(path="elsewhere")), NotFound, "ships no tokenizer"),
        (World(file(size=LARGEST + 1)), Conflict, "more than 64 MB"),
        (World(file("broken")), Conflict, "it is broken"),
    ],
)
async def test_what_cannot_be_split_says_why(world: World, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        await world.split()


async def test_a_long_text_is_refused_before_anything_is_read() -> None:
    world = World(file())
    assert len(await world.split("a" * MOST)) == MOST
    with pytest.raises(InvalidRequest):
        await world.split("a" * (MOST + 1))
