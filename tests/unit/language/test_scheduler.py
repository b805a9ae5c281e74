"""Many generations on one model."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, closing
from typing import Any

import numpy as np
import pytest
from engine import Engine, Params, Request, UserError
from engine.apart import Apart
from engine.job import Job
from engine.scheduler import PROMPTS_AT_ONCE, Scheduler
from engine.serving import serve
from engine.shape import Shape
from engine.testing import beside


class Counting:
    """Says 1, 2, 3 … in each sequence, and remembers how it was fed."""

    context, vocab, slots, chunk = 10**9, 64, 2, 4

    def __init__(self) -> None:
        self.fed: list[list[list[int]]] = []
        self.ended = 0
        self.broken: Exception | None = None
        self.go = threading.Event()
        self.go.set()

    def start(self, prompt: Sequence[int], room: int, image: Any = None) -> tuple[list[int], list[int]]:
        if prompt[0] == 63:
            raise MemoryError("no room")
        return [0], list(prompt) + [11] * (image or 0)

    def feed(self, work: Sequence[tuple[list[int], Sequence[int]]]) -> np.ndarray:
        assert self.go.wait(30)
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


class Words:
    """A tokenizer whose tokens are numbers."""

    def __init__(self, end: int) -> None:
        self.ends = frozenset([end])

    def piece(self, token: int) -> bytes:
        return f"{token} ".encode()


def job(
    prompt: list[int],
    *,
    limit: int = 100,
    stop: tuple[str, ...] = (),
    picture: int | None = None,
    regex: str | None = None,
    **params: Any,
) -> Job:
    """`picture`: how many tokens it takes."""
    known = Params(seed=1, max_tokens=limit, stop=stop, **params)
    return Job(prompt=prompt, params=known, shape=Shape(regex=regex), image=picture)


def source(backend: Counting, end: int = 999) -> Apart:
    return beside(Scheduler(backend, Words(end)))  # type: ignore[arg-type]


@pytest.fixture
def backend() -> Counting:
    return Counting()


@pytest.fixture
def model(backend: Counting) -> Iterator[Apart]:
    made = source(backend)
    yield made
    made.close()


async def text(model: Apart, job: Job) -> str:
    return "".join([piece.text async for piece in model.run(job)])


async def test_a_job_ends_at_its_end_token(backend: Counting) -> None:
    with closing(source(backend, end=4)) as model:
        pieces = [piece async for piece in model.run(job([10, 10]))]
    assert "".join(p.text for p in pieces) == "1 2 3 "
    assert (pieces[-1].ended, pieces[-1].tokens) == ("stop", 3)


async def test_a_job_ends_at_its_limit(model: Apart) -> None:
    pieces = [piece async for piece in model.run(job([10, 10], limit=3))]
    assert ("".join(p.text for p in pieces), pieces[-1].ended) == ("1 2 3 ", "length")


async def test_a_picture_takes_its_place_in_the_context(model: Apart, backend: Counting) -> None:
    backend.context = 12
    pieces = [piece async for piece in model.run(job([10, 10], picture=7))]
    assert (pieces[-1].read, pieces[-1].tokens, pieces[-1].ended) == (9, 3, "length")
    with pytest.raises(UserError, match=r"E1002.*14 tokens"):
        await text(model, job([10, 10], picture=12))
    assert backend.ended == 2


async def test_a_stop_sequence_ends_a_job_and_is_not_shown(model: Apart, backend: Counting) -> None:
    assert await text(model, job([10, 10], stop=("3 4",))) == "1 2 "
    assert backend.ended == 1


async def test_held_back_text_comes_at_the_limit(model: Apart) -> None:
    assert await text(model, job([10, 10], limit=3, stop=("3 4",))) == "1 2 3 "


async def test_the_fewest_tokens_come_before_end_and_stop(model: Apart) -> None:
    assert await text(model, job([10, 10], limit=5, stop=("2",), min_tokens=4)) == "1 2 3 4 5 "


async def test_long_prompts_come_in_pieces_beside_what_generates(model: Apart, backend: Counting) -> None:
    async with aclosing(model.run(job([10, 10], limit=10**9))) as first:
        await anext(first)
        await text(model, job(list(range(1, 11)), limit=1))
    pieces = [next(p for p in step if len(p) > 1 or p == [10]) for step in backend.fed if len(step) == 2]
    assert pieces[:3] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    assert all(len(step[0]) == 1 for step in backend.fed if len(step) == 2)  # the first went on meanwhile


async def test_more_jobs_than_slots_wait_in_line(model: Apart, backend: Counting) -> None:
    backend.go.clear()
    jobs = [asyncio.ensure_future(text(model, job([10, 10], limit=n))) for n in range(1, 7)]
    await asyncio.sleep(0)  # all are handed over
    backend.go.set()
    texts = await asyncio.gather(*jobs)
    assert [len(t.split()) for t in texts] == [1, 2, 3, 4, 5, 6]
    assert max(map(len, backend.fed)) == backend.slots < PROMPTS_AT_ONCE


async def test_who_goes_away_gives_the_slot_to_the_next(model: Apart) -> None:
    endless = [model.run(job([10, 10], limit=10**9)) for _ in range(2)]
    for run in endless:
        await anext(run)
    waiting = asyncio.ensure_future(text(model, job([10, 10], limit=2)))
    await asyncio.sleep(0)
    assert not waiting.done()
    await endless[0].aclose()
    assert await waiting == "1 2 "
    await endless[1].aclose()


async def test_what_the_library_raises_ends_the_job_and_not_the_thread(model: Apart, backend: Counting) -> None:
    with pytest.raises(RuntimeError, match="no room") as raised:
        await text(model, job([63]))
    assert type(raised.value).__name__ == "MemoryError"  # whatever library's: by its name
    backend.broken = RuntimeError("CUDA says no")
    with pytest.raises(RuntimeError, match="CUDA says no"):
        await text(model, job([10]))
    backend.broken = None
    assert await text(model, job([10, 10], limit=2)) == "1 2 "


async def test_closing_ends_what_runs(backend: Counting) -> None:
    model = source(backend)
    run = model.run(job([10, 10], limit=10**9))
    await anext(run)
    model.close()
    with pytest.raises(RuntimeError, match="closed"):
        async for _ in run:
            pass
    with pytest.raises(RuntimeError, match="closed"):
        await anext(model.run(job([10])))


async def test_what_is_dropped_while_its_grammar_is_read_never_runs(
    backend: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, begun, go = Scheduler(backend, Words(999)), threading.Event(), threading.Event()  # type: ignore[arg-type]

    def constraint(shape: Shape) -> None:
        begun.set()
        assert go.wait(30)

    monkeypatch.setattr(scheduler, "constraint", constraint)
    with closing(beside(scheduler)) as model:
        dropped = asyncio.ensure_future(text(model, job([20, 20], regex=".*")))
        assert await asyncio.to_thread(begun.wait, 30)
        assert await text(model, job([10, 10], limit=2)) == "1 2 ", "others run meanwhile"
        dropped.cancel()
        await asyncio.wait([dropped])
        go.set()
        assert await text(model, job([30, 30], limit=2, regex=".*")) == "1 2 "
    assert [[20, 20]] not in backend.fed
    assert [[30, 30]] in backend.fed


def test_a_large_job_is_taken_though_nobody_hears_the_words(backend: Counting) -> None:
    ours, theirs = multiprocessing.Pipe()
    served = threading.Thread(target=serve, args=(theirs, Scheduler(backend, Words(999))), daemon=True)
    served.start()
    ours.recv()
    ours.send((0, job([10, 10], limit=10**9)))
    steps = -1
    while steps != len(backend.fed):  # until its words fill the connection
        steps = len(backend.fed)
        time.sleep(0.2)
    sending = threading.Thread(target=ours.send, args=((1, job(list(range(10**6)))),), daemon=True)
    sending.start()
    sending.join(30)
    assert not sending.is_alive()
    ours.close()
    served.join(30)
    assert not served.is_alive()


async def test_a_seed_gives_one_text_alone_or_among_many(engine_of: Callable[..., Engine]) -> None:
    engine = engine_of(slots=8, sharpness=2.0)

    async def said(n: int) -> str:
        request = Request(prompt=f"prompt {n}" * (1 + n % 3 * 8), params=Params(seed=n, max_tokens=30))
        return "".join([piece async for piece in engine.generate(request)])

    alone = [await said(n) for n in range(12)]
    assert await asyncio.gather(*map(said, range(12))) == alone
    assert len(set(alone)) == 12
