from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.domain.batch import RowsInvalid, format_of, guess, inputs, rows, variables

names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
cells = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)


@given(st.lists(names, min_size=1, max_size=4, unique=True), st.data())
def test_a_csv_comes_back_as_it_was_written(header: list[str], data: Any) -> None:
    table = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(header, cells)), max_size=5))
    text = io.StringIO()
    writer = csv.DictWriter(text, header)
    writer.writeheader()
    writer.writerows(table)
    assert rows(text.getvalue(), "csv") == table


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text(), max_size=3), min_size=1, max_size=5))
def test_objects_come_back_from_lines_and_from_a_list(table: list[dict[str, Any]]) -> None:
    assert rows("\n".join(json.dumps(row) for row in table), "jsonl") == table
    assert rows(json.dumps(table), "json") == table


def test_an_empty_cell_is_no_value() -> None:
    assert rows("a,b\n1,\n\n,2\n", "csv") == [{"a": "1"}, {"b": "2"}]


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert rows("\ufeffa\n1\n", "csv") == [{"a": "1"}]


@pytest.mark.parametrize(
    ("text", "format", "said"),
    [
        ("a,b\n1\n", "csv", "line 2: 1 values for 2 columns"),
        ("a,a\n1,2\n", "csv", "line 1"),
        ("", "csv", "line 1"),
        ('a\n"x\n', "csv", "line"),
        ('{"a": 1}\n\n{"a": \n', "jsonl", "line 3"),
        ('{"a": 1}\n[1]\n', "jsonl", "line 2: an object"),
        ("[1]", "json", "item 1"),
        ("{", "json", "not JSON"),
    ],
)
def test_a_wrong_table_says_where(text: str, format: str, said: str) -> None:
    with pytest.raises(RowsInvalid, match=said):
        rows(text, format)


def test_a_template_is_filled() -> None:
    template = {"prompt": "Say <word> in <tongue>: <word>!", "seed": 1, "list": ["<word>", 2], "html": "a < b > c"}
    made = inputs(template, [{"word": "no", "tongue": "Latin", "seed": 9}, {"word": 5, "tongue": "x"}])
    assert made[0] == {"prompt": "Say no in Latin: no!", "seed": 9, "list": ["no", 2], "html": "a < b > c"}
    assert made[1]["prompt"] == "Say 5 in x: 5!"
    assert variables(template) == ["word", "tongue"]


def test_rows_without_a_template_are_inputs() -> None:
    assert inputs({"seed": 1}, [{"prompt": "a"}, {"prompt": "b", "seed": 2}]) == [
        {"seed": 1, "prompt": "a"},
        {"seed": 2, "prompt": "b"},
    ]


def test_a_row_that_lacks_a_variable_is_named() -> None:
    with pytest.raises(RowsInvalid, match="row 2 has no word"):
        inputs({"prompt": "<word>"}, [{"word": "a"}, {"other": "b"}])


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.CSV", "csv"), ("b.json", "json"), ("c.jsonl", "jsonl"), ("d", "jsonl")],
)
def test_a_format_is_told_by_its_name(name: str, format: str) -> None:
    assert format_of(name) == format


def test_rows_copied_from_a_spreadsheet_have_tabs_between() -> None:
    assert rows("name\tsaid\nAlice\thello, there\n", "csv") == [{"name": "Alice", "said": "hello, there"}]


def test_what_somebody_typed_tells_its_format() -> None:
    assert [guess(t) for t in (' {"a": 1}', "\n[{}]", "a,b\n1,2", "")] == ["jsonl", "json", "csv", "csv"]
    assert format_of("table.TSV") == "csv"
