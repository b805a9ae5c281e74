"""The caller's account, its tokens, its webhook secret and what it may run on."""

from __future__ import annotations

import msgspec

from hearth import errors
from hearth.api import paging, wire
from hearth.api.bodies import (
    AccountBody,
    DeliveryBody,
    HardwareBody,
    NewTokenBody,
    PageBody,
    Results,
    SecretBody,
    TokenBody,
)
from hearth.api.http import Request
from hearth.api.route import CURSOR, NOT_FOUND, Route
from hearth.domain.priority import Priority


class CreateToken(msgspec.Struct, frozen=True):
    name: str
    priority: Priority | None = None
    """The most urgent that its predictions may be; by default what the caller's own token may ask for."""


async def get(request: Request) -> AccountBody:
    return wire.account(request.account)


async def tokens(request: Request) -> Results[TokenBody]:
    return Results([wire.token(t) for t in await request.services.accounts.tokens(request.account)])


async def create_token(request: Request, body: CreateToken) -> NewTokenBody:
    token = await request.services.accounts.new_token(request.account, body.name, body.priority)
    return NewTokenBody(name=body.name, token=token)


async def disable_token(request: Request) -> None:
    await request.services.accounts.disable_token(request.account, request.params["name"])


async def webhook_secret(request: Request) -> SecretBody:
    return SecretBody(await request.services.accounts.webhook_secret(request.account))


async def deliveries(request: Request) -> PageBody[DeliveryBody]:
    found = await request.services.predictions.outbox(request.account, cursor=paging.cursor(request))
    return paging.page(request, found, [wire.delivery(d, attempts) for d, attempts in found.items])


async def replay(request: Request) -> None:
    await request.services.predictions.replay(request.account, request.params["id"])


async def hardware(request: Request) -> list[HardwareBody]:
    return [HardwareBody(h.sku, h.name, h.price) for h in request.services.models.hardware]


ROUTES = (
    Route(
        method="GET",
        path="/account",
        operation_id="account.get",
        summary="Get the account that the token belongs to",
        handler=get,
        reply=AccountBody,
    ),
    Route(
        method="GET",
        path="/hardware",
        operation_id="hardware.list",
        summary="List the hardware that models can run on",
        handler=hardware,
        reply=list[HardwareBody],
    ),
    Route(
        method="GET",
        path="/webhooks/default/secret",
        operation_id="webhooks.default.secret.get",
        summary="Get the secret that signs your webhooks",
        handler=webhook_secret,
        reply=SecretBody,
    ),
    Route(
        method="GET",
        path="/webhooks/deliveries",
        operation_id="webhooks.deliveries.list",
        summary="List webhook deliveries and their attempts, newest first",
        handler=deliveries,
        reply=PageBody[DeliveryBody],
        errors=(errors.InvalidRequest,),
        parameters=(CURSOR,),
        ours=True,
    ),
    Route(
        method="POST",
        path="/webhooks/deliveries/{id}/replay",
        operation_id="webhooks.deliveries.replay",
        summary="Send a webhook again",
        handler=replay,
        status=202,
        errors=NOT_FOUND,
        ours=True,
    ),
    Route(
        method="GET",
        path="/tokens",
        operation_id="tokens.list",
        summary="List your API tokens, by name",
        handler=tokens,
        reply=Results[TokenBody],
        ours=True,
    ),
    Route(
        method="POST",
        path="/tokens",
        operation_id="tokens.create",
        summary="Make an API token; it is shown this once",
        handler=create_token,
        body=CreateToken,
        reply=NewTokenBody,
        status=201,
        errors=(errors.InvalidRequest, errors.Conflict),
        creates=True,
        ours=True,
    ),
    Route(
        method="DELETE",
        path="/tokens/{name}",
        operation_id="tokens.delete",
        summary="Disable an API token",
        handler=disable_token,
        status=204,
        errors=NOT_FOUND,
        ours=True,
    ),
)
