"""What becomes of a prediction afterwards: shown to whoever has its link, or deleted with its files. Ours."""

from __future__ import annotations

import msgspec

from hearth import errors
from hearth.api.bodies import PredictionBody
from hearth.api.http import Request
from hearth.api.route import NOT_FOUND, Route


class Share(msgspec.Struct, frozen=True, kw_only=True):
    shared: bool = True
    """False: only its owner sees it again."""


async def share(request: Request, body: Share) -> PredictionBody:
    found = await request.services.sharing.share(request.account, request.params["id"], body.shared)
    return await request.services.wire.read(found, request.origin)


async def delete(request: Request) -> None:
    await request.services.sharing.delete(request.account, request.params["id"])


ROUTES = (
    Route(
        method="POST",
        path="/predictions/{id}/share",
        operation_id="predictions.share",
        summary="Show a prediction to whoever has its link, `urls.web`, and keep it for good; or no more",
        handler=share,
        body=Share,
        reply=PredictionBody,
        errors=(errors.NotFound, errors.Conflict),
        ours=True,
    ),
    Route(
        method="DELETE",
        path="/predictions/{id}",
        operation_id="predictions.delete",
        summary="Delete a prediction that has ended, with its input, output, logs and files",
        handler=delete,
        status=204,
        errors=(*NOT_FOUND, errors.Conflict),
        ours=True,
    ),
)
