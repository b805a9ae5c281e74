"""Everything Hearth raises on purpose.

HearthError
├── Unauthenticated      no token, or one that is unknown or disabled
├── NotFound             no such thing, or not yours to see
├── Conflict             the thing exists already, or is in a state that forbids this
├── InvalidRequest       a resource request with fields that do not hold up   (400, pointers)
├── InvalidInput         a prediction's input does not fit the schema         (422, fields)
├── InvalidVersion       a version reference that leads nowhere               (422)
├── KeyReused            an idempotency key that stands for another request     (422)
├── Throttled            too many calls; says when to come again             (429)
├── LineFull             too many wait already; says when to come again      (429)
├── TooLarge             more bytes than the limit allows
├── Unavailable          cannot be done now; try again
├── SearchFailed         the index does not answer
├── ConfigInvalid        cog.yaml or hearth.yaml is wrong, with line and key
├── BuildFailed          the environment or the schema could not be made
├── SetupFailed          an instance never became ready
├── InstanceLost         an instance died under a prediction
├── AddressRefused       the address policy forbids this URL
├── FetchFailed          a URL could not be read
└── IllegalTransition    a state machine was asked for a step it does not have

The class docstring is the default message. `code` is stable and meant for machines, `hint` says what
to do. Only `api/errors.py` knows which HTTP status each becomes.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class HearthError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.hint = hint
        super().__init__(self.message)


class Unauthenticated(HearthError):
    """You did not pass a valid authentication token"""

    code = "unauthenticated"


class NotFound(HearthError):
    """The requested resource could not be found."""

    code = "not_found"


class Conflict(HearthError):
    """That is not possible in the present state."""

    code = "conflict"


class Pointer(NamedTuple):
    """One wrong field of a resource request: a JSON pointer (`/hardware`) and a sentence."""

    pointer: str
    detail: str


class InvalidRequest(HearthError):
    """Validation failed"""

    code = "invalid_request"

    def __init__(
        self, message: str | None = None, *, errors: tuple[Pointer, ...] = (), hint: str | None = None
    ) -> None:
        self.errors = errors
        super().__init__(message or "; ".join(e.detail for e in errors) or None, hint=hint)


class InvalidField(NamedTuple):
    """One wrong input of a prediction: a kind (`required`), the field and a sentence."""

    type: str
    field: str
    description: str


class InvalidInput(HearthError):
    """Input validation failed"""

    code = "invalid_input"

    def __init__(self, fields: tuple[InvalidField, ...], *, hint: str | None = None) -> None:
        self.fields = fields
        super().__init__("".join(f"- {f.field}: {f.description}\n" for f in fields), hint=hint)


class InvalidVersion(HearthError):
    """The specified version does not exist (or perhaps you don't have permission to use it?)"""

    code = "invalid_version"


class KeyReused(HearthError):
    """This Idempotency-Key was used for a request with another body or address."""

    code = "key_reused"

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint or "Use a new key for each thing you create; keys count for 24 hours.")


class Throttled(HearthError):
    """Request was throttled."""

    code = "throttled"

    def __init__(self, reset: int = 1, message: str | None = None) -> None:
        self.reset = reset
        super().__init__(message or f"Request was throttled. Your rate limit resets in ~{reset}s.")


class LineFull(HearthError):
    """Too many predictions wait for this version already."""

    code = "line_full"

    def __init__(self, message: str | None = None, *, reset: int = 1) -> None:
        self.reset = reset
        super().__init__(message, hint=f"Try again in {reset} s, or ask for a more urgent priority.")


class TooLarge(HearthError):
    """Files must be less than 100MB in size"""

    code = "too_large"


class Unavailable(HearthError):
    """This cannot be done right now; try again in a moment."""

    code = "unavailable"


class SearchFailed(HearthError):
    """Search service error"""

    code = "search_failed"


class ConfigInvalid(HearthError):
    """cog.yaml is not valid"""

    code = "config_invalid"

    def __init__(
        self,
        message: str,
        *,
        file: str = "cog.yaml",
        line: int | None = None,
        key: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.file, self.line, self.key = file, line, key
        where = f"{file}:{line}" if line else file
        super().__init__(f"{where}: {f'{key}: ' if key else ''}{message}", hint=hint)


class BuildFailed(HearthError):
    """The model could not be built."""

    code = "build_failed"


class Shortage(NamedTuple):
    """Memory ran out."""

    had: int = 0
    """Bytes that there were, as far as known."""
    gpu: bool = False


class SetupFailed(HearthError):
    """The model's setup failed."""

    code = "setup_failed"

    def __init__(
        self,
        message: str | None = None,
        *,
        logs: str = "",
        hint: str | None = None,
        shortage: Shortage | None = None,
    ) -> None:
        self.logs = logs
        self.shortage = shortage
        super().__init__(message, hint=hint)


class InstanceLost(HearthError):
    """The instance that ran this prediction died."""

    code = "instance_lost"

    def __init__(
        self,
        message: str | None = None,
        *,
        started: bool = True,
        logs: str = "",
        hint: str | None = None,
        shortage: Shortage | None = None,
    ) -> None:
        self.started = started
        self.logs = logs
        self.shortage = shortage
        super().__init__(message, hint=hint)


class AddressRefused(HearthError):
    """This address may not be reached from here."""

    code = "address_refused"


class FetchFailed(HearthError):
    """The URL could not be read."""

    code = "fetch_failed"


class IllegalTransition(HearthError):
    """That step does not exist in this state."""

    code = "illegal_transition"
