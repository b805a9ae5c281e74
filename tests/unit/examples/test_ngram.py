"""The language model of examples/storyteller."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
BOOK = (ROOT / "examples/storyteller/stories.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ngram(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("storyteller/ngram.py")


def tell(
    ngram: ModuleType,
    texts: list[str],
    prompt: str = "",
    limit: int = 200,
    temperature: float = 1,
    seed: int = 1,
) -> str:
    return "".join(ngram.Model(texts).tell(prompt, limit, temperature, random.Random(seed)))


def test_tokens_keep_words_whole_and_part_marks_and_paragraphs(ngram: ModuleType) -> None:
    assert ngram.tokens("The miller's well-kept cat, he said.\n\nIt slept!") == [
        "The", "miller's", "well-kept", "cat", ",", "he", "said", ".", "\n\n", "It", "slept", "!",
    ]  # fmt: skip


def test_a_line_break_inside_a_paragraph_is_a_space(ngram: ModuleType) -> None:
    assert ngram.tokens("one\ntwo") == ["one", "two"]


def test_the_shipped_book_holds_its_stories_without_their_titles(ngram: ModuleType) -> None:
    found = ngram.stories(BOOK)
    assert len(found) == 16
    assert not any("#" in story for story in found)
    assert found[0].startswith("There was once a keeper")


def test_a_single_text_is_recited_in_print_form(ngram: ModuleType) -> None:
    text = "Stop, said the cat (a grey one): it is late.\n\nThen it slept; nobody woke it!"
    assert tell(ngram, [text], temperature=0) == text


def test_the_same_seed_tells_the_same_story_and_another_seed_another(ngram: ModuleType) -> None:
    book = ngram.stories(BOOK)
    assert tell(ngram, book, seed=5) == tell(ngram, book, seed=5)
    assert tell(ngram, book, seed=5) != tell(ngram, book, seed=6)


def test_a_story_is_no_copy_of_a_shipped_one(ngram: ModuleType) -> None:
    book = ngram.stories(BOOK)
    told = tell(ngram, book, seed=1)
    assert all(told not in " ".join(story.split()) for story in book)


def test_every_word_told_was_learned(ngram: ModuleType) -> None:
    book = ngram.stories(BOOK)
    known = {token for story in book for token in ngram.tokens(story)}
    assert set(ngram.tokens(tell(ngram, book, seed=3, temperature=3))) <= known


def test_the_limit_counts_tokens(ngram: ModuleType) -> None:
    model = ngram.Model(ngram.stories(BOOK))
    assert len(list(model.tell("There was once", 7, 1, random.Random(1)))) == 7


def test_the_end_of_a_text_ends_the_story(ngram: ModuleType) -> None:
    assert tell(ngram, ["one two three"], limit=50) == "one two three"


def test_the_prompt_is_continued_and_not_repeated(ngram: ModuleType) -> None:
    assert tell(ngram, ["one two three four"], prompt="one two") == " three four"


def test_a_prompt_is_understood_in_any_case(ngram: ModuleType) -> None:
    assert tell(ngram, ["One two three"], prompt="ONE TWO") == " three"


def test_an_unknown_prompt_still_gets_an_answer(ngram: ModuleType) -> None:
    assert tell(ngram, ["one two three"], prompt="zyx", limit=1) in (" one", " two", " three", "")


def test_temperature_sharpens_and_flattens(ngram: ModuleType) -> None:
    model = ngram.Model(["a b"] * 9 + ["a c"])
    context = [ngram.START, ngram.START, "a"]

    def share_of_c(temperature: float) -> float:
        chance = random.Random(0)
        drawn = [model.next(context, temperature, chance) for _ in range(2000)]
        return drawn.count("c") / len(drawn)

    assert share_of_c(0) == 0
    assert share_of_c(0.5) < 0.05 < share_of_c(1) < 0.15 < share_of_c(4)


def test_a_model_of_nothing_says_so(ngram: ModuleType) -> None:
    with pytest.raises(ValueError, match="no text"):
        ngram.Model([]).next([], 1, random.Random(1))
