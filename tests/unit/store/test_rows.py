"""Rows and their column lists belong together; the round trips themselves are the contract suite's."""

from __future__ import annotations

import msgspec

from hearth.domain.account import Account, Token
from hearth.domain.file import File
from hearth.domain.model import Build, Model, Version
from hearth.domain.prediction import TRANSITIONS, Phase, Prediction
from hearth.domain.webhook import Attempt, Delivery
from hearth.store import rows


def test_every_field_of_a_record_has_its_column():
    for record, columns in (
        (Token, rows.TOKEN),
        (Version, rows.VERSION),
        (Build, rows.BUILD),
        (File, rows.FILE),
        (Delivery, rows.DELIVERY),
        (Attempt, rows.ATTEMPT),
    ):
        assert set(columns) == {field.name for field in msgspec.structs.fields(record)}, record
    assert {*rows.PREDICTION, "place"} == {field.name for field in msgspec.structs.fields(Prediction)}, (
        "it is looked up"
    )
    assert {*rows.ACCOUNT, "ceiling"} == {field.name for field in msgspec.structs.fields(Account)}, "the token has it"
    assert {*rows.MODEL, "run_count"} == {field.name for field in msgspec.structs.fields(Model)}


def test_a_row_lies_in_the_order_of_its_columns():
    prediction = Prediction(
        id="i", account_id="a", model="m", version="v", input={}, created_at=1.0, reason="r", logs="l", origin="o"
    )
    found = dict(zip(rows.PREDICTION, rows.prediction_row(prediction), strict=True))
    assert (found["id"], found["reason"], found["logs"], found["origin"]) == ("i", "r", "l", "o")
    assert rows.prediction_of(rows.prediction_row(prediction)) == prediction


def test_terminal_is_what_has_no_way_out():
    left = {phase for phase, _ in TRANSITIONS}
    assert {phase for phase in Phase if phase.terminal} == set(Phase) - left
