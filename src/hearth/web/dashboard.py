"""What was run: predictions and trainings with filters, and the history of one of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from hearth.domain.events import Event, Kind
from hearth.domain.prediction import Phase, Prediction, PredictionKind
from hearth.errors import InvalidRequest
from hearth.service.history import STATES, Wanted
from hearth.service.usage import day
from hearth.web import paging, panel
from hearth.web.http import Reply, redirect
from hearth.web.request import Request
from hearth.web.route import For, Route

SOURCES = (("", "Anywhere"), ("web", "Browser"), ("api", "API"))


class Row(NamedTuple):
    prediction: Prediction
    label: str
    badge: str
    seconds: float | None
    """Of the model's run, so far if it goes on."""


async def predictions(request: Request) -> Reply:
    return await _list(request, PredictionKind.PREDICTION)


async def trainings(request: Request) -> Reply:
    return await _list(request, PredictionKind.TRAINING)


async def _list(request: Request, kind: PredictionKind) -> Reply:
    query, wrong = request.query, ""
    try:
        after, before = day(query.get("from"), "from"), day(query.get("to"), "to")
    except InvalidRequest as error:
        after, before, wrong = None, None, error.message
    wanted = Wanted(
        state=query.get("state", "") if query.get("state") in STATES else "",
        model=query.get("model", "").strip().lower()[:200],
        deployment=query.get("deployment", "").strip().lower()[:200],
        source=query.get("source", "") if query.get("source") in ("web", "api") else "",
        created_after=_midnight(after),
        created_before=_midnight(before and before + timedelta(days=1)),
    )
    cursor = paging.cursor(request)
    found = await request.services.history.page(request.signed_in, kind, wanted, cursor=cursor)
    now = request.services.now()
    newest = urlencode([(key, value) for key, value in request.pairs if key != "cursor"])
    return request.page(
        "dashboard.html",
        kind=kind.value,
        rows=[row(prediction, now) for prediction in found.items],
        older=paging.links(request, found).older,
        newest=f"{request.path}?{newest}" if cursor else None,
        wanted=wanted,
        states=list(STATES),
        sources=SOURCES,
        filtered=any((wanted.state, wanted.model, wanted.deployment, wanted.source, after, before)),
        wrong=wrong,
        fresh=cursor is None,
    )


def row(prediction: Prediction, now: float) -> Row:
    label, badge = panel.SHOWN[prediction.phase]
    if prediction.cancel_requested_at is not None and not prediction.phase.terminal:
        label, badge = "Canceling", "warn live"
    started = prediction.started_at
    end = prediction.completed_at or (now if prediction.phase is Phase.RUNNING else None)
    return Row(prediction, label, badge, None if started is None or end is None else max(end - started, 0.0))


def _midnight(when: Any) -> float | None:
    return None if when is None else datetime(when.year, when.month, when.day, tzinfo=UTC).timestamp()


# One prediction's history


class Moment(NamedTuple):
    """A line of the timeline."""

    at: float
    after: float
    """Seconds since the prediction was created."""
    title: str
    text: str
    color: str


_TITLES = {
    Kind.QUEUED: ("Created", ""),
    Kind.BOOTING: ("An instance boots for it", "warn"),
    Kind.ASSIGNED: ("Has a slot", "info"),
    Kind.STARTED: ("The run began", "info"),
    Kind.RETURNED: ("Back in line", "warn"),
    Kind.CANCEL_REQUESTED: ("Its end was asked for", "warn"),
    Kind.SUCCEEDED: ("Succeeded", "ok"),
    Kind.FAILED: ("Failed", "bad"),
    Kind.CANCELED: ("Canceled", ""),
    Kind.ABORTED: ("Aborted before it started", ""),
}
_MOST = 200
"""Lines of a timeline."""


async def history(request: Request) -> Reply:
    """A part of the page `/p/{id}`, for its owner."""
    predictions, id = request.services.predictions, request.params["id"]
    found = await predictions.get(request.signed_in, id)
    events = await predictions.timeline(request.signed_in, id)
    return request.part(
        "parts/history_of.html",
        prediction=found,
        moments=moments(events, found.created_at),
        deliveries=await predictions.deliveries(request.signed_in, id),
    )


def moments(events: list[Event], created_at: float) -> list[Moment]:
    """Output, logs and metrics that follow each other become one line."""
    found: list[Moment] = []
    together: list[Event] = []

    def close() -> None:
        if together:
            first, last = together[0], together[-1]
            outputs = sum(event.kind is Kind.OUTPUT for event in together)
            lines = sum(str(event.data).count("\n") for event in together if event.kind is Kind.LOG)
            metrics = sum(event.kind is Kind.METRIC for event in together)
            counts = ((outputs, "output"), (lines, "line of log"), (metrics, "metric"))
            parts = [f"{n} {_plural(word, n)}" for n, word in counts if n]
            span = f"within {last.at - first.at:.2f} s" if last.at - first.at >= 0.01 else ""
            title = ", ".join(parts) or "Something was printed"
            found.append(Moment(first.at, first.at - created_at, title, span, "ember"))
            together.clear()

    for event in events:
        if event.kind in (Kind.OUTPUT, Kind.LOG, Kind.METRIC):
            together.append(event)
            continue
        close()
        title, color = _TITLES.get(event.kind, (event.kind.value, ""))
        data = event.data if isinstance(event.data, dict) else {}
        text = str(data.get("because") or data.get("error") or "").strip()
        if event.kind is Kind.BOOTING and any(moment.title == title for moment in found):
            title, text = text[:1].upper() + text[1:] or title, ""  # the steps of its boot
        elif instance := data.get("instance"):
            text = f"{text} · instance {str(instance)[-6:]}" if text else f"Instance {str(instance)[-6:]}"
        found.append(Moment(event.at, event.at - created_at, title, text[:500], color))
    close()
    return found if len(found) <= _MOST else [*found[: _MOST // 2], *found[-_MOST // 2 :]]


def _plural(word: str, count: int) -> str:
    if count == 1:
        return word
    return "lines of log" if word == "line of log" else f"{word}s"


async def replay(request: Request) -> Reply:
    await request.services.predictions.replay(request.signed_in, request.params["delivery"])
    if request.htmx:
        return await history(request)
    return redirect(f"/p/{request.params['id']}", toast="The webhook is sent again.")


ROUTES = (
    Route(method="GET", path="/dashboard", handler=predictions, whom=For.SIGNED_IN),
    Route(method="GET", path="/trainings", handler=trainings, whom=For.SIGNED_IN),
    Route(method="GET", path="/p/{id}/history", handler=history, whom=For.SIGNED_IN),
    Route(method="POST", path="/p/{id}/webhooks/{delivery}/replay", handler=replay, whom=For.SIGNED_IN),
)
