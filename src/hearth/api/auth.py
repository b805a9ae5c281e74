"""`Authorization: Bearer <token>` and the older `Token <token>`; the scheme's case does not matter."""

from __future__ import annotations

from hearth.api.http import Headers, Request
from hearth.errors import Unauthenticated


def token_of(headers: Headers) -> str:
    """Everything after the scheme and its blanks, blanks inside included. Raises Unauthenticated."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            token = token.lstrip(b" ")
            if token and scheme.lower() in (b"bearer", b"token"):
                return token.decode("utf-8", "surrogateescape")
            break
    raise Unauthenticated


async def authenticate(request: Request) -> None:
    """Sets the request's account. Raises Unauthenticated."""
    token = token_of(request.headers)
    request.account = await request.services.accounts.authenticate(token)
