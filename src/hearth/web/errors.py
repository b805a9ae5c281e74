"""Errors to pages: status and words, in one place."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from hearth import errors


class Forbidden(errors.HearthError):
    """This form is out of date. Load the page again and send it once more."""

    code: ClassVar[str] = "forbidden"


class Problem(NamedTuple):
    status: int
    title: str


_PROBLEMS: dict[type[errors.HearthError], Problem] = {
    errors.Unauthenticated: Problem(401, "Sign in first"),
    Forbidden: Problem(403, "That did not go through"),
    errors.NotFound: Problem(404, "There is no such page"),
    errors.Conflict: Problem(409, "That is not possible now"),
    errors.IllegalTransition: Problem(409, "That is not possible now"),
    errors.InvalidRequest: Problem(400, "That cannot be right"),
    errors.InvalidInput: Problem(422, "Some inputs are not right"),
    errors.InvalidVersion: Problem(422, "There is no such version"),
    errors.TooLarge: Problem(413, "That is too large"),
    errors.Throttled: Problem(429, "Slow down a little"),
    errors.AddressRefused: Problem(422, "That address may not be reached"),
    errors.FetchFailed: Problem(422, "That address could not be read"),
    errors.Unavailable: Problem(503, "Not right now"),
}
UNEXPECTED = Problem(500, "Something went wrong")


def problem(error: errors.HearthError) -> Problem:
    return next((_PROBLEMS[kind] for kind in type(error).__mro__ if kind in _PROBLEMS), UNEXPECTED)


def by_field(error: errors.HearthError) -> dict[str, str]:
    """Field to sentence, for forms that show errors beside what they are about. Others stand under `""`."""
    if isinstance(error, errors.InvalidRequest) and error.errors:
        found = [(e.pointer.strip("/"), e.detail) for e in error.errors]
    elif isinstance(error, errors.InvalidInput):
        found = [_of_input(f) for f in error.fields]
    else:
        found = [("", error.message)]
    sentences: dict[str, str] = {}
    for field, text in found:
        text = text.removeprefix(f"{field}: ")
        text = text[:1].upper() + text[1:]
        sentences[field] = f"{sentences[field]}. {text}" if field in sentences else text
    return sentences


def _of_input(field: errors.InvalidField) -> tuple[str, str]:
    if field.type == "required" and field.field == "input":
        name, _, _ = field.description.partition(" is required")
        return name, "Is required"
    return field.field.removeprefix("input.").partition(".")[0], field.description
