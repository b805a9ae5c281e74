"""What `introspect.py` reports of a model's code, as records."""

from __future__ import annotations

from typing import Any

import msgspec


class TypeFact(msgspec.Struct, frozen=True):
    """An annotation. `kind` is one of: str int float bool path file secret any none dict list union literal
    enum opaque iterator object unknown."""

    kind: str
    item: TypeFact | None = None
    value: TypeFact | None = None
    inner: TypeFact | None = None
    members: tuple[TypeFact, ...] = ()
    values: tuple[Any, ...] = ()
    fields: tuple[FieldFact, ...] = ()
    concatenate: bool = False
    text: str = ""

    def without_none(self) -> tuple[TypeFact, bool]:
        """(the type, whether None was one of its members)."""
        if self.kind != "union":
            return self, False
        rest = tuple(member for member in self.members if member.kind != "none")
        optional = len(rest) < len(self.members)
        if len(rest) == 1:
            inner, nested = rest[0].without_none()
            return inner, optional or nested
        return msgspec.structs.replace(self, members=rest), optional


class FieldFact(msgspec.Struct, frozen=True):
    """One field of an object that a model returns. `required`: it has no default."""

    name: str
    type: TypeFact
    required: bool = True
    description: str | None = None


class InputOptions(msgspec.Struct, frozen=True):
    """Arguments of `cog.Input` that were given, but for the default."""

    description: str | None = None
    ge: int | float | None = None
    le: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    regex: str | None = None
    choices: tuple[Any, ...] | None = None
    deprecated: bool | None = None
    accept: str | None = None


class ParameterFact(msgspec.Struct, frozen=True):
    name: str
    type: TypeFact
    given: bool = False
    """A default was written, possibly None."""
    default: Any = None
    input: InputOptions = InputOptions()


class SignatureFact(msgspec.Struct, frozen=True):
    """One method or function that is run."""

    name: str
    parameters: tuple[ParameterFact, ...]
    output: TypeFact | None = None
    is_async: bool = False
    is_async_generator: bool = False
    is_generator: bool = False
    streaming: bool = False
    concurrent_max: int | None = None
    takes_weights: bool = False


class ErrorFact(msgspec.Struct, frozen=True):
    type: str
    message: str
    traceback: str


class Facts(msgspec.Struct, frozen=True):
    predict: SignatureFact | None = None
    train: SignatureFact | None = None
    error: ErrorFact | None = None
