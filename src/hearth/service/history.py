"""The predictions and trainings of an account, as people look for them: by state, model, deployment, source."""

from __future__ import annotations

import msgspec

from hearth.domain.account import Account
from hearth.domain.prediction import Phase, Prediction, PredictionKind
from hearth.service.predictions import Predictions
from hearth.store.base import Cursor, Page

LIMIT = 50
_LOOKED_AT = 1000
"""Predictions that are looked at for one page. Where few fit, the page is short and the next one goes on from there."""

STATES: dict[str, frozenset[Phase]] = {
    "waiting": frozenset({Phase.QUEUED, Phase.BOOTING, Phase.ASSIGNED}),
    "running": frozenset({Phase.RUNNING}),
    "succeeded": frozenset({Phase.SUCCEEDED}),
    "failed": frozenset({Phase.FAILED}),
    "canceled": frozenset({Phase.CANCELED, Phase.ABORTED}),
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to show; empty texts and None mean everything."""

    state: str = ""
    model: str = ""
    """`owner/name`, or the beginning of it."""
    deployment: str = ""
    source: str = ""
    created_after: float | None = None
    created_before: float | None = None

    def fits(self, prediction: Prediction) -> bool:
        return (
            (not self.state or prediction.phase in STATES.get(self.state, frozenset()))
            and (not self.model or prediction.model.startswith(self.model))
            and (not self.deployment or prediction.deployment == self.deployment)
        )


class History:
    def __init__(self, *, predictions: Predictions) -> None:
        self._predictions = predictions

    async def page(
        self,
        caller: Account,
        kind: PredictionKind = PredictionKind.PREDICTION,
        wanted: Wanted = Wanted(),  # noqa: B008 - frozen
        *,
        cursor: Cursor | None = None,
    ) -> Page[Prediction]:
        """Newest first, and where to go on (`older`). A walk along an index that stops at a page of what fits, or
        after a thousand rows: what it costs does not grow with what is stored."""
        found: list[Prediction] = []
        looked_at = 0
        while True:
            page = await self._predictions.page(
                caller,
                kind=kind,
                cursor=cursor,
                source=wanted.source or None,
                created_after=wanted.created_after,
                created_before=wanted.created_before,
            )
            room = LIMIT - len(found)
            fit = [prediction for prediction in page.items if wanted.fits(prediction)]
            found += fit[:room]
            looked_at += len(page.items)
            if len(fit) > room:  # the rest of this page comes with the next one
                return Page(found, _after(found[-1]), None)
            if page.older is None or len(found) == LIMIT or looked_at >= _LOOKED_AT:
                return Page(found, page.older, None)
            cursor = page.older


def _after(prediction: Prediction) -> Cursor:
    return Cursor(prediction.created_at, prediction.id)
