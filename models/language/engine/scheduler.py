"""Continuous batching: one thread that steps all sequences of a backend together.

A job joins at the next step when a slot is free, leaves at the token that ends it, and gives its slot back at the
next token when nobody wants it any more. Prompts are fed in chunks, few at a time, beside what already generates.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from .backends.base import Backend
from .job import Job, Piece, Reason
from .sampling import Sampler

PROMPTS_AT_ONCE = 4
"""Chunks of prompts in one step: what waits for its first token, and what waits for its next, both get on."""

Word = Piece | Exception


class Running:
    """A job with what it needs in the thread."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.loop = asyncio.get_running_loop()
        self.words: asyncio.Queue[Word] = asyncio.Queue()
        self.abandoned = False
        self.state: Any = None
        self.pending: list[int] = []
        self.made = 0


class Scheduler:
    """Runs jobs on a backend. A `Source`."""

    constrains = False

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name, self.context, self.vocab, self.slots = backend.name, backend.context, backend.vocab, backend.slots
        self._wake = threading.Condition()
        self._inbox: deque[Running] = deque()
        self._closed = False
        self._active: list[Running] = []
        self._samplers: dict[Running, Sampler] = {}
        self._said: list[tuple[Running, Word]] = []
        self._thread = threading.Thread(target=self._run, name="generation", daemon=True)
        self._thread.start()

    async def run(self, job: Job) -> AsyncIterator[Piece]:
        sequence = Running(job)
        with self._wake:
            if self._closed:
                raise RuntimeError("the model is closed")
            self._inbox.append(sequence)
            self._wake.notify()
        try:
            while True:
                word = await sequence.words.get()
                if isinstance(word, Exception):
                    raise word
                yield word
                if word.ended:
                    return
        finally:
            sequence.abandoned = True

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()
        self._backend.close()

    @property
    def running(self) -> int:
        """Sequences that hold a slot."""
        return len(self._active)

    def _run(self) -> None:
        waiting: deque[Running] = deque()
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._inbox or waiting or self._active or self._closed)
                waiting.extend(self._inbox)
                self._inbox.clear()
                if self._closed:
                    break
            for sequence in [s for s in self._active if s.abandoned]:
                self._leave(sequence)
            while waiting and len(self._active) < self._backend.slots:
                self._join(waiting.popleft())
            self._step()
            self._hand_over()
        for sequence in [*self._active, *waiting]:
            self._said.append((sequence, RuntimeError("the model was closed")))
        self._hand_over()

    def _join(self, sequence: Running) -> None:
        job = sequence.job
        if sequence.abandoned:
            return
        room = len(job.prompt) + job.params.max_tokens
        try:
            sequence.state, sequence.pending = self._backend.start(job.prompt, room, job.image)
        except Exception as error:  # noqa: BLE001 - the library's: it ends this job, not the thread
            self._said.append((sequence, error))
            return
        self._samplers[sequence] = Sampler(job.params, job.prompt, self._backend.vocab, job.ends)
        self._active.append(sequence)

    def _leave(self, sequence: Running) -> None:
        self._active.remove(sequence)
        del self._samplers[sequence]
        self._backend.end(sequence.state)

    def _step(self) -> None:
        """Feed each sequence what it waits for; draw a token for those that are through their prompt."""
        work, prompts = [], 0
        for sequence in self._active:
            long = len(sequence.pending) > 1
            if not long or prompts < PROMPTS_AT_ONCE:
                work.append((sequence, sequence.pending[: self._backend.chunk]))
                prompts += long
        if not work:
            return
        try:
            scores = self._backend.feed([(sequence.state, tokens) for sequence, tokens in work])
        except Exception as error:  # noqa: BLE001 - the library's: all that it held are lost, the thread is not
            for sequence, _ in work:
                self._fail(sequence, error)
            return
        for (sequence, tokens), row in zip(work, scores, strict=True):
            sequence.pending = sequence.pending[len(tokens) :]
            if sequence.pending or sequence.abandoned:
                continue
            try:
                self._say(sequence, self._draw(sequence, row))
            except (ArithmeticError, RuntimeError, ValueError) as error:
                self._fail(sequence, error)

    def _draw(self, sequence: Running, scores: Any) -> int:
        constraint = sequence.job.constraint
        token = self._samplers[sequence].next(scores, constraint.allowed() if constraint else None)
        if constraint and token not in sequence.job.ends:
            constraint.advance(token)
        return token

    def _say(self, sequence: Running, token: int) -> None:
        job, text = sequence.job, ""
        ended: Reason | None = None
        if token in job.ends:
            ended = "stop"
        else:
            sequence.made += 1
            sequence.pending = [token]
            text = job.text.push(token, may_stop=sequence.made >= job.params.min_tokens)
            if job.text.stopped or (job.constraint and job.constraint.ended):
                ended = "stop"
            elif sequence.made >= job.params.max_tokens:
                ended = "length"
        if ended:
            text += job.text.finish()
            self._leave(sequence)
        self._said.append((sequence, Piece(text, sequence.made, ended)))

    def _fail(self, sequence: Running, error: Exception) -> None:
        self._said.append((sequence, error))
        self._leave(sequence)

    def _hand_over(self) -> None:
        """Everything that this step said, in one wake-up for each event loop."""
        said, self._said = self._said, []
        for loop in {sequence.loop for sequence, _ in said}:
            words = [(sequence, word) for sequence, word in said if sequence.loop is loop]
            try:
                loop.call_soon_threadsafe(_put, words)
            except RuntimeError:  # the loop is closed: nobody listens any more
                for sequence, _ in words:
                    sequence.abandoned = True


def _put(words: Sequence[tuple[Running, Word]]) -> None:
    for sequence, word in words:
        sequence.words.put_nowait(word)
