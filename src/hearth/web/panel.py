"""A prediction as pages show it: its output in pieces, how it stands, how long it took, what may be done with it."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from hearth.domain.boot import BootPhase
from hearth.domain.instance import InstanceState, InstanceView
from hearth.domain.prediction import Phase, Prediction
from hearth.domain.schema import OutputKind
from hearth.errors import NotFound
from hearth.web import outputs
from hearth.web.links import with_urls
from hearth.web.outputs import Piece
from hearth.web.request import Request
from hearth.web.versions import kind_of

SHOWN = {
    Phase.QUEUED: ("Queued", "warn live"),
    Phase.BOOTING: ("Booting", "warn live"),
    Phase.ASSIGNED: ("Starting", "info live"),
    Phase.RUNNING: ("Running", "info live"),
    Phase.SUCCEEDED: ("Succeeded", "ok"),
    Phase.FAILED: ("Failed", "bad"),
    Phase.CANCELED: ("Canceled", ""),
    Phase.ABORTED: ("Aborted", ""),
}
_BOOT = {
    BootPhase.WEIGHTS: "Weights",
    BootPhase.ENVIRONMENT: "Environment",
    BootPhase.PROCESS: "Process",
    BootPhase.IMPORT: "Libraries",
    BootPhase.SETUP: "Setup",
}
_LOG_LINES = 12
GITHUB = "https://github.com/"
_SUMMARY = 140
"""Characters of an output or input on a card."""


class Step(NamedTuple):
    name: str
    state: str
    """done, now, or later."""
    seconds: float | None
    """How long it took."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a prediction stands, as a badge and a sentence."""

    label: str
    kind: str
    reason: str
    since: float | None
    """When what goes on began, for a clock that runs; None once it has ended."""
    steps: tuple[Step, ...] = ()
    boot_logs: str = ""
    progress: outputs.Progress | None = None


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    prediction: Prediction
    kind: OutputKind
    pieces: list[Piece]
    text: str | None
    """The output, if it is one text."""
    logs: str
    status: Status
    waited: float | None
    ran: float | None
    total: float | None
    seen: int
    """The last event that all this includes; -1: none."""
    owns: bool
    shared: bool
    example: bool
    report: str | None
    """Where to report a problem with the model."""

    @property
    def live(self) -> bool:
        return not self.prediction.phase.terminal


async def of(request: Request, prediction: Prediction) -> Panel:
    kind = await kind_of(request, prediction)
    owns = request.account is not None and request.account.id == prediction.account_id
    sharing = request.services.sharing
    in_hand = request.services.bus.feed(prediction.id) is not None
    started, completed = prediction.started_at, prediction.completed_at
    output = prediction.output
    if output is not None and kind.is_iterator and not isinstance(output, list):
        output = [output]
    found = outputs.pieces(output, kind)
    return Panel(
        prediction=prediction,
        kind=kind,
        pieces=found,
        text=found[0].value if len(found) == 1 and found[0].kind == "text" else None,
        logs=outputs.readable(_tail(prediction.logs)),
        status=status(request, prediction),
        waited=None if started is None else started - prediction.created_at,
        ran=None if started is None or completed is None else completed - started,
        total=None if completed is None else completed - prediction.created_at,
        seen=prediction.events - 1 if in_hand else -1,
        owns=owns,
        shared=owns and await sharing.shared(prediction.id),
        example=owns and await sharing.example(prediction.id),
        report=await _report(request, prediction) if prediction.error else None,
    )


def _tail(logs: str) -> str:
    """What a page shows of them: the last lines, from the beginning of one."""
    if len(logs) <= outputs.MAX_LOGS:
        return logs
    return "… earlier lines are left out here\n" + logs[-outputs.MAX_LOGS :].partition("\n")[2]


def status(request: Request, prediction: Prediction) -> Status:
    label, kind = SHOWN[prediction.phase]
    if prediction.cancel_requested_at is not None and not prediction.phase.terminal:
        label, kind = "Canceling", "warn live"
    running = prediction.phase is Phase.RUNNING
    reason = "" if prediction.phase.terminal else prediction.reason
    since = None if prediction.phase.terminal else prediction.started_at if running else prediction.created_at
    instance = _instance(request, prediction) if prediction.phase is Phase.BOOTING else None
    return Status(
        label=label,
        kind=kind,
        reason=reason[:1].upper() + reason[1:],
        since=since,
        steps=_steps(instance),
        boot_logs="\n".join(instance.logs.splitlines()[-_LOG_LINES:]) if instance is not None else "",
        progress=outputs.progress(prediction.logs) if running else None,
    )


def _instance(request: Request, prediction: Prediction) -> InstanceView | None:
    """The one that boots for it, or any of its version."""
    booting = (InstanceState.STARTING, InstanceState.SETUP)
    same = [i for i in request.services.bus.instances() if i.version == prediction.version and i.state in booting]
    return next((i for i in same if prediction.id in i.predictions), same[0] if same else None)


def _steps(instance: InstanceView | None) -> tuple[Step, ...]:
    """The phases of a boot, as far as it has come, with how long each took."""
    if instance is None:
        return ()
    took = {lap.phase: lap.seconds for lap in instance.phases}
    at = max((list(_BOOT).index(phase) for phase in took), default=0)
    return tuple(
        Step(name, "done" if n < at else "now" if n == at else "later", took.get(phase) if n < at else None)
        for n, (phase, name) in enumerate(_BOOT.items())
    )


async def _report(request: Request, prediction: Prediction) -> str | None:
    """The model's issue tracker with the error filled in, if its code is on GitHub; else where its code is."""
    owner, _, name = prediction.model.partition("/")
    try:
        model = await request.services.models.get(request.caller, owner, name)
    except NotFound:
        return None
    if model.github_url is not None and model.github_url.startswith(GITHUB):
        return _issue(model.github_url, prediction, f"{request.origin}/p/{prediction.id}")
    return model.github_url


class Summary(NamedTuple):
    """A prediction on a card."""

    prediction: Prediction
    cover: Piece | None
    text: str
    """Text, value or JSON that came out, in brief."""
    words: str
    """Of those, what was said: text."""
    prompt: str
    """The first text that went in; without one, the numbers."""


async def summary(request: Request, prediction: Prediction) -> Summary:
    kind = await kind_of(request, prediction)
    found = outputs.pieces(prediction.output, kind)
    cover = next((p for p in found if p.kind in ("image", "video", "audio")), None)
    text = next((_brief(p.value) for p in found if p.kind in ("text", "value", "json")), "")
    prompt = next((v for v in prediction.input.values() if isinstance(v, str) and not outputs.input_piece(v)), "")
    if not prompt:
        plain = [(k, v) for k, v in prediction.input.items() if isinstance(v, bool | int | float)]
        prompt = ", ".join(f"{name}: {msgspec.json.encode(value).decode()}" for name, value in plain)
    words = next((outputs.opening(p.value) for p in found if p.kind == "text"), "")
    return Summary(prediction, cover, text, words, _brief(prompt))


class Example(NamedTuple):
    """A prediction with what went in and what came out."""

    prediction: Prediction
    input: list[tuple[str, Any, Piece | None]]
    pieces: list[Piece]


async def example(request: Request, prediction: Prediction) -> Example:
    kind = await kind_of(request, prediction)
    return Example(prediction, shown_input(prediction), outputs.pieces(prediction.output, kind))


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _SUMMARY else f"{text[:_SUMMARY]}…"


def shown_input(prediction: Prediction) -> list[tuple[str, Any, Piece | None]]:
    """Name, value, and the file that it is."""
    return [(name, with_urls(value, ""), outputs.input_piece(value)) for name, value in prediction.input.items()]


def _issue(github_url: str, prediction: Prediction, page: str) -> str:
    """A new issue with what is known of the failure."""
    repository = "/".join(github_url.split("/")[:5])
    error = prediction.error or ""
    title = f"Prediction failed: {error.splitlines()[0][:100] if error else ''}"
    body = f"{page}\n\nVersion: {prediction.version}\n\n```\n{error[:1500]}\n```\n"
    return f"{repository}/issues/new?{urlencode({'title': title, 'body': body})}"
