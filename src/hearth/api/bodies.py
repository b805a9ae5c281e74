"""The shapes of answers, one record each: what `/openapi.json` describes and `wire.py` fills.

Sources: client-contract.md section 4, replicate-platform.md sections 6 to 16. Keys that are UNSET are absent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from hearth.domain.priority import Priority

T = TypeVar("T")
Status = Literal["starting", "processing", "succeeded", "failed", "canceled", "aborted"]

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""With its zone: what documents call a date-time."""


class Urls(msgspec.Struct, frozen=True):
    get: str
    cancel: str
    web: str
    stream: str | UnsetType = UNSET


class QueueBody(msgspec.Struct, frozen=True, kw_only=True):
    """Ours: where a prediction waits, as of now."""

    position: int | None
    """From 1, the next to be served; null beyond the first thousand."""
    ahead: int | None
    expected_start: Moment | None
    """Null where nobody can tell: nothing has run yet that it could be told from."""
    because: str
    """The same as `reason`."""


class PredictionBody(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction as every reader sees it."""

    id: str
    model: str
    version: str
    deployment: str | UnsetType = UNSET
    input: dict[str, Any]
    output: Any
    logs: str
    error: str | None
    status: Status
    reason: str | UnsetType = UNSET
    """Ours: one sentence on what it waits for, until it starts."""
    queue: QueueBody | UnsetType = UNSET
    """Ours: until it starts."""
    priority: Priority
    """Ours."""
    source: Literal["api", "web"] | UnsetType = UNSET
    data_removed: bool
    created_at: Moment
    started_at: Moment | UnsetType | None = UNSET
    completed_at: Moment | UnsetType | None = UNSET
    deadline: Moment | UnsetType = UNSET
    metrics: dict[str, Any] | UnsetType = UNSET
    webhook: str | UnsetType = UNSET
    webhook_events_filter: tuple[str, ...] | UnsetType = UNSET
    urls: Urls


class TrainingOutput(msgspec.Struct, frozen=True):
    version: str
    """`owner/name:id` of what it made."""
    weights: str | None = None


class TrainingBody(msgspec.Struct, frozen=True, kw_only=True):
    """A training as every reader sees it. `output` is absent until it has succeeded: clients take it for a reference
    to a version (client-contract.md section 4)."""

    id: str
    model: str
    version: str
    destination: str
    input: dict[str, Any]
    output: TrainingOutput | UnsetType | None = UNSET
    logs: str
    error: str | None
    status: Status
    reason: str | UnsetType = UNSET
    """Ours: one sentence on what it waits for, until it starts."""
    queue: QueueBody | UnsetType = UNSET
    """Ours: until it starts."""
    source: Literal["api", "web"]
    data_removed: bool
    created_at: Moment
    started_at: Moment | None
    completed_at: Moment | None
    metrics: dict[str, Any]
    webhook: str | UnsetType = UNSET
    webhook_events_filter: tuple[str, ...] | UnsetType = UNSET
    urls: Urls


class ConfigurationBody(msgspec.Struct, frozen=True):
    hardware: str
    min_instances: int
    max_instances: int
    batch_size: int | UnsetType = UNSET
    batch_wait: float | UnsetType = UNSET


class ReleaseBody(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    model: str
    version: str
    created_at: Moment
    created_by: AccountBody
    configuration: ConfigurationBody


class DeploymentBody(msgspec.Struct, frozen=True, kw_only=True):
    owner: str
    name: str
    current_release: ReleaseBody
    """The newest."""
    status: Literal["live", "rolling_out", "failed", "disabled"]
    """Ours: how the newest release fares."""
    because: str
    """Ours: one sentence on it."""
    serving_release: int | None
    """Ours: the number of the release that takes the predictions; null until the first one is ready."""


class BrokenBody(msgspec.Struct, frozen=True, kw_only=True):
    """Given up: predictions fail at once, until it is pushed again or somebody asks for another try."""

    model: str
    version: str
    deployment: str | None
    """Whose instances they are; null: the version's own, or those of its trainings."""
    because: str
    """What happened last, how often, and what to do."""
    failures: int
    since: Moment
    logs: str


class VersionBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created_at: Moment
    cog_version: str
    openapi_schema: dict[str, Any]
    broken: list[BrokenBody] | UnsetType = UNSET
    """There if instances of it were given up, and a single version was asked for."""


class ModelBody(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    owner: str
    name: str
    description: str | None
    visibility: Literal["public", "private"]
    is_official: bool = False
    github_url: str | None
    paper_url: str | None
    weights_url: str | None
    license_url: str | None
    run_count: int
    cover_image_url: str | None
    default_example: PredictionBody | None
    latest_version: VersionBody | None
    created_at: Moment


class FileUrls(msgspec.Struct, frozen=True):
    get: str
    download: str
    """Ours: its bytes, by a signed link that needs no token and ends with the file."""


class FileBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    content_type: str
    size: int
    etag: str
    checksums: dict[str, str]
    metadata: dict[str, Any]
    created_at: Moment
    expires_at: Moment | None
    urls: FileUrls


class AccountBody(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["user", "organization"]
    username: str
    name: str
    github_url: str | None
    avatar_url: str | None


class HardwareBody(msgspec.Struct, frozen=True):
    sku: str
    name: str
    price: float
    """Ours: per second."""


class SecretBody(msgspec.Struct, frozen=True):
    key: str


class TokenBody(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    hint: str
    created_at: Moment
    disabled_at: Moment | None
    priority: Priority
    """The most urgent that its predictions may be."""


class NewTokenBody(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    token: str


class PushUrls(msgspec.Struct, frozen=True):
    source: str
    log: str
    get: str


class PushBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    status: Literal["uploading", "queued", "running", "succeeded", "failed"]
    model: str
    version: str | None
    error: str | None
    hint: str | None
    created_at: Moment
    completed_at: Moment | None
    missing: list[str] | UnsetType = UNSET
    urls: PushUrls


class MissingBody(msgspec.Struct, frozen=True):
    missing: list[str]


class EventBody(msgspec.Struct, frozen=True):
    seq: int
    kind: str
    at: Moment
    data: Any


class AttemptBody(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    at: Moment
    duration: float
    status: int | None
    error: str | None


class DeliveryBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    prediction: str
    event: str
    url: str
    state: Literal["pending", "delivered", "failed"]
    created_at: Moment
    due_at: Moment | None
    attempts: list[AttemptBody]


class LapBody(msgspec.Struct, frozen=True):
    """A phase of a boot and what it took."""

    phase: str
    """weights, environment, process, import or setup."""
    seconds: float
    """So far, of the one that is going on."""


class InstanceBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    model: str
    version: str
    deployment: str | None
    training: bool
    state: str
    because: str
    slots: int
    busy: int
    started_at: Moment
    ready_at: Moment | None
    idle_since: Moment | None
    pid: int | None
    memory: int | None
    """Bytes now, `peak` at most so far; `reserved` is what is kept for it."""
    peak: int | None
    reserved: int | None
    gpus: tuple[int, ...]
    gpu_memory: int | None
    """Bytes on the fullest of its GPUs."""
    predictions: tuple[str, ...]
    batch_size: float | None
    """Predictions in a group, the mean of its latest 20; null if it has run none."""
    boot_seconds: float | None
    phases: tuple[LapBody, ...]
    """Of its boot, in order."""
    expected_seconds: float | None
    """How long such a boot takes, as boots before it did; null if nobody knows."""
    forked: bool
    """Whether its model's process was forked from one that had imported its libraries."""
    logs: str


class Results(msgspec.Struct, Generic[T], frozen=True):
    """A list that is always whole."""

    results: list[T]


class PageBody(msgspec.Struct, Generic[T], frozen=True):
    next: str | None
    previous: str | None
    results: list[T]
