"""What admins put in place: accounts with their limits and, for `hearth seed`, things with fixed names and ids."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from hearth import errors
from hearth.api import wire
from hearth.api.bodies import FileBody
from hearth.api.http import Request
from hearth.api.route import NOT_FOUND, Auth, Content, Failures, Parameter, Route
from hearth.domain.account import Account, AccountType
from hearth.domain.prediction import Phase
from hearth.service.seeds import Finished

_FAILURES: Failures = (errors.NotFound, errors.InvalidRequest, errors.Conflict)


class PutAccount(msgspec.Struct, frozen=True, kw_only=True):
    type: AccountType | UnsetType = UNSET
    name: str | UnsetType = UNSET
    admin: bool | UnsetType = UNSET
    creates_per_minute: int | UnsetType | None = UNSET
    """null: as the server has it, 0: no limit."""
    others_per_minute: int | UnsetType | None = UNSET
    retention: float | UnsetType | None = UNSET
    """Seconds; null: as the server has it."""
    tokens: tuple[str, ...] = ()


class AccountLimits(msgspec.Struct, frozen=True, kw_only=True):
    username: str
    type: Literal["user", "organization"]
    name: str
    admin: bool
    creates_per_minute: int | None
    others_per_minute: int | None
    retention: float | None


class PutModel(msgspec.Struct, frozen=True, kw_only=True):
    visibility: Literal["public", "private"] = "public"
    hardware: str = "cpu"
    description: str | None = None
    readme: str | None = None
    github_url: str | None = None
    paper_url: str | None = None
    weights_url: str | None = None
    license_url: str | None = None
    cover_image_url: str | None = None
    priority: int = 0


class PutDeployment(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    version: str
    hardware: str = "cpu"
    min_instances: int = 0
    max_instances: int = 1


class PutPrediction(msgspec.Struct, frozen=True, kw_only=True):
    account: str
    model: str
    version: str = "latest"
    input: dict[str, Any] = {}
    output: Any = None
    logs: str = ""
    error: str | None = None
    status: Literal["succeeded", "failed", "canceled"] = "succeeded"
    metrics: dict[str, Any] = {}
    source: Literal["api", "web"] = "api"
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    shared: bool = False
    example: bool = False
    """Of its model."""


async def get_account(request: Request) -> AccountLimits:
    return _limits(await request.services.accounts.named(request.account, request.params["username"]))


async def put_account(request: Request, body: PutAccount) -> AccountLimits:
    """Makes the account, or changes what is named of it. Changes count within seconds."""
    fields = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not UNSET and k != "tokens"}
    wrong = [
        errors.Pointer(f"/{name}", f"{name}: must be 0 or more")
        for name in ("creates_per_minute", "others_per_minute", "retention")
        if (fields.get(name) or 0) < 0 or (fields.get(name) or 0) > 1e12
    ]
    if wrong:
        raise errors.InvalidRequest(errors=tuple(wrong))
    if "type" in fields:
        fields["type"] = AccountType(fields["type"]).value
    account = await request.services.seeds.account(request.params["username"], fields, body.tokens)
    request.services.sessions.changed()
    return _limits(account)


async def put_model(request: Request, body: PutModel) -> None:
    await request.services.seeds.model(request.params["owner"], request.params["name"], msgspec.structs.asdict(body))


async def put_deployment(request: Request, body: PutDeployment) -> None:
    params = request.params
    await request.services.seeds.deployment(params["owner"], params["name"], msgspec.structs.asdict(body))


async def put_prediction(request: Request, body: PutPrediction) -> None:
    fields = msgspec.structs.asdict(body)
    created = _seconds(body.created_at)
    fields |= {
        "status": Phase(body.status),
        "created_at": created,
        "started_at": _seconds(body.started_at) if body.started_at else None,
        "completed_at": _seconds(body.completed_at) if body.completed_at else created + 1.0,
    }
    await request.services.seeds.prediction(request.params["id"], Finished(**fields))


async def put_file(request: Request) -> FileBody:
    query = request.query
    owner = query.get("account", "")
    file = await request.services.seeds.file(
        request.params["id"],
        account=owner,
        name=query.get("name") or "file",
        content_type=(request.header(b"content-type") or Content.BINARY.value)[:200],
        prediction=query.get("prediction") or None,
        chunks=request.chunks(),
    )
    return wire.file(file, request.origin, request.services.files.link(owner, file))


def _seconds(at: datetime) -> float:
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _limits(account: Account) -> AccountLimits:
    return AccountLimits(
        username=account.username,
        type=account.type.value,
        name=account.name or account.username,
        admin=account.admin,
        creates_per_minute=account.creates_per_minute,
        others_per_minute=account.others_per_minute,
        retention=account.retention,
    )


def _put(path: str, operation_id: str, summary: str, handler: Any, body: Any, reply: Any = None) -> Route:
    return Route(
        method="PUT",
        path=f"/admin/{path}",
        operation_id=f"admin.{operation_id}.put",
        summary=summary,
        handler=handler,
        body=body,
        reply=reply,
        status=204 if reply is None else 200,
        auth=Auth.ADMIN,
        errors=(*_FAILURES, errors.InvalidVersion),
        parameters=_FILE_PARAMETERS if body is Content.BINARY else (),
        ours=True,
    )


_FILE_PARAMETERS = (
    Parameter("account", "Whose file it is.", required=True),
    Parameter("name", "Its name; `file` if none is given."),
    Parameter("prediction", "The prediction it is an output of."),
)

ROUTES = (
    Route(
        method="GET",
        path="/admin/accounts/{username}",
        operation_id="admin.accounts.get",
        summary="Get an account and its limits",
        handler=get_account,
        reply=AccountLimits,
        auth=Auth.ADMIN,
        errors=NOT_FOUND,
        ours=True,
    ),
    _put("accounts/{username}", "accounts", "Make or change an account", put_account, PutAccount, AccountLimits),
    _put("models/{owner}/{name}", "models", "Make a model, or change its fields", put_model, PutModel),
    _put("deployments/{owner}/{name}", "deployments", "Make or change a deployment", put_deployment, PutDeployment),
    _put("predictions/{id}", "predictions", "Put a finished prediction in place", put_prediction, PutPrediction),
    _put("files/{id}", "files", "Put a file in place", put_file, Content.BINARY, FileBody),
)
