"""Errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`.

Its clients try 408, 409, 429 and 5xx again unless `x-should-retry` forbids it: a model's own error is told with
that header, for it would come again and be paid for again.
"""

from __future__ import annotations

import re

import msgspec

from hearth import errors
from hearth.api.errors import status_of
from hearth.api.http import Headers, Reply
from hearth.domain.prediction import Phase, Prediction

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
_NO_RETRY = (b"x-should-retry", b"false")
_TOO_LONG = "E1002"
"""How language models say that the prompt does not fit (model-catalog.md 3.2)."""
_CALLERS = re.compile(r"\bE1[01]\d\d\b")
"""What they say of inputs that cannot be: the caller's mistake, not the model's."""


class Told(msgspec.Struct, frozen=True):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The body of every error answer, and of the last event of a stream that failed."""

    error: Told


class ModelFailed(errors.HearthError):
    """The model failed, or its prediction was canceled."""

    code = "model_failed"

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        said = prediction.error or f"The prediction was {prediction.phase.value}."
        super().__init__(f"{said} (prediction {prediction.id})")

    @property
    def status(self) -> int:
        return 400 if self.is_callers else 409 if self.prediction.phase is not Phase.FAILED else 500

    @property
    def is_callers(self) -> bool:
        return _CALLERS.search(self.prediction.error or "") is not None

    @property
    def too_long(self) -> bool:
        return _TOO_LONG in (self.prediction.error or "")


CALLED = (
    errors.InvalidRequest, errors.NotFound, errors.InvalidInput, errors.Conflict, errors.LineFull, errors.Unavailable,
    errors.HearthError,
)  # fmt: skip
"""What a call of a model may be answered; the last is `ModelFailed`."""


def told(error: errors.HearthError) -> Told:
    if isinstance(error, ModelFailed):
        if error.too_long:
            return Told(error.message, "invalid_request_error", code="context_length_exceeded")
        if error.is_callers:
            return Told(error.message, "invalid_request_error", code=errors.InvalidRequest.code)
        return Told(error.message, "server_error", code=error.code)
    message, parameter = error.message, None
    if isinstance(error, errors.InvalidRequest) and error.errors:
        message = "; ".join(e.detail for e in error.errors)
        parameter = error.errors[0].pointer.strip("/") or None
    elif isinstance(error, errors.InvalidInput):
        message = "; ".join(f"{f.field}: {f.description}" for f in error.fields)
        parameter = error.fields[0].field.removeprefix("input.")
    if error.hint:
        message = f"{message} {error.hint}"
    code = "model_not_found" if isinstance(error, errors.NotFound) else error.code
    return Told(message, _KINDS.get(_status(error), "server_error"), parameter, code)


def reply(error: errors.HearthError) -> Reply:
    headers: Headers = []
    if isinstance(error, errors.Throttled):
        headers.append((b"retry-after", str(error.reset).encode()))
    elif isinstance(error, ModelFailed) or _status(error) == 409:
        headers.append(_NO_RETRY)
    return Reply(_status(error), encoded(told(error)), headers=headers)


def unmatched(reply: Reply) -> Reply:
    """For a path or a method that is none of the operations: the same refusal in this shape."""
    offered = "Of OpenAI's API, chat/completions, completions, embeddings and models are here."
    detail = msgspec.json.decode(reply.body)["detail"]
    told = Told(f"{detail} {offered}", "invalid_request_error", code="unknown_url")
    return Reply(reply.status, encoded(told), headers=reply.headers)


def unexpected(request_id: str) -> Reply:
    """For a bug of ours: it names the request, the log has the rest."""
    message = f"Something went wrong on the server. Request {request_id} is in its log."
    return Reply(500, encoded(Told(message, "server_error")), headers=[_NO_RETRY])


def encoded(told: Told) -> bytes:
    return msgspec.json.encode(Refusal(told))


def _status(error: errors.HearthError) -> int:
    return error.status if isinstance(error, ModelFailed) else status_of(error)
