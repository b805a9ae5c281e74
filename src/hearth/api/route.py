"""What an operation is: one row of the table in `routes.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

import msgspec

from hearth import errors


class Auth(StrEnum):
    TOKEN = "token"
    """An API token, Bearer or Token."""
    ADMIN = "admin"
    """A token of an admin; for others the path does not exist."""
    LINK = "link"
    """The path itself is the secret; a token is ignored."""
    NONE = "none"


class Content(StrEnum):
    """What a request's or an answer's body is, when it is not JSON."""

    TEXT = "text/plain"
    CSV = "text/csv"
    LINES = "application/jsonl"
    """A JSON object on each line."""
    EVENTS = "text/event-stream"
    BINARY = "application/octet-stream"
    FORM = "multipart/form-data"
    TAR = "application/x-tar"


Failures = tuple[type[errors.HearthError], ...]
NOT_FOUND: Failures = (errors.NotFound,)
FIELDS: Failures = (errors.InvalidRequest,)


class Parameter(msgspec.Struct, frozen=True):
    """A query parameter or a request header."""

    name: str
    summary: str
    place: str = "query"
    required: bool = False


CURSOR = Parameter("cursor", "The page to show; taken from `next` or `previous`.")


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Method, path and types of an operation. Decoding, errors, documents and tests follow from it."""

    method: str
    path: str
    """Without `/v1`; `{name}` stands for one segment."""
    operation_id: str
    summary: str
    handler: Callable[..., Awaitable[Any]]
    """Called with the request, and with the decoded body if `body` is a type."""
    body: Any = None
    """A record type (JSON is decoded into it), a `Content` that the handler reads itself, or None."""
    reply: Any = None
    """A record type, a `Content`, or None for an empty answer."""
    status: int = 200
    auth: Auth = Auth.TOKEN
    errors: Failures = ()
    """Beyond the ones that every operation may answer."""
    parameters: tuple[Parameter, ...] = ()
    creates: bool = False
    """Asking twice may make two: errors then tell clients not to retry."""
    input_errors: bool = False
    """Wrong bodies are answered 422 with `invalid_fields` instead of 400 with `errors`."""
    streams: bool = False
    """May answer with server-sent events instead of its reply."""
    ours: bool = False
    """Not in Replicate's document."""
    openai: bool = False
    """Answers errors as OpenAI's clients read them."""
