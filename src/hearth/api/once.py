"""`Idempotency-Key` on the wire: which operations heed it, and what makes two requests the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from hearth.api.http import Reply, Request
from hearth.domain.limits import Once
from hearth.service.idempotency import Answer, once

ANSWERED = frozenset({"models.create", "deployments.create"})
"""Operations whose answer is kept. Predictions and trainings are known by their id and shown as they are now."""
HEADER = b"idempotency-key"
_AGAIN = (b"idempotency-replayed", b"true")


def of(request: Request, body: Any) -> Once | None:
    """What must happen once; None if the caller did not ask for that. Raises InvalidRequest.

    `body` is the decoded one, so neither white space nor the order of keys nor unknown fields make a difference.
    """
    key = request.header(HEADER)
    if key is None:
        return None
    return once(request.account, key, request.path.encode(), msgspec.json.encode(body, order="sorted"))


async def answer(request: Request, asked: Once, make: Callable[[], Awaitable[Reply]]) -> Reply:
    """The reply, or the one that was given the first time."""
    replies: list[Reply] = []

    async def make_once() -> Answer:
        replies.append(await make())
        return Answer(replies[0].status, replies[0].body)

    given = await request.services.idempotency.answer(asked, make_once)
    return replies[0] if replies else Reply(given.status, given.body, headers=[_AGAIN])
