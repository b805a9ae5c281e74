"""Records as rows and back. Both adapters keep the same columns in the same order; JSON is text.

`select(COLUMNS, alias)` names them in SQL; a row read so goes straight into the `..._of` function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hearth.domain.account import Account, AccountType, Token
from hearth.domain.batch import Batch, BatchState
from hearth.domain.boot import Boot, Lap
from hearth.domain.catalog import Collection
from hearth.domain.decision import Action, Decided
from hearth.domain.deployment import Deployment, Release, ReleaseState
from hearth.domain.file import File, FileKind, parse_reference
from hearth.domain.model import Build, BuildState, Model, Recipe, Removal, SourceFile, Version, Visibility
from hearth.domain.prediction import Phase, Prediction, PredictionKind
from hearth.domain.priority import Priority
from hearth.domain.sample import Sample
from hearth.domain.scaling import Scaling
from hearth.domain.session import Session, SessionKind
from hearth.domain.usage import Used
from hearth.domain.webhook import Attempt, Delivery, DeliveryState

Row = Sequence[Any]

_encoder = msgspec.json.Encoder()
_recipe = msgspec.json.Decoder(Recipe)
_source = msgspec.json.Decoder(tuple[SourceFile, ...])
_strings = msgspec.json.Decoder(tuple[str, ...])
_laps = msgspec.json.Decoder(tuple[Lap, ...])
_sample = msgspec.json.Decoder(Sample)
_times = msgspec.json.Decoder(list[float])
_decode = msgspec.json.decode

ACCOUNT = (
    "id", "username", "created_at", "type", "name", "admin", "github_url", "avatar_url", "webhook_secret",
    "creates_per_minute", "others_per_minute", "retention",
)  # fmt: skip
ACCOUNT_CHANGEABLE = frozenset(
    {"type", "name", "admin", "webhook_secret", "creates_per_minute", "others_per_minute", "retention"}
)
SCALING = (
    "target", "version", "warm", "schedule", "zone", "idle_timeout", "max_waiting", "changed_at", "changed_by",
)  # fmt: skip
DECISION = (
    "id", "at", "action", "lane", "model", "version", "because", "deployment", "instance", "wanted",
)  # fmt: skip
BATCH = (
    "id", "account_id", "model", "version", "total", "source", "created_at", "origin", "state", "because",
    "completed_at", "owner", "owned_until",
)  # fmt: skip
SESSION = ("hash", "account_id", "kind", "created_at", "expires_at", "about", "token")
TOKEN = ("hash", "account_id", "name", "created_at", "hint", "disabled_at", "priority")
MODEL = (
    "id", "account_id", "owner", "name", "created_at", "visibility", "hardware", "description", "readme",
    "github_url", "paper_url", "weights_url", "license_url", "cover_image_url", "latest_version_id",
    "latest_version_at", "default_example_id", "priority", "undecided",
)  # fmt: skip
"""`run_count` is counted in a table of its own and comes last in what `model_of` takes."""
MODEL_CHANGEABLE = frozenset(MODEL) - {"id", "account_id", "owner", "name", "created_at"}
COLLECTION = ("slug", "name", "description", "created_at", "full_description")
COLLECTION_CHANGEABLE = frozenset({"name", "description", "full_description"})
REMOVAL = ("version_id", "model", "source", "weights", "created_at")
VERSION = ("id", "model_id", "model", "created_at", "cog_version", "openapi_schema", "recipe")
BOOT = ("version_id", "environment", "at", "laps", "forked")
BUILD = (
    "id", "account_id", "model_id", "model", "source", "created_at", "state", "version_id", "error", "hint",
    "completed_at",
)  # fmt: skip
PREDICTION = (
    "id", "account_id", "model", "version", "input", "created_at", "phase", "reason", "kind", "deployment",
    "destination", "output", "logs", "error", "metrics", "source", "origin", "webhook", "webhook_events",
    "started_at", "completed_at", "deadline", "cancel_requested_at", "attempt", "events", "data_removed",
    "retention", "priority",
)  # fmt: skip
FILE = (
    "id", "account_id", "kind", "name", "content_type", "size", "sha256", "md5", "created_at", "expires_at",
    "prediction_id", "metadata",
)  # fmt: skip
DELIVERY = (
    "id", "prediction_id", "account_id", "event", "url", "body", "created_at", "due_at", "state", "attempts",
)  # fmt: skip
ATTEMPT = ("delivery_id", "number", "at", "duration", "status", "error")
DEPLOYMENT = ("id", "account_id", "owner", "name", "created_at")
RELEASE = (
    "number", "model", "version", "hardware", "min_instances", "max_instances", "created_at", "created_by", "state",
    "because", "batch_size", "batch_wait",
)  # fmt: skip


def select(columns: Sequence[str], alias: str) -> str:
    return ", ".join([f"{alias}.{column}" for column in columns])


def to_json(value: Any) -> str:
    return _encoder.encode(value).decode()


def boot_row(b: Boot) -> Row:
    return (b.version_id, b.environment, b.at, to_json(b.laps), b.forked)


def boot_of(row: Row) -> Boot:
    version_id, environment, at, laps, forked = row
    laps = _laps.decode(laps)
    return Boot(version_id=version_id, environment=environment, at=at, laps=laps, forked=bool(forked))


def account_row(a: Account) -> Row:
    return (
        a.id, a.username, a.created_at, a.type.value, a.name, a.admin, a.github_url, a.avatar_url, a.webhook_secret,
        a.creates_per_minute, a.others_per_minute, a.retention,
    )  # fmt: skip


def account_of(row: Row) -> Account:
    (
        id, username, created_at, type, name, admin, github_url, avatar_url, webhook_secret, creates, others, retention,
    ) = row  # fmt: skip
    return Account(
        id=id, username=username, created_at=created_at, type=AccountType(type), name=name, admin=bool(admin),
        github_url=github_url, avatar_url=avatar_url, webhook_secret=webhook_secret,
        creates_per_minute=creates, others_per_minute=others, retention=retention,
    )  # fmt: skip


def token_row(t: Token) -> Row:
    return (t.hash, t.account_id, t.name, t.created_at, t.hint, t.disabled_at, t.priority.value)


def token_of(row: Row) -> Token:
    hash, account_id, name, created_at, hint, disabled_at, priority = row
    return Token(
        hash=hash, account_id=account_id, name=name, created_at=created_at, hint=hint, disabled_at=disabled_at,
        priority=Priority(priority),
    )  # fmt: skip


def session_row(s: Session) -> Row:
    return (s.hash, s.account_id, s.kind.value, s.created_at, s.expires_at, s.about, s.token)


def session_of(row: Row) -> Session:
    fields: dict[str, Any] = dict(zip(SESSION, row, strict=True))
    fields["kind"] = SessionKind(fields["kind"])
    return Session(**fields)


def used_of(row: Row) -> Used:
    day, kind, model, deployment, hardware, count, failed, seconds = row
    return Used(
        day=day, kind=PredictionKind(kind), model=model, deployment=deployment or None, hardware=hardware, count=count,
        failed=failed, seconds=seconds,
    )  # fmt: skip


def sample_of(row: Row) -> Sample:
    return _sample.decode(row[0])


def model_row(m: Model) -> Row:
    return (
        m.id, m.account_id, m.owner, m.name, m.created_at, m.visibility.value, m.hardware, m.description, m.readme,
        m.github_url, m.paper_url, m.weights_url, m.license_url, m.cover_image_url, m.latest_version_id,
        m.latest_version_at, m.default_example_id, m.priority, to_json(m.undecided),
    )  # fmt: skip


def model_of(row: Row) -> Model:
    fields: dict[str, Any] = dict(zip(MODEL, row, strict=False))
    fields["visibility"] = Visibility(fields["visibility"])
    fields["undecided"] = _strings.decode(fields["undecided"])
    return Model(run_count=int(row[len(MODEL)]), **fields)


def model_value(name: str, value: Any) -> Any:
    """A field of a model as its column has it."""
    return to_json(value) if name == "undecided" else value


def collection_row(c: Collection) -> Row:
    return (c.slug, c.name, c.description, c.created_at, c.full_description)


def collection_of(row: Row) -> Collection:
    return Collection(**dict(zip(COLLECTION, row, strict=True)))


def removal_of(row: Row) -> Removal:
    version_id, model, source, weights, created_at = row
    return Removal(
        version_id=version_id, model=model, source=_source.decode(source), weights=weights, created_at=created_at
    )  # fmt: skip


def version_row(v: Version) -> Row:
    return (
        v.id, v.model_id, v.model, v.created_at, v.cog_version, to_json(v.openapi_schema), to_json(v.recipe),
    )  # fmt: skip


def version_of(row: Row) -> Version:
    id, model_id, model, created_at, cog_version, openapi_schema, recipe = row
    return Version(
        id=id, model_id=model_id, model=model, created_at=created_at, cog_version=cog_version,
        openapi_schema=_decode(openapi_schema), recipe=_recipe.decode(recipe),
    )  # fmt: skip


def trained(v: Version) -> tuple[Row, Row, str | None]:
    """A version that a training made: its row, what makes it the latest, and the id of the file with its weights."""
    reference = parse_reference(v.recipe.weights or "")
    return version_row(v), (v.id, v.created_at, v.model_id), reference[0] if reference else None


def build_row(b: Build) -> Row:
    return (
        b.id, b.account_id, b.model_id, b.model, to_json(b.source), b.created_at, b.state.value, b.version_id,
        b.error, b.hint, b.completed_at,
    )  # fmt: skip


def build_of(row: Row) -> Build:
    fields: dict[str, Any] = dict(zip(BUILD, row, strict=True))
    fields["source"] = _source.decode(fields["source"])
    fields["state"] = BuildState(fields["state"])
    return Build(**fields)


def prediction_row(p: Prediction) -> Row:
    return (
        p.id, p.account_id, p.model, p.version, to_json(p.input), p.created_at, p.phase.value, p.reason,
        p.kind.value, p.deployment, p.destination, None if p.output is None else to_json(p.output), p.logs, p.error,
        to_json(p.metrics), p.source, p.origin, p.webhook, to_json(p.webhook_events), p.started_at, p.completed_at,
        p.deadline, p.cancel_requested_at, p.attempt, p.events, p.data_removed, p.retention, p.priority.value,
    )  # fmt: skip


def prediction_of(row: Row) -> Prediction:
    (
        id, account_id, model, version, input, created_at, phase, reason, kind, deployment, destination, output,
        logs, error, metrics, source, origin, webhook, webhook_events, started_at, completed_at, deadline,
        cancel_requested_at, attempt, events, data_removed, retention, priority,
    ) = row  # fmt: skip
    return Prediction(
        id=id, account_id=account_id, model=model, version=version, input=_decode(input), created_at=created_at,
        phase=Phase(phase), reason=reason, kind=PredictionKind(kind), deployment=deployment, destination=destination,
        output=None if output is None else _decode(output), logs=logs, error=error, metrics=_decode(metrics),
        source=source, origin=origin, webhook=webhook, webhook_events=_strings.decode(webhook_events),
        started_at=started_at, completed_at=completed_at, deadline=deadline,
        cancel_requested_at=cancel_requested_at, attempt=attempt, events=events, data_removed=bool(data_removed),
        retention=retention, priority=Priority(priority),
    )  # fmt: skip


def scaling_row(s: Scaling) -> Row:
    return msgspec.structs.astuple(s)


def batch_row(batch: Batch) -> Row:
    return tuple(getattr(batch, name) for name in BATCH)


def batch_of(row: Row) -> Batch:
    fields = dict(zip(BATCH, row, strict=True))
    return Batch(**{**fields, "state": BatchState(fields["state"])})


def scaling_of(row: Row) -> Scaling:
    return Scaling(**dict(zip(SCALING, row, strict=True)))


def decision_row(d: Decided) -> Row:
    return (
        d.id, d.at, d.action.value, d.lane, d.model, d.version, d.because, d.deployment, d.instance, d.wanted,
    )  # fmt: skip


def decision_of(row: Row) -> Decided:
    fields: dict[str, Any] = dict(zip(DECISION, row, strict=True))
    fields["action"] = Action(fields["action"])
    return Decided(**fields)


def times_of(text: str) -> list[float]:
    return _times.decode(text)


def file_row(f: File) -> Row:
    return (
        f.id, f.account_id, f.kind.value, f.name, f.content_type, f.size, f.sha256, f.md5, f.created_at,
        f.expires_at, f.prediction_id, to_json(f.metadata),
    )  # fmt: skip


def file_of(row: Row) -> File:
    fields: dict[str, Any] = dict(zip(FILE, row, strict=True))
    fields["kind"] = FileKind(fields["kind"])
    fields["metadata"] = _decode(fields["metadata"])
    return File(**fields)


def delivery_row(d: Delivery) -> Row:
    return (
        d.id, d.prediction_id, d.account_id, d.event, d.url, d.body, d.created_at, d.due_at, d.state.value,
        d.attempts,
    )  # fmt: skip


def delivery_of(row: Row) -> Delivery:
    fields: dict[str, Any] = dict(zip(DELIVERY, row, strict=True))
    fields["state"] = DeliveryState(fields["state"])
    return Delivery(**fields)


def attempt_row(a: Attempt) -> Row:
    return (a.delivery_id, a.number, a.at, a.duration, a.status, a.error)


def attempt_of(row: Row) -> Attempt:
    return Attempt(**dict(zip(ATTEMPT, row, strict=True)))


def release_row(r: Release) -> Row:
    return (
        r.number, r.model, r.version, r.hardware, r.min_instances, r.max_instances, r.created_at, r.created_by,
        r.state.value, r.because, r.batch_size, r.batch_wait,
    )  # fmt: skip


def deployment_of(row: Row) -> Deployment:
    """From its own columns, those of the current release, and those of the serving one (nulls if there is none)."""
    own, releases = len(DEPLOYMENT), len(RELEASE)
    id, account_id, owner, name, created_at = row[:own]
    serving = row[own + releases :]
    return Deployment(
        id=id, account_id=account_id, owner=owner, name=name, created_at=created_at,
        current=release_of(row[own : own + releases]),
        serving=None if serving[0] is None else release_of(serving),
    )  # fmt: skip


def release_of(row: Row) -> Release:
    fields: dict[str, Any] = dict(zip(RELEASE, row, strict=True))
    fields["state"] = ReleaseState(fields["state"])
    return Release(**fields)
