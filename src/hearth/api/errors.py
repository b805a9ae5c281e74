"""Errors to HTTP: the only place that knows statuses and problem bodies.

Every error is a JSON object with a string `title`, a string `detail` and an integer `status`; resource
requests add `errors`, prediction inputs `invalid_fields`, ours may add a `hint`. Source:
replicate-platform.md section 5.1, client-contract.md section 5.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from hearth import errors
from hearth.api.http import PROBLEM, Disconnected, Headers, Reply

UNKNOWN_PATH = "The requested resource could not be found."


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every error answer."""

    title: str
    detail: str
    status: int
    errors: list[dict[str, str]] | None = None
    invalid_fields: list[dict[str, str]] | None = None
    hint: str | None = None


class _Meaning(NamedTuple):
    status: int
    title: str
    headers: Headers = []


_NO_RETRY = (b"x-should-retry", b"false")
_MEANINGS: dict[type[errors.HearthError], _Meaning] = {
    errors.Unauthenticated: _Meaning(401, "Unauthenticated", [(b"www-authenticate", b"Bearer")]),
    errors.NotFound: _Meaning(404, "Not found"),
    errors.Conflict: _Meaning(409, "Conflict", [_NO_RETRY]),
    errors.IllegalTransition: _Meaning(409, "Conflict", [_NO_RETRY]),
    errors.InvalidRequest: _Meaning(400, "Validation failed"),
    errors.InvalidInput: _Meaning(422, "Input validation failed"),
    errors.InvalidVersion: _Meaning(422, "Invalid version or not permitted"),
    errors.KeyReused: _Meaning(422, "Idempotency key reused"),
    errors.Throttled: _Meaning(429, "Too many requests"),
    errors.LineFull: _Meaning(429, "Line full"),
    errors.TooLarge: _Meaning(413, "Too large"),
    errors.ConfigInvalid: _Meaning(422, "Invalid configuration"),
    errors.BuildFailed: _Meaning(422, "Build failed"),
    errors.AddressRefused: _Meaning(422, "Address refused"),
    errors.FetchFailed: _Meaning(422, "Fetch failed"),
    errors.Unavailable: _Meaning(503, "Unavailable", [(b"retry-after", b"1")]),
    errors.SearchFailed: _Meaning(500, "Search failed"),
    errors.SetupFailed: _Meaning(503, "Setup failed"),
    errors.InstanceLost: _Meaning(503, "Instance lost", [(b"retry-after", b"1")]),
    Disconnected: _Meaning(400, "Disconnected"),
}
_UNEXPECTED = _Meaning(500, "Internal server error")


def status_of(error: errors.HearthError) -> int:
    return _meaning(error).status


def status_for(kind: type[errors.HearthError]) -> int:
    """What every error of this kind is answered with."""
    return next((_MEANINGS[k].status for k in kind.__mro__ if k in _MEANINGS), _UNEXPECTED.status)


def problem(error: errors.HearthError, *, creates: bool = False) -> Reply:
    """The answer for an error. `creates`: a retry could make the thing twice, so clients are told not to."""
    meaning = _meaning(error)
    extra: dict[str, Any] = {}
    detail = error.message
    if isinstance(error, errors.InvalidRequest) and error.errors:
        named = [(e.pointer, e.pointer.strip("/") or "body", e.detail) for e in error.errors]
        # A sentence may name its field already.
        plain = [(pointer, name, text.removeprefix(f"{name}: ")) for pointer, name, text in named]
        extra["errors"] = [{"pointer": pointer, "detail": text} for pointer, _, text in plain]
        detail = "\n".join(["The following errors occurred:", *(f"- {name}: {text}" for _, name, text in plain)])
    elif isinstance(error, errors.InvalidInput):
        extra["invalid_fields"] = [f._asdict() for f in error.fields]
    elif isinstance(error, errors.Conflict):
        extra["errors"] = [{"detail": error.message}]
    if isinstance(error, errors.Throttled | errors.LineFull):
        meaning = meaning._replace(headers=[(b"retry-after", str(error.reset).encode())])
    return _reply(meaning, detail, creates, hint=error.hint, **extra)


def unexpected(request_id: str, *, creates: bool = False) -> Reply:
    """The answer for a bug of ours: it names the request, the log has the rest."""
    return _reply(_UNEXPECTED, f"Something went wrong on the server. Request {request_id} is in its log.", creates)


def not_found() -> Reply:
    return _reply(_MEANINGS[errors.NotFound], UNKNOWN_PATH, False)


def method_not_allowed(method: str, allowed: list[str]) -> Reply:
    allow = ", ".join(allowed)
    meaning = _Meaning(405, "Method not allowed", [(b"allow", allow.encode())])
    return _reply(meaning, f'Method "{method}" not allowed. Use {allow}.', False)


def _meaning(error: errors.HearthError) -> _Meaning:
    for kind in type(error).__mro__:
        if kind in _MEANINGS:
            return _MEANINGS[kind]
    return _UNEXPECTED


def _reply(meaning: _Meaning, detail: str, creates: bool, **extra: Any) -> Reply:
    headers = [*meaning.headers]
    if creates and meaning.status >= 500:
        headers.append(_NO_RETRY)
    body = Problem(title=meaning.title, detail=detail, status=meaning.status, **extra)
    return Reply(meaning.status, msgspec.json.encode(body), PROBLEM, headers)
