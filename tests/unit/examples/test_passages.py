"""How examples/search cuts a text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def passages(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("search/passages.py")


def test_paragraphs_know_the_line_they_start_on(passages: ModuleType) -> None:
    found = passages.split("\nFirst line.\nStill the first.\n\n\nSecond one.\n")
    assert [(each.text, each.line) for each in found] == [
        ("First line. Still the first.", 2),
        ("Second one.", 6),
    ]


def test_a_heading_belongs_to_the_paragraphs_below_it(passages: ModuleType) -> None:
    found = passages.split("Water\n\nDrink it.\n\nSave it.\n\nFire\n\nLight it.")
    assert [each.meaning for each in found] == ["Water. Drink it.", "Water. Save it.", "Fire. Light it."]
    assert [each.text for each in found] == ["Drink it.", "Save it.", "Light it."]


def test_short_lines_that_head_nothing_are_passages(passages: ModuleType) -> None:
    assert [each.text for each in passages.split("apples\n\npears\n\nplums")] == ["apples", "pears", "plums"]


def test_a_long_paragraph_is_cut_at_a_line_end(passages: ModuleType) -> None:
    line = "word " * 60
    found = passages.split("\n".join([line] * 4))
    assert [(len(each.text.split()), each.line) for each in found] == [(120, 1), (120, 3)]


def test_a_line_without_end_is_cut_between_words(passages: ModuleType) -> None:
    found = passages.split("start.\n" + "word " * 400 + "end.")
    assert [(len(each.text.split()), each.line) for each in found] == [(1, 1), (150, 2), (150, 2), (101, 2)]


def test_no_word_is_lost(passages: ModuleType) -> None:
    text = (ROOT / "examples/search/handbook.txt").read_text(encoding="utf-8")
    found = passages.split(text)
    kept = [word for each in found for word in each.text.split()]
    headings = {each.heading for each in found} - {""}
    assert len(found) >= 60
    assert len(kept) + sum(len(heading.split()) for heading in headings) == len(text.split())


@pytest.mark.parametrize("text", ["", "  \n\n \t\n"])
def test_nothing_gives_no_passages(passages: ModuleType, text: str) -> None:
    assert passages.split(text) == []
