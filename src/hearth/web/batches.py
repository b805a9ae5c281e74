"""Batches: the list of them, and one of them with its progress and results."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from hearth.domain.batch import Batch, BatchState
from hearth.domain.schema import OutputKind
from hearth.errors import NotFound
from hearth.service.batches import Progress, Result
from hearth.web import outputs, paging, panel
from hearth.web.http import LINES, Reply, Stream, redirect
from hearth.web.links import with_urls
from hearth.web.outputs import Piece
from hearth.web.request import Request
from hearth.web.route import For, Route
from hearth.web.versions import interface

STATES = {
    BatchState.RUNNING: ("Running", "info live"),
    BatchState.COMPLETED: ("Completed", "ok"),
    BatchState.CANCELED: ("Canceled", ""),
    BatchState.FAILED: ("Failed", "bad"),
}
ROWS = 100
"""Results on one page."""
_NOT_MADE = {
    BatchState.RUNNING: ("Waiting", ""),
    BatchState.COMPLETED: ("Deleted", ""),
    BatchState.CANCELED: ("Canceled", ""),
    BatchState.FAILED: ("Canceled", ""),
}
"""Of a row that has no prediction."""


class Listed(NamedTuple):
    batch: Batch
    progress: Progress
    label: str
    badge: str

    @property
    def done(self) -> int:
        return self.progress.succeeded + self.progress.failed + self.progress.canceled

    @property
    def live(self) -> bool:
        return self.batch.state is BatchState.RUNNING

    @property
    def moving(self) -> bool:
        """It changes by itself: a canceled one, too, until the last run has ended."""
        return self.live or self.progress.running > 0


class Line(NamedTuple):
    """One row of the results."""

    number: int
    """Counted from 1, as people count rows."""
    label: str
    badge: str
    input: dict[str, Any]
    pieces: list[Piece]
    error: str
    id: str


async def index(request: Request) -> Reply:
    cursor = paging.cursor(request)
    page = await request.services.batches.page(request.signed_in, cursor, limit=50)
    return request.page(
        "batches/index.html",
        batches=[await _listed(request, batch) for batch in page.items],
        pages=paging.links(request, page),
    )


async def _listed(request: Request, batch: Batch) -> Listed:
    return Listed(batch, await request.services.batches.progress(batch), *STATES[batch.state])


async def show(request: Request) -> Reply:
    """`?after=99` shows the rows behind that place."""
    return request.page("batches/batch.html", **await _values(request))


async def now(request: Request) -> Reply:
    """What changes while it runs."""
    return request.part("batches/now.html", **await _values(request))


async def _values(request: Request) -> dict[str, Any]:
    batch = await request.services.batches.get(request.signed_in, request.params["id"])
    text = request.query.get("after", "")
    after = min(int(text), batch.total - 1) if text.isdecimal() and len(text) < 9 else -1
    results = [result async for result in request.services.batches.results(batch, after=after, count=ROWS)]
    kind, secrets = await _interface(request, batch)
    lines = [_line(batch, result, kind, secrets) for result in results]
    common, columns = differing([line.input for line in lines])
    return {
        "listed": await _listed(request, batch),
        "lines": lines,
        "common": common,
        "columns": columns,
        "after": after,
        "before": None if after < 0 else max(after - ROWS, -1),
        "next": after + ROWS if after + ROWS < batch.total - 1 else None,
    }


async def _interface(request: Request, batch: Batch) -> tuple[OutputKind, frozenset[str]]:
    owner, _, name = batch.model.partition("/")
    try:
        version = await request.services.models.version(request.signed_in, owner, name, batch.version)
    except NotFound:
        return OutputKind(), frozenset()  # deleted: what it returned is still there
    schema = interface(version).input
    return schema.output_kind, frozenset(schema.secret_fields)


def _line(batch: Batch, result: Result, kind: OutputKind, secrets: frozenset[str]) -> Line:
    made = result.prediction
    label, badge = _NOT_MADE[batch.state] if made is None else panel.SHOWN[made.phase]
    output = None if made is None or made.data_removed else made.output
    if output is not None and kind.is_iterator and not isinstance(output, list):
        output = [output]
    return Line(
        number=result.position + 1,
        label=label,
        badge=badge.replace("live", "").strip(),
        input={key: with_urls(value, "") for key, value in result.input.items() if key not in secrets},
        pieces=outputs.pieces(output, kind),
        error="" if made is None else made.error or "",
        id="" if made is None else made.id,
    )


def differing(inputs: list[dict[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """What all of them have in common, and the names of what differs. A single one is all columns."""
    names = list(dict.fromkeys(name for input in inputs for name in input))
    if len(inputs) < 2:
        return {}, names
    columns = [name for name in names if len({msgspec.json.encode(input.get(name)) for input in inputs}) > 1]
    return {name: inputs[0].get(name) for name in names if name not in columns}, columns or names


async def cancel(request: Request) -> Reply:
    batch = await request.services.batches.cancel(request.signed_in, request.params["id"])
    return redirect(f"/batches/{batch.id}", toast="No more rows are run, and what ran is canceled.")


async def download(request: Request) -> Stream:
    """The results as lines of JSON, as the API gives them."""
    batch = await request.services.batches.get(request.signed_in, request.params["id"])
    name = f'attachment; filename="{batch.id}.jsonl"'.encode()
    headers = ((b"content-disposition", name), (b"cache-control", b"private, no-store"))
    return Stream(request.services.render_batch(batch, request.origin), LINES, 200, headers)


ROUTES = (
    Route(method="GET", path="/batches", handler=index, whom=For.SIGNED_IN),
    Route(method="GET", path="/batches/{id}", handler=show, whom=For.SIGNED_IN),
    Route(method="GET", path="/batches/{id}/now", handler=now, whom=For.SIGNED_IN),
    Route(method="POST", path="/batches/{id}/cancel", handler=cancel, whom=For.SIGNED_IN),
    Route(method="GET", path="/batches/{id}/results.jsonl", handler=download, whom=For.SIGNED_IN, programs=True),
)
