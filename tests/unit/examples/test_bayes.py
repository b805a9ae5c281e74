"""The classifier of examples/trainable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[3] / "examples/trainable"


@pytest.fixture(scope="module")
def bayes(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("trainable/bayes.py")


def learnt(bayes: ModuleType, name: str) -> object:
    return bayes.Model.learn(bayes.examples((FOLDER / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("table", "text", "label"),
    [
        ("reviews.tsv", "Rude waiter, cold soup", "bad"),
        ("reviews.tsv", "Friendly waiter, excellent soup", "good"),
        ("tickets.tsv", "You charged me twice, I want a refund", "billing"),
        ("tickets.tsv", "login shows an error since the update", "software"),
        ("tickets.tsv", "where is my parcel", "delivery"),
    ],
)
def test_it_knows_what_its_tables_teach(bayes: ModuleType, table: str, text: str, label: str) -> None:
    scores = learnt(bayes, table).scores(text)  # type: ignore[attr-defined]
    assert next(iter(scores)) == label
    assert sum(scores.values()) == pytest.approx(1)


def test_weights_keep_what_was_learnt(bayes: ModuleType) -> None:
    model = learnt(bayes, "tickets.tsv")
    again = bayes.Model.of_json(model.to_json())  # type: ignore[attr-defined]
    assert again.scores("my parcel is lost") == model.scores("my parcel is lost")  # type: ignore[attr-defined]


def test_unknown_words_say_nothing(bayes: ModuleType) -> None:
    model = bayes.Model.learn([("a", "one"), ("a", "two"), ("b", "three")])
    assert model.scores("xyzzy") == pytest.approx({"a": 2 / 3, "b": 1 / 3})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a\tone\nb two", "line 2"),
        ("a\tone\n\n\tx", "line 3"),
        ("a\tone\na\ttwo", "two labels"),
        ("", "two labels"),
        ("a\t123\n", "line 1"),
    ],
)
def test_a_wrong_table_is_named(bayes: ModuleType, table: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bayes.examples(table)
