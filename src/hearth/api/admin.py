"""Accounts, as admins see them."""

from __future__ import annotations

from typing import Literal

import msgspec

from hearth import errors
from hearth.api import paging, wire
from hearth.api.accounts import CreateToken
from hearth.api.bodies import Moment, NewTokenBody, PageBody
from hearth.api.http import Request
from hearth.api.route import CURSOR, Auth, Route
from hearth.domain.account import Account, AccountType


class CreateAccount(msgspec.Struct, frozen=True, kw_only=True):
    username: str
    type: AccountType = AccountType.USER
    name: str = ""


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["user", "organization"]
    username: str
    name: str
    admin: bool
    created_at: Moment


class NewAccountBody(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["user", "organization"]
    username: str
    name: str
    token: str
    """Shown this once."""


async def index(request: Request) -> PageBody[AccountRow]:
    found = await request.services.accounts.page(request.account, paging.cursor(request))
    return paging.page(request, found, [_row(account) for account in found.items])


async def create(request: Request, body: CreateAccount) -> NewAccountBody:
    accounts = request.services.accounts
    account = await accounts.create(request.account, body.username, type=body.type, name=body.name)
    token = await accounts.new_token(account, "default")
    return NewAccountBody(
        type=account.type.value, username=account.username, name=account.name or account.username, token=token
    )


async def create_token(request: Request, body: CreateToken) -> NewTokenBody:
    accounts = request.services.accounts
    account = await accounts.named(request.account, request.params["username"])
    return NewTokenBody(name=body.name, token=await accounts.new_token(account, body.name, body.priority))


def _row(account: Account) -> AccountRow:
    return AccountRow(
        type=account.type.value,
        username=account.username,
        name=account.name or account.username,
        admin=account.admin,
        created_at=wire.moment(account.created_at),
    )


ROUTES = (
    Route(
        method="GET",
        path="/admin/accounts",
        operation_id="admin.accounts.list",
        summary="List all accounts, newest first",
        handler=index,
        reply=PageBody[AccountRow],
        auth=Auth.ADMIN,
        errors=(errors.NotFound, errors.InvalidRequest),
        parameters=(CURSOR,),
        ours=True,
    ),
    Route(
        method="POST",
        path="/admin/accounts",
        operation_id="admin.accounts.create",
        summary="Make an account, a user or an organization; its token is shown this once",
        handler=create,
        body=CreateAccount,
        reply=NewAccountBody,
        status=201,
        auth=Auth.ADMIN,
        errors=(errors.NotFound, errors.InvalidRequest, errors.Conflict),
        creates=True,
        ours=True,
    ),
    Route(
        method="POST",
        path="/admin/accounts/{username}/tokens",
        operation_id="admin.accounts.tokens.create",
        summary="Make an API token for an account; it is shown this once",
        handler=create_token,
        body=CreateToken,
        reply=NewTokenBody,
        status=201,
        auth=Auth.ADMIN,
        errors=(errors.NotFound, errors.InvalidRequest, errors.Conflict),
        creates=True,
        ours=True,
    ),
)
