"""Continuous batching: all sequences of a backend are stepped together.

A job joins at the next step when a slot is free, leaves at the token that ends it, and gives its slot back at the
next token when nobody wants it any more. Prompts are fed in chunks, few at a time, beside what already generates.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .backends.base import Backend
from .errors import too_long
from .job import Job, Piece, Reason, Word
from .sampling import Sampler
from .shape import Shape
from .telling import Telling
from .text import Text
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from .grammar import Constraint, Grammars

PROMPTS_AT_ONCE = 4
"""Chunks of prompts in one step: what waits for its first token, and what waits for its next, both get on."""


class Sequence:
    """A job on its way to becoming a text."""

    def __init__(self, key: int, job: Job, constraint: Constraint | None) -> None:
        self.key, self.job, self.constraint = key, job, constraint
        self.state: Any = None
        self.pending: list[int] = []
        self.made = self.read = self.most = 0
        self.telling = Telling()
        self.sampler: Sampler
        self.text: Text


class Scheduler:
    """Runs jobs on a backend. Called by one thread only, but for `constraint`."""

    def __init__(self, backend: Backend, tokenizer: Tokenizer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.backend, self._tokenizer, self._clock = backend, tokenizer, clock
        self._grammars: Grammars | None = None
        self._waiting: deque[Sequence] = deque()
        self._active: list[Sequence] = []
        self._said: list[tuple[int, Word]] = []

    def constraint(self, shape: Shape) -> Constraint:
        """What takes its time and needs no model: a grammar is read. From one thread, which may be
        another. Raises UserError."""
        if self._grammars is None:
            from .grammar import Grammars  # its library is loaded for the first that wants it

            self._grammars = Grammars(self._tokenizer, self.backend.vocab)
        return self._grammars.constraint(shape)

    @property
    def busy(self) -> bool:
        return bool(self._active or self._waiting or self._said)

    def refuse(self, key: int, error: Exception) -> None:
        """Tell with the step's other words that no more text will come."""
        self._said.append((key, error))

    def add(self, key: int, job: Job, constraint: Constraint | None = None) -> None:
        """`constraint`: of the job's shape, unless that is free."""
        self._waiting.append(Sequence(key, job, constraint))

    def drop(self, key: int) -> None:
        """Nobody wants it any more."""
        self._waiting = deque(s for s in self._waiting if s.key != key)
        for sequence in [s for s in self._active if s.key == key]:
            self._leave(sequence)

    def step(self) -> list[tuple[int, Word]]:
        """Feed each sequence what it waits for; draw a token for those that are through their prompt. What is to be
        told now, by key."""
        while self._waiting and len(self._active) < self.backend.slots:
            self._join(self._waiting.popleft())
        work, prompts = [], 0
        for sequence in self._active:
            long = len(sequence.pending) > 1
            if not long or prompts < PROMPTS_AT_ONCE:
                work.append((sequence, sequence.pending[: self.backend.chunk]))
                prompts += long
        if work:
            self._feed(work)
        now, crowded = self._clock(), bool(self._said)
        for sequence in self._active:
            if sequence.telling.due(now, beside=len(self._active), crowded=crowded):
                self._tell(sequence, now)
        said, self._said = self._said, []
        return said

    def close(self) -> None:
        self.backend.close()

    def _join(self, sequence: Sequence) -> None:
        job, ends = sequence.job, self._tokenizer.ends
        room = len(job.prompt) + job.params.max_tokens
        try:
            sequence.state, sequence.pending = self.backend.start(job.prompt, room, job.image)
        except Exception as error:  # noqa: BLE001 - the library's: it ends this job, not the model
            self.refuse(sequence.key, error)
            return
        sequence.read = max(len(job.prompt), len(sequence.pending))
        left = self.backend.context - sequence.read
        if left < 1:
            self.backend.end(sequence.state)
            self.refuse(sequence.key, too_long(sequence.read, self.backend.context))
            return
        sequence.most = min(job.params.max_tokens, left)
        sequence.sampler = Sampler(job.params, job.prompt, self.backend.vocab, ends)
        sequence.text = Text(self._tokenizer.piece, job.params.stop, lead=job.lead)
        self._active.append(sequence)

    def _leave(self, sequence: Sequence) -> None:
        self._active.remove(sequence)
        self.backend.end(sequence.state)

    def _feed(self, work: list[tuple[Sequence, list[int]]]) -> None:
        try:
            scores = self.backend.feed([(sequence.state, tokens) for sequence, tokens in work])
        except Exception as error:  # noqa: BLE001 - the library's: all that it held are lost, the model is not
            for sequence, _ in work:
                self._fail(sequence, error)
            return
        for (sequence, tokens), row in zip(work, scores, strict=True):
            sequence.pending = sequence.pending[len(tokens) :]
            if sequence.pending:
                continue
            try:
                self._say(sequence, self._draw(sequence, row))
            except (ArithmeticError, RuntimeError, ValueError) as error:
                self._fail(sequence, error)

    def _draw(self, sequence: Sequence, scores: Any) -> int:
        constraint = sequence.constraint
        token = sequence.sampler.next(scores, constraint.allowed() if constraint else None)
        if constraint and token not in self._tokenizer.ends:
            constraint.advance(token)
        return token

    def _say(self, sequence: Sequence, token: int) -> None:
        params, constraint, text = sequence.job.params, sequence.constraint, ""
        ended: Reason | None = None
        if token in self._tokenizer.ends:
            ended = "stop"
        else:
            sequence.made += 1
            sequence.pending = [token]
            text = sequence.text.push(token, may_stop=sequence.made >= params.min_tokens)
            if sequence.text.stopped or (constraint and constraint.ended):
                ended = "stop"
            elif sequence.made >= sequence.most:
                ended = "length"
        complete = True
        if ended:
            text += sequence.text.finish()
            complete = constraint is None or ended == "stop" or constraint.complete
            self._leave(sequence)
        sequence.telling.add(Piece(text, sequence.made, sequence.read, ended, complete))
        if sequence.telling.urgent:
            self._tell(sequence, self._clock())

    def _tell(self, sequence: Sequence, now: float) -> None:
        if (piece := sequence.telling.take(now)) is not None:
            self._said.append((sequence.key, piece))

    def _fail(self, sequence: Sequence, error: Exception) -> None:
        self._tell(sequence, self._clock())
        self.refuse(sequence.key, error)
        self._leave(sequence)
