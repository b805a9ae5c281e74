"""A whole Hearth in this process, as `hearth serve` puts it together, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from hearth import ids
from hearth.compose import Parts, assembled
from hearth.domain.account import Account, Token
from hearth.domain.model import Model, Recipe, Version, Visibility
from hearth.settings import Settings
from hearth.store.base import Store


class World:
    """The parts, and a client for each account."""

    def __init__(self, parts: Parts, stack: AsyncExitStack) -> None:
        self.parts = parts
        self._stack = stack

    @property
    def store(self) -> Store:
        return self.parts.store

    async def account(self, name: str, **fields: Any) -> tuple[Account, httpx.AsyncClient]:
        account, token = await self.parts.services.accounts.bootstrap(name, None)
        if token is None:
            token = ids.api_token()
            await self.store.accounts.add_token(
                Token(hash=ids.token_hash(token), account_id=account.id, name=token[-8:], created_at=1.0)
            )
        updated = await self.store.accounts.update(account.id, {"admin": False, **fields})
        assert updated is not None
        return updated, await self.client(token)

    async def client(self, token: str | None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.parts.app, raise_app_exceptions=True)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.AsyncClient(transport=transport, base_url="https://hearth.test/v1/", headers=headers)
        return await self._stack.enter_async_context(client)

    async def version(self, owner: Account, name: str = "hello", *, train: bool = False) -> Version:
        """Of a public model. Its environment does not exist, so whatever runs it fails soon."""
        model = Model(
            id=ids.sortable(), account_id=owner.id, owner=owner.username, name=name, created_at=1.0,
            visibility=Visibility.PUBLIC,
        )  # fmt: skip
        await self.store.models.create(model)
        schemas = {
            "Input": {"type": "object", "properties": {"text": {"type": "string"}}},
            "Output": {},
            "TrainingInput": {"type": "object", "properties": {}},
        }
        version = Version(
            id=ids.token_hash(f"{owner.username}/{name}"),
            model_id=model.id,
            model=model.full_name,
            created_at=2.0,
            cog_version="0.16.12",
            openapi_schema={"openapi": "3.0.2", "components": {"schemas": schemas}},
            recipe=Recipe(
                source=(),
                environment="e" * 64,
                predict="predict.py:Predictor",
                train="train.py:train" if train else None,
            ),
        )
        await self.store.versions.add(version)
        return version


@pytest.fixture
async def hearth(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts a Hearth with these settings; a second call starts another one on the same data, after the first ended."""
    (tmp_path / "data").mkdir()
    async with AsyncExitStack() as outer:
        inner: list[AsyncExitStack] = []

        async def start(**settings: Any) -> World:
            while inner:
                await inner.pop().aclose()
            stack = AsyncExitStack()
            inner.append(stack)
            outer.push_async_callback(stack.aclose)
            parts = await stack.enter_async_context(assembled(Settings(data=tmp_path / "data", **settings)))
            return World(parts, stack)

        yield start
