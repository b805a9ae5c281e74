"""A table and a template to inputs: every wrong row that is named, and what a good one becomes."""

from __future__ import annotations

from typing import Any

import pytest

from hearth.domain.schema import InputSchema
from hearth.service.tables import MOST, prepared

DOCUMENT: dict[str, Any] = {
    "components": {
        "schemas": {
            "Input": {
                "type": "object",
                "required": ["text"],
                "properties": {"text": {"type": "string"}, "times": {"type": "integer", "maximum": 5}},
            }
        }
    }
}
SCHEMA = InputSchema.parse(DOCUMENT)


def test_each_row_fills_the_template() -> None:
    found = prepared(SCHEMA, {"text": "dear <name>", "times": 2}, "name,times\nAlice,\nBob,3\n", "csv")
    assert found.wrong == []
    assert found.inputs == [{"text": "dear Alice", "times": 2}, {"text": "dear Bob", "times": "3"}]


def test_wrong_rows_are_named_with_the_field() -> None:
    found = prepared(SCHEMA, {}, "text,times\na,1\nb,9\n,2\n", "csv")
    assert len(found.inputs) == 3
    assert [text.partition(":")[0] for text in found.wrong] == ["row 2", "row 3"]
    assert "text is required" in found.wrong[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "line 1"), ("text\n", "there are 0 rows"), ("text\n" + "a\n" * (MOST + 1), "there are 100,001 rows")],
)
def test_a_table_that_cannot_be_run_says_so(text: str, said: str) -> None:
    found = prepared(SCHEMA, {}, text, "csv")
    assert found.inputs == []
    assert said in found.wrong[0]
