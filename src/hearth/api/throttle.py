"""Rate limits at the door: a token of the account's bucket per call, and the headers that tell what is left."""

from __future__ import annotations

from hearth.api.http import Request
from hearth.api.route import Route
from hearth.domain.limits import Lane
from hearth.errors import Throttled

_CREATES = frozenset({"predictions.create", "models.predictions.create", "deployments.predictions.create"})


def lane(route: Route) -> Lane:
    """Which allowance an operation uses. Operations without a token are not counted: they have no account."""
    if route.operation_id in _CREATES or (route.openai and route.creates):
        return Lane.CREATES
    return Lane.READS if route.operation_id == "predictions.get" else Lane.OTHERS


def take(request: Request, lane: Lane) -> None:
    """Raises Throttled. Where a limit is set, every answer says what is left of it."""
    verdict = request.services.limits.take(request.account, lane)
    if verdict is None:
        return
    request.lasting_headers += (
        (b"ratelimit-remaining", str(verdict.remaining).encode()),
        (b"ratelimit-reset", str(verdict.reset).encode()),
    )
    if not verdict.allowed:
        raise Throttled(verdict.reset)
