"""What an account says of itself, and its webhook secret."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from hearth import errors
from hearth.api.bodies import SecretBody
from hearth.api.http import Request
from hearth.api.route import Route


class SettingsBody(msgspec.Struct, frozen=True, kw_only=True):
    username: str
    name: str
    admin: bool
    retention: float | None
    """Seconds for which new API predictions keep their data; null: as the server has it."""
    password: bool
    """Whether one is set."""


class UpdateSettings(msgspec.Struct, frozen=True, kw_only=True):
    name: str | UnsetType = UNSET
    retention: float | UnsetType | None = UNSET


async def get(request: Request) -> SettingsBody:
    account = request.account
    return SettingsBody(
        username=account.username,
        name=account.name,
        admin=account.admin,
        retention=account.retention,
        password=await request.services.signin.has_password(account),
    )


async def update(request: Request, body: UpdateSettings) -> SettingsBody:
    accounts = request.services.accounts
    if body.name is not UNSET:
        request.account = await accounts.set_name(request.account, body.name)
    if body.retention is not UNSET:
        request.account = await accounts.set_retention(request.account, body.retention)
    return await get(request)


async def rotate(request: Request) -> SecretBody:
    return SecretBody(await request.services.accounts.rotate_webhook_secret(request.account))


ROUTES = (
    Route(
        method="GET",
        path="/account/settings",
        operation_id="account.settings.get",
        summary="Get your account's settings",
        handler=get,
        reply=SettingsBody,
        ours=True,
    ),
    Route(
        method="PATCH",
        path="/account/settings",
        operation_id="account.settings.update",
        summary="Change your account's name and retention",
        handler=update,
        body=UpdateSettings,
        reply=SettingsBody,
        errors=(errors.InvalidRequest,),
        ours=True,
    ),
    Route(
        method="POST",
        path="/webhooks/default/secret",
        operation_id="webhooks.default.secret.rotate",
        summary="Make a new secret that signs your webhooks; the old one counts no more",
        handler=rotate,
        reply=SecretBody,
        ours=True,
    ),
)
