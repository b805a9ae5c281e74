"""Browsers that are signed in, links that sign one in, and the password."""

from __future__ import annotations

import msgspec

from hearth import errors
from hearth.api import wire
from hearth.api.bodies import Moment, Results
from hearth.api.http import Request
from hearth.api.route import Route


class LinkBody(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    """Signs a browser in as you, once."""
    expires_at: Moment


class SessionBody(msgspec.Struct, frozen=True, kw_only=True):
    about: str
    created_at: Moment
    expires_at: Moment


class SetPassword(msgspec.Struct, frozen=True):
    password: str | None
    """null: none from now on."""


async def link(request: Request) -> LinkBody:
    made = await request.services.sessions.link(request.account)
    return LinkBody(url=f"{request.origin}/setup?code={made.code}", expires_at=wire.moment(made.expires_at))


async def sessions(request: Request) -> Results[SessionBody]:
    found = await request.services.sessions.of_account(request.account)
    return Results(
        [
            SessionBody(about=s.about, created_at=wire.moment(s.created_at), expires_at=wire.moment(s.expires_at))
            for s in found
        ]
    )


async def end_sessions(request: Request) -> None:
    await request.services.sessions.end_all(request.account)


async def password(request: Request, body: SetPassword) -> None:
    await request.services.signin.set_password(request.account, body.password)


ROUTES = (
    Route(
        method="POST",
        path="/account/links",
        operation_id="account.links.create",
        summary="Make an address that signs a browser in as you, once, within ten minutes",
        handler=link,
        reply=LinkBody,
        status=201,
        ours=True,
    ),
    Route(
        method="GET",
        path="/account/sessions",
        operation_id="account.sessions.list",
        summary="List the browsers that are signed in as you, newest first",
        handler=sessions,
        reply=Results[SessionBody],
        ours=True,
    ),
    Route(
        method="DELETE",
        path="/account/sessions",
        operation_id="account.sessions.delete",
        summary="Sign out everywhere",
        handler=end_sessions,
        status=204,
        ours=True,
    ),
    Route(
        method="PUT",
        path="/account/password",
        operation_id="account.password.set",
        summary="Set or remove the password that signs you in with a browser; everybody else is signed out",
        handler=password,
        body=SetPassword,
        status=204,
        errors=(errors.InvalidRequest,),
        ours=True,
    ),
)
