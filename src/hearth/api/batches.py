"""Batches: one model over a table of inputs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Literal

import msgspec

from hearth import errors
from hearth.api import paging, wire
from hearth.api.bodies import Moment, PageBody
from hearth.api.http import Request, Stream
from hearth.api.route import CURSOR, NOT_FOUND, Content, Parameter, Route
from hearth.api.wire import moment
from hearth.domain.batch import Batch
from hearth.domain.prediction import Phase, Prediction
from hearth.errors import InvalidRequest, Pointer
from hearth.service.batches import Batches


class CreateBatch(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    """`owner/name`, `owner/name:version` or a version id."""
    rows: list[dict[str, Any]] | str
    """The table: objects, or the text of a CSV or JSONL file."""
    format: Literal["csv", "jsonl", "json"] = "jsonl"
    """What the text is."""
    input: dict[str, Any] = {}
    """What all rows have in common. A `<name>` in its texts stands for the row's column of this name."""


class BatchCounts(msgspec.Struct, frozen=True, kw_only=True):
    waiting: int
    running: int
    succeeded: int
    failed: int
    canceled: int


class BatchUrls(msgspec.Struct, frozen=True, kw_only=True):
    get: str
    cancel: str
    results: str
    web: str


class BatchBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    model: str
    version: str
    status: Literal["running", "completed", "canceled", "failed"]
    total: int
    counts: BatchCounts
    error: str | None
    created_at: Moment
    completed_at: Moment | None
    urls: BatchUrls


class ResultBody(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the results."""

    position: int
    """Counted from 0, in the order of the rows."""
    input: dict[str, Any]
    status: str
    output: Any
    error: str | None
    id: str | None
    """Of its prediction, once there is one."""
    metrics: dict[str, Any]


async def create(request: Request, body: CreateBatch) -> BatchBody:
    text, format = body.rows, body.format
    if not isinstance(text, str):
        text, format = msgspec.json.encode(text).decode(), "json"
    batch = await request.services.batches.create(
        request.account,
        version=body.version,
        template=body.input,
        text=text,
        format=format,
        origin=request.origin,
    )
    return await _shown(request, batch)


async def index(request: Request) -> PageBody[BatchBody]:
    found = await request.services.batches.page(request.account, paging.cursor(request))
    return paging.page(request, found, [await _shown(request, batch) for batch in found.items])


async def get(request: Request) -> BatchBody:
    return await _shown(request, await request.services.batches.get(request.account, request.params["id"]))


async def cancel(request: Request) -> BatchBody:
    return await _shown(request, await request.services.batches.cancel(request.account, request.params["id"]))


async def results(request: Request) -> Stream:
    """A line of JSON for each input, in order, also for those that have not ended."""
    batch = await request.services.batches.get(request.account, request.params["id"])
    after = request.query.get("after") or "-1"
    if not after.removeprefix("-").isdecimal():
        raise InvalidRequest(errors=(Pointer("/after", "after: must be the position of a row"),))
    name = f'attachment; filename="{batch.id}.jsonl"'.encode()
    body = lines(request.services.batches, batch, request.origin, int(after))
    return Stream(body, Content.LINES.encode(), 200, [(b"content-disposition", name)])


async def lines(batches: Batches, batch: Batch, origin: str, after: int = -1) -> AsyncGenerator[bytes, None]:
    """The results behind a place, each as a line of JSON, with addresses under an origin."""
    async for result in batches.results(batch, after=after):
        made = result.prediction
        body = ResultBody(
            position=result.position,
            input=result.input,
            status=_status(made),
            output=None if made is None else made.output,
            error=None if made is None else made.error,
            id=None if made is None else made.id,
            metrics={} if made is None else made.metrics,
        )
        yield wire.encode(body, origin) + b"\n"


def _status(prediction: Prediction | None) -> str:
    if prediction is None:
        return "waiting"
    if prediction.phase.terminal:
        return "canceled" if prediction.phase is Phase.ABORTED else prediction.phase.value
    return "processing" if prediction.phase is Phase.RUNNING else "starting"


async def _shown(request: Request, batch: Batch) -> BatchBody:
    progress = await request.services.batches.progress(batch)
    url = f"{request.origin}/v1/batches/{batch.id}"
    return BatchBody(
        id=batch.id,
        model=batch.model,
        version=batch.version,
        status=batch.state.value,
        total=batch.total,
        counts=BatchCounts(**msgspec.structs.asdict(progress)),
        error=batch.because or None,
        created_at=moment(batch.created_at),
        completed_at=None if batch.completed_at is None else moment(batch.completed_at),
        urls=BatchUrls(
            get=url, cancel=f"{url}/cancel", results=f"{url}/results", web=f"{request.origin}/batches/{batch.id}"
        ),
    )


ROUTES = (
    Route(
        method="POST",
        path="/batches",
        operation_id="batches.create",
        summary="Run a model over a table of inputs",
        handler=create,
        body=CreateBatch,
        reply=BatchBody,
        status=201,
        errors=(errors.InvalidRequest, errors.InvalidVersion),
        creates=True,
        ours=True,
    ),
    Route(
        method="GET",
        path="/batches",
        operation_id="batches.list",
        summary="List batches, newest first",
        handler=index,
        reply=PageBody[BatchBody],
        parameters=(CURSOR,),
        errors=(errors.InvalidRequest,),
        ours=True,
    ),
    Route(
        method="GET",
        path="/batches/{id}",
        operation_id="batches.get",
        summary="Get a batch, with its progress",
        handler=get,
        reply=BatchBody,
        errors=NOT_FOUND,
        ours=True,
    ),
    Route(
        method="POST",
        path="/batches/{id}/cancel",
        operation_id="batches.cancel",
        summary="Cancel a batch and what is left of its predictions",
        handler=cancel,
        reply=BatchBody,
        errors=NOT_FOUND,
        ours=True,
    ),
    Route(
        method="GET",
        path="/batches/{id}/results",
        operation_id="batches.results",
        summary="A batch's inputs and what became of them, as lines of JSON",
        handler=results,
        reply=Content.LINES,
        parameters=(Parameter("after", "Only rows behind this position."),),
        errors=(*NOT_FOUND, errors.InvalidRequest),
        ours=True,
    ),
)
