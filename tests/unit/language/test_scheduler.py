"""Many generations on one model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
from engine import Engine, Params, Request
from engine.grammar import Shape
from engine.job import Job
from engine.scheduler import PROMPTS_AT_ONCE, Scheduler
from engine.text import Text


class Counting:
    """Says 1, 2, 3 … in each sequence, and remembers how it was fed."""

    name, context, vocab, slots, chunk = "counting", 64, 64, 2, 4

    def __init__(self) -> None:
        self.fed: list[list[list[int]]] = []
        self.ended = 0
        self.broken: Exception | None = None

    def start(self, prompt: Sequence[int], room: int, image: Any = None) -> tuple[list[int], list[int]]:
        if prompt[0] == 63:
            raise MemoryError("no room")
        return [0], list(prompt)

    def feed(self, work: Sequence[tuple[list[int], Sequence[int]]]) -> np.ndarray:
        if self.broken:
            raise self.broken
        self.fed.append([list(tokens) for _, tokens in work])
        rows = np.full((len(work), self.vocab), -50.0)
        for row, (state, tokens) in zip(rows, work, strict=True):
            state[0] = tokens[-1] % 60 + 1 if len(tokens) == 1 else 1
            row[state[0]] = 50
        return rows

    def end(self, state: list[int]) -> None:
        self.ended += 1

    def close(self) -> None:
        self.fed.append([])


def job(prompt: list[int], *, limit: int = 100, ends: int = 60, stop: Sequence[str] = (), **params: Any) -> Job:
    text = Text(lambda token: f"{token} ".encode(), stop)
    known = Params(seed=1, max_tokens=limit, **params)
    return Job(prompt=prompt, params=known, ends=frozenset([ends]), text=text, shape=Shape())


@pytest.fixture
def backend() -> Counting:
    return Counting()


@pytest.fixture
def scheduler(backend: Counting) -> Any:
    made = Scheduler(backend)
    yield made
    made.close()


async def text(scheduler: Scheduler, job: Job) -> str:
    return "".join([piece.text async for piece in scheduler.run(job)])


async def test_a_job_ends_at_its_end_token(scheduler: Scheduler) -> None:
    pieces = [piece async for piece in scheduler.run(job([10, 10], ends=4))]
    assert "".join(p.text for p in pieces) == "1 2 3 "
    assert (pieces[-1].ended, pieces[-1].tokens) == ("stop", 3)


async def test_a_job_ends_at_its_limit(scheduler: Scheduler) -> None:
    pieces = [piece async for piece in scheduler.run(job([10, 10], limit=3))]
    assert ("".join(p.text for p in pieces), pieces[-1].ended) == ("1 2 3 ", "length")


async def test_a_stop_sequence_ends_a_job_and_is_not_shown(scheduler: Scheduler, backend: Counting) -> None:
    assert await text(scheduler, job([10, 10], stop=["3 4"])) == "1 2 "
    assert backend.ended == 1


async def test_held_back_text_comes_at_the_limit(scheduler: Scheduler) -> None:
    assert await text(scheduler, job([10, 10], limit=3, stop=["3 4"])) == "1 2 3 "


async def test_the_fewest_tokens_come_before_end_and_stop(scheduler: Scheduler) -> None:
    assert await text(scheduler, job([10, 10], limit=5, stop=["2"], min_tokens=4)) == "1 2 3 4 5 "


async def test_long_prompts_come_in_pieces_beside_what_generates(scheduler: Scheduler, backend: Counting) -> None:
    async with aclosing(scheduler.run(job([10, 10], limit=10**9, ends=999))) as first:
        await anext(first)
        await text(scheduler, job(list(range(1, 11)), limit=1))
    pieces = [next(p for p in step if len(p) > 1 or p == [10]) for step in backend.fed if len(step) == 2]
    assert pieces[:3] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    assert all(len(step[0]) == 1 for step in backend.fed if len(step) == 2)  # the first went on meanwhile


async def test_more_jobs_than_slots_wait_in_line(scheduler: Scheduler, backend: Counting) -> None:
    texts = await asyncio.gather(*(text(scheduler, job([10, 10], limit=n)) for n in range(1, 7)))
    assert [len(t.split()) for t in texts] == [1, 2, 3, 4, 5, 6]
    assert max(map(len, backend.fed)) == backend.slots < PROMPTS_AT_ONCE


async def test_who_goes_away_gives_the_slot_to_the_next(scheduler: Scheduler) -> None:
    endless = [scheduler.run(job([10, 10], limit=10**9, ends=999)) for _ in range(2)]
    for run in endless:
        await anext(run)
    waiting = asyncio.ensure_future(text(scheduler, job([10, 10], limit=2)))
    await asyncio.sleep(0)
    assert not waiting.done()
    await endless[0].aclose()
    assert await waiting == "1 2 "
    await endless[1].aclose()


async def test_what_the_library_raises_ends_the_job_and_not_the_thread(scheduler: Scheduler, backend: Counting) -> None:
    with pytest.raises(MemoryError, match="no room"):
        await text(scheduler, job([63]))
    backend.broken = RuntimeError("CUDA says no")
    with pytest.raises(RuntimeError, match="CUDA says no"):
        await text(scheduler, job([10]))
    backend.broken = None
    assert await text(scheduler, job([10, 10], limit=2)) == "1 2 "


async def test_closing_ends_what_runs(backend: Counting) -> None:
    scheduler = Scheduler(backend)
    run = scheduler.run(job([10, 10], limit=10**9, ends=999))
    await anext(run)
    scheduler.close()
    with pytest.raises(RuntimeError, match="closed"):
        async for _ in run:
            pass
    with pytest.raises(RuntimeError, match="closed"):
        await anext(scheduler.run(job([10])))


async def test_a_seed_gives_one_text_alone_or_among_many(engine_of: Callable[..., Engine]) -> None:
    engine = engine_of(slots=8, sharpness=2.0)

    async def said(n: int) -> str:
        request = Request(prompt=f"prompt {n}" * (1 + n % 3 * 8), params=Params(seed=n, max_tokens=30))
        return "".join([piece async for piece in engine.generate(request)])

    alone = [await said(n) for n in range(12)]
    assert await asyncio.gather(*map(said, range(12))) == alone
    assert len(set(alone)) == 12
