"""Records to JSON: the shapes that Replicate's clients expect, and nothing of them anywhere else.

Sources: client-contract.md sections 4 and 5, replicate-platform.md section 9.2. Keys that have no value are
null in answers to GET and absent in answers to a create; `urls.stream` is absent or a string, never null.
Strings that are file references become URLs in the encoded bytes, so values are never copied for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, UnsetType

from hearth.api.bodies import (
    AccountBody,
    AttemptBody,
    BrokenBody,
    ConfigurationBody,
    DeliveryBody,
    DeploymentBody,
    EventBody,
    FileBody,
    FileUrls,
    InstanceBody,
    LapBody,
    ModelBody,
    PredictionBody,
    PushBody,
    PushUrls,
    QueueBody,
    ReleaseBody,
    Status,
    TokenBody,
    TrainingBody,
    TrainingOutput,
    Urls,
    VersionBody,
)
from hearth.api.shapes import UNKNOWN, Shape, Shapes, StreamKind
from hearth.domain.account import Account, Token
from hearth.domain.breakdown import Breakdown
from hearth.domain.deployment import Deployment, Release
from hearth.domain.events import Event
from hearth.domain.file import File, parse_reference
from hearth.domain.instance import InstanceView
from hearth.domain.model import Build, Model, Version
from hearth.domain.prediction import Phase, Place, Prediction, PredictionKind
from hearth.domain.webhook import Attempt, Delivery
from hearth.service.files import Link

_STATUS: dict[Phase, Status] = {
    Phase.QUEUED: "starting",
    Phase.ASSIGNED: "starting",
    Phase.BOOTING: "starting",
    Phase.RUNNING: "processing",
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.CANCELED: "canceled",
    Phase.ABORTED: "canceled",
}
_REFERENCE = re.compile(rb'"hearth-file:([0-9a-z]{26})/([^/"\\]+)"')
_MARK = b'"hearth-file:'
_SAFE = "@=,+()"
_encoder = msgspec.json.Encoder()


def encode(value: Any, origin: str) -> bytes:
    """JSON, with every string that is a file reference turned into its URL under `origin`."""
    body = _encoder.encode(value)
    if _MARK in body:
        base = f"{origin}/v1/files/".encode()
        body = _REFERENCE.sub(
            lambda m: b'"' + base + m[1] + b"/" + quote(m[2].decode(), safe=_SAFE).encode() + b'"', body
        )
    return body


def datum(value: Any, origin: str) -> str:
    """One stream datum: text as it is, a file as its URL, anything else as JSON."""
    if isinstance(value, str):
        reference = parse_reference(value)
        return file_url(*reference, origin) if reference else value
    return encode(value, origin).decode()


def file_url(id: str, name: str, origin: str) -> str:
    return f"{origin}/v1/files/{id}/{quote(name, safe=_SAFE)}"


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _maybe(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


_WAITING = frozenset({Phase.QUEUED, Phase.BOOTING})


class StreamTokens(Protocol):
    def token(self, prediction_id: str) -> str: ...


class Wire:
    """Predictions to JSON. One object, shared by the API and (as `render`) by the webhooks."""

    def __init__(self, *, tokens: StreamTokens, shapes: Shapes, show_aborted: bool = False) -> None:
        self.shapes = shapes
        self._token = tokens.token
        self._status: dict[Phase, Status] = {**_STATUS, Phase.ABORTED: "aborted"} if show_aborted else _STATUS

    def training(
        self, record: Prediction, origin: str, *, room: str = "trainings", nothing: UnsetType | None = UNSET
    ) -> TrainingBody:
        """Its URLs are in `room`: a create's point at predictions. `nothing` stands for an output that is not there."""
        get = f"{origin}/v1/{room}/{record.id}"
        output: TrainingOutput | UnsetType | None = nothing
        if record.phase is Phase.SUCCEEDED and isinstance(record.output, dict):
            output = TrainingOutput(record.output["version"], record.output.get("weights"))
        return TrainingBody(
            id=record.id,
            model=record.model,
            version=record.version,
            destination=record.destination or "",
            input=record.input,
            output=output,
            logs=_lines(record.logs),
            error=record.error or None,
            status=self._status[record.phase],
            reason=record.reason if record.reason and record.phase in _WAITING else UNSET,
            queue=UNSET if record.place is None else queue(record.place),
            source="api" if record.source == "api" else "web",
            data_removed=record.data_removed,
            created_at=moment(record.created_at),
            started_at=_maybe(record.started_at),
            completed_at=_maybe(record.completed_at),
            metrics=_metrics(record),
            webhook=record.webhook or UNSET,
            webhook_events_filter=record.webhook_events if record.webhook else UNSET,
            urls=Urls(get, f"{get}/cancel", f"{origin}/p/{record.id}"),
        )

    async def created(self, prediction: Prediction, origin: str) -> PredictionBody:
        """What a create answers: the finished prediction, or one that is `starting` and shows nothing yet."""
        if prediction.phase.terminal:
            return await self.read(prediction, origin)
        shape = self.shapes.known(prediction.version) or await self.shapes.of(prediction.version)
        return PredictionBody(
            id=prediction.id,
            model=prediction.model,
            version=prediction.version,
            deployment=prediction.deployment or UNSET,
            input=prediction.input,
            output=None,
            logs="",
            error=None,
            status="starting",
            priority=prediction.priority,
            data_removed=False,
            created_at=datetime.fromtimestamp(prediction.created_at, UTC),
            deadline=UNSET if prediction.deadline is None else moment(prediction.deadline),
            webhook=prediction.webhook or UNSET,
            webhook_events_filter=prediction.webhook_events if prediction.webhook else UNSET,
            urls=self._urls(prediction.id, origin, shape),
        )

    async def read(self, prediction: Prediction, origin: str) -> PredictionBody:
        """What get, list and cancel answer."""
        shape = self.shapes.known(prediction.version) or await self.shapes.of(prediction.version)
        return self._whole(prediction, origin, shape)

    def render(self, prediction: Prediction) -> bytes:
        """A webhook's body: the same JSON as GET, under the origin the prediction was created with.

        Does not wait, so `urls.stream` is there only if the version's shape is known: see `Shapes.learn`.
        """
        if prediction.kind is PredictionKind.TRAINING:
            return encode(self.training(prediction, prediction.origin), prediction.origin)
        shape = self.shapes.known(prediction.version) or UNKNOWN
        return encode(self._whole(prediction, prediction.origin, shape), prediction.origin)

    def _whole(self, prediction: Prediction, origin: str, shape: Shape) -> PredictionBody:
        return PredictionBody(
            id=prediction.id,
            model=prediction.model,
            version=prediction.version,
            deployment=prediction.deployment or UNSET,
            input=prediction.input,
            output=prediction.output,
            logs=_lines(prediction.logs),
            error=prediction.error or None,
            status=self._status[prediction.phase],
            reason=prediction.reason if prediction.reason and prediction.phase in _WAITING else UNSET,
            queue=UNSET if prediction.place is None else queue(prediction.place),
            priority=prediction.priority,
            source="api" if prediction.source == "api" else "web",
            data_removed=prediction.data_removed,
            created_at=datetime.fromtimestamp(prediction.created_at, UTC),
            started_at=_maybe(prediction.started_at),
            completed_at=_maybe(prediction.completed_at),
            deadline=UNSET if prediction.deadline is None else moment(prediction.deadline),
            metrics=_metrics(prediction),
            webhook=prediction.webhook or UNSET,
            webhook_events_filter=prediction.webhook_events if prediction.webhook else UNSET,
            urls=self._urls(prediction.id, origin, shape),
        )

    def _urls(self, id: str, origin: str, shape: Shape) -> Urls:
        get = f"{origin}/v1/predictions/{id}"
        if shape.stream is None:
            return Urls(get, f"{get}/cancel", f"{origin}/p/{id}")
        room = "files" if shape.stream is StreamKind.FILES else "streams"
        return Urls(get, f"{get}/cancel", f"{origin}/p/{id}", f"{origin}/v1/{room}/{self._token(id)}")


def queue(place: Place) -> QueueBody:
    return QueueBody(
        position=None if place.ahead is None else place.ahead + 1,
        ahead=place.ahead,
        expected_start=_maybe(place.starts_at),
        because=place.because,
    )


def _lines(logs: str) -> str:
    """Progress bars end with carriage returns; clients look for them at line ends (client-contract.md 19)."""
    return logs.replace("\r\n", "\n").replace("\r", "\n") if "\r" in logs else logs


def _metrics(prediction: Prediction) -> dict[str, Any]:
    """The model's own, with `predict_time` and `total_time` as floats once it has ended."""
    completed, started = prediction.completed_at, prediction.started_at
    if completed is None:
        return prediction.metrics
    total = round(max(completed - prediction.created_at, 0.0), 6)
    metrics = {**prediction.metrics, "total_time": total}
    if started is not None:
        metrics.setdefault("predict_time", round(max(completed - started, 0.0), 6))
        metrics["predict_time"] = _as_float(metrics["predict_time"])
    return metrics


def _as_float(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def version(record: Version, breakdowns: Sequence[Breakdown] = ()) -> VersionBody:
    return VersionBody(
        id=record.id,
        created_at=moment(record.created_at),
        cog_version=record.cog_version,
        openapi_schema=record.openapi_schema,
        broken=[broken(each) for each in breakdowns] if breakdowns else UNSET,
    )


def broken(record: Breakdown) -> BrokenBody:
    return BrokenBody(
        model=record.model,
        version=record.version_id,
        deployment=record.deployment,
        because=record.sentence,
        failures=record.failures,
        since=moment(record.at),
        logs=record.logs,
    )


def model(
    record: Model, latest: Version | None, origin: str, *, example: PredictionBody | None, cover: str | None
) -> ModelBody:
    """`cover`: a URL or a file reference."""
    return ModelBody(
        url=f"{origin}/{record.owner}/{record.name}",
        owner=record.owner,
        name=record.name,
        description=record.description,
        visibility=record.visibility.value,
        github_url=record.github_url,
        paper_url=record.paper_url,
        weights_url=record.weights_url,
        license_url=record.license_url,
        run_count=record.run_count,
        cover_image_url=cover,
        default_example=example,
        latest_version=version(latest) if latest else None,
        created_at=moment(record.created_at),
    )


def file(record: File, origin: str, link: Link) -> FileBody:
    url = f"{origin}/v1/files/{record.id}"
    return FileBody(
        id=record.id,
        name=record.name,
        content_type=record.content_type,
        size=record.size,
        etag=record.md5,
        checksums={"sha256": record.sha256, "md5": record.md5},
        metadata=record.metadata,
        created_at=moment(record.created_at),
        expires_at=_maybe(record.expires_at),
        urls=FileUrls(url, f"{url}/download?{urlencode(link._asdict())}"),
    )


def account(record: Account) -> AccountBody:
    return AccountBody(
        type=record.type.value,
        username=record.username,
        name=record.name or record.username,
        github_url=record.github_url,
        avatar_url=record.avatar_url,
    )


def configuration(release: Release) -> ConfigurationBody:
    return ConfigurationBody(
        release.hardware,
        release.min_instances,
        release.max_instances,
        UNSET if release.batch_size is None else release.batch_size,
        UNSET if release.batch_wait is None else release.batch_wait,
    )


def deployment(record: Deployment, owner: Account) -> DeploymentBody:
    """`owner`: whose it is; nobody else makes releases."""
    release = record.current
    return DeploymentBody(
        owner=record.owner,
        name=record.name,
        current_release=ReleaseBody(
            number=release.number,
            model=release.model,
            version=release.version,
            created_at=moment(release.created_at),
            created_by=account(owner),
            configuration=configuration(release),
        ),
        status=release.state.value,
        because=release.because,
        serving_release=None if record.serving is None else record.serving.number,
    )


def token(record: Token) -> TokenBody:
    return TokenBody(
        name=record.name,
        hint=record.hint,
        created_at=moment(record.created_at),
        disabled_at=_maybe(record.disabled_at),
        priority=record.priority,
    )


def push(record: Build, origin: str, missing: list[str] | UnsetType = UNSET) -> PushBody:
    base = f"{origin}/v1/pushes/{record.id}"
    return PushBody(
        id=record.id,
        status=record.state.value,
        model=record.model,
        version=record.version_id,
        error=record.error,
        hint=record.hint,
        created_at=moment(record.created_at),
        completed_at=_maybe(record.completed_at),
        missing=missing,
        urls=PushUrls(f"{base}/source", f"{base}/log", base),
    )


def event(record: Event) -> EventBody:
    return EventBody(record.seq, record.kind.value, moment(record.at), record.data)


def instance(view: InstanceView) -> InstanceBody:
    return InstanceBody(
        id=view.id,
        model=view.model,
        version=view.version,
        deployment=view.deployment,
        training=view.training,
        state=view.state.value,
        because=view.because,
        slots=view.slots,
        busy=view.busy,
        started_at=moment(view.started_at),
        ready_at=_maybe(view.ready_at),
        idle_since=_maybe(view.idle_since),
        pid=view.pid,
        memory=view.memory,
        peak=view.peak,
        reserved=view.reserved,
        gpus=view.gpus,
        gpu_memory=view.gpu_memory,
        predictions=view.predictions,
        batch_size=view.batch_size,
        boot_seconds=view.boot_seconds,
        phases=tuple(LapBody(lap.phase.value, round(lap.seconds, 3)) for lap in view.phases),
        expected_seconds=view.expected_seconds,
        forked=view.forked,
        logs=view.logs,
    )


def delivery(record: Delivery, attempts: list[Attempt]) -> DeliveryBody:
    return DeliveryBody(
        id=record.id,
        prediction=record.prediction_id,
        event=record.event,
        url=record.url,
        state=record.state.value,
        created_at=moment(record.created_at),
        due_at=moment(record.due_at) if record.state.value == "pending" else None,
        attempts=[
            AttemptBody(number=a.number, at=moment(a.at), duration=a.duration, status=a.status, error=a.error)
            for a in attempts
        ],
    )
