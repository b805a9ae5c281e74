from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.blobs.digest import blocks
from hearth.errors import TooLarge


async def source(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(st.lists(st.binary(max_size=20)), st.integers(1, 30))
def test_blocks_keep_the_bytes_and_reach_the_size(chunks: list[bytes], size: int) -> None:
    async def collect() -> list[bytes]:
        return [block async for block in blocks(source(chunks), size=size)]

    result = asyncio.run(collect())
    assert b"".join(result) == b"".join(chunks)
    assert all(len(block) >= size for block in result[:-1])
    assert all(result)


@given(st.lists(st.binary(max_size=20)), st.integers(0, 60))
def test_blocks_raise_exactly_beyond_the_limit(chunks: list[bytes], limit: int) -> None:
    async def run() -> None:
        async for _ in blocks(source(chunks), limit):
            pass

    if sum(map(len, chunks)) > limit:
        with pytest.raises(TooLarge, match=f"{limit} bytes"):
            asyncio.run(run())
    else:
        asyncio.run(run())
