"""A table and a template, made into inputs and checked before anything is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hearth.domain.batch import RowsInvalid, inputs, rows
from hearth.domain.schema import InputSchema
from hearth.errors import InvalidInput

MOST = 100_000
"""Inputs in one batch."""
_NAMED = 5
"""Wrong rows that are named."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    inputs: list[dict[str, Any]]
    """One for each row; none if the table cannot be read."""
    wrong: list[str]
    """The first rows that cannot be run, and why; empty if all can."""


def prepared(schema: InputSchema, template: Mapping[str, Any], text: str, format: str) -> Prepared:
    """Every row filled in and checked. Takes a while for a long table."""
    try:
        made = inputs(template, rows(text, format))
    except RowsInvalid as error:
        return Prepared(inputs=[], wrong=[str(error)])
    if not 1 <= len(made) <= MOST:
        return Prepared(inputs=[], wrong=[f"there are {len(made):,} rows; a batch has 1 to {MOST:,}"])
    wrong = []
    for number, input in enumerate(made, 1):
        try:
            schema.check(input)
        except InvalidInput as error:
            wrong.append(f"row {number}: " + "; ".join(f"{f.field}: {f.description}" for f in error.fields))
            if len(wrong) == _NAMED:
                break
    return Prepared(inputs=made, wrong=wrong)
