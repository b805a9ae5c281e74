"""What is shown of a generation."""

from __future__ import annotations

import itertools

import pytest
from engine.text import Text
from hypothesis import given
from hypothesis import strategies as st

STOPS = st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3)


def said(pieces: list[bytes], stop: list[str]) -> tuple[list[str], bool]:
    text = Text(pieces.__getitem__, stop)
    out = []
    for token in range(len(pieces)):
        out.append(text.push(token))
        if text.stopped:
            break
    return [*out, text.finish()], text.stopped


def cut(raw: bytes, borders: list[int]) -> list[bytes]:
    marks = sorted({0, len(raw), *(b % (len(raw) + 1) for b in borders)})
    return [raw[a:b] for a, b in itertools.pairwise(marks)]


def expected(whole: str, stop: list[str]) -> str:
    """Character by character: the first stop sequence to be complete ends the text before it."""
    for end in range(1, len(whole) + 1):
        found = [s for s in stop if whole[:end].endswith(s)]
        if found:
            return whole[: end - max(map(len, found))]
    return whole


@given(st.text("ab\né"), STOPS, st.lists(st.integers(0, 50)))
def test_stop_sequences_end_the_text_wherever_tokens_begin(whole: str, stop: list[str], borders: list[int]) -> None:
    pieces, stopped = said(cut(whole.encode(), borders), stop)
    assert "".join(pieces) == expected(whole, stop)
    assert stopped == any(s in whole for s in stop)


@given(st.text("ab\n", max_size=20), st.lists(st.text("ab\n", min_size=1, max_size=4), min_size=1, max_size=3))
def test_nothing_shown_has_to_be_taken_back(whole: str, stop: list[str]) -> None:
    text = Text(lambda n: whole[n].encode(), stop)
    shown = ""
    for n in range(len(whole)):
        shown += text.push(n)
        assert expected(whole, stop).startswith(shown)
        if text.stopped:
            break


@given(st.text(), st.lists(st.integers(0, 50)))
def test_characters_come_whole(whole: str, borders: list[int]) -> None:
    pieces, _ = said(cut(whole.encode(), borders), [])
    assert "".join(pieces) == whole
    assert "\ufffd" not in "".join(pieces).replace(whole, "")


def test_bytes_that_are_no_text_are_left_out() -> None:
    assert said([b"a\xff", b"\xe2\x82", b"b", b"\xf0\x9f"], [])[0] == ["a", "", "b", "", ""]


def test_what_may_begin_a_stop_sequence_waits() -> None:
    assert said([b"one\n", b"\nt", b"wo\n", b"\n", b"\n"], ["\n\n\n"]) == (["one", "\n\nt", "wo", "", "", ""], True)


def test_what_was_held_comes_when_nothing_follows() -> None:
    assert said([b"a", b"STO"], ["STOP"]) == (["a", "", "STO"], False)


def test_too_early_a_stop_sequence_is_text() -> None:
    text = Text([b"xSTOP", b"yS", b"TOP", b"z"].__getitem__, ["STOP"])
    assert [text.push(0, may_stop=False), text.push(1), text.push(2)] == ["xSTOP", "y", ""]
    assert text.stopped


@pytest.mark.parametrize(("lead", "shown"), [(True, " a b"), (False, "a b")])
def test_a_blank_at_the_beginning_may_be_the_tokenizers(lead: bool, shown: str) -> None:
    text = Text([b" a", b" b"].__getitem__, lead=lead)
    assert text.push(0) + text.push(1) == shown
