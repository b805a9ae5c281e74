from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hearth.engine.masking import MASK, MaskedText, Masker

SECRETS = st.lists(st.text(alphabet="abc", min_size=4, max_size=7), min_size=1, max_size=3)


def pieces(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


@given(SECRETS, st.text(alphabet="abcx", max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_however_a_text_is_cut_no_secret_gets_through(secrets: list[str], text: str, cuts: list[int]) -> None:
    stream = MaskedText(Masker(secrets))
    shown = "".join(stream.feed(piece) for piece in pieces(text, cuts)) + stream.rest()
    for part in shown.split(MASK):
        assert not any(secret in part for secret in secrets)


@given(SECRETS, st.text(alphabet="xyz", max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_text_without_secrets_passes_at_once(secrets: list[str], text: str, cuts: list[int]) -> None:
    stream = MaskedText(Masker(secrets))
    for piece in pieces(text, cuts):
        assert stream.feed(piece) == piece
    assert stream.rest() == ""


@given(SECRETS, st.text(alphabet="abcx", max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_one_secret_shows_the_same_whole_or_cut(secrets: list[str], text: str, cuts: list[int]) -> None:
    masker = Masker(secrets[:1])
    stream = MaskedText(masker)
    shown = "".join(stream.feed(piece) for piece in pieces(text, cuts)) + stream.rest()
    assert shown == masker.text(text)


def test_only_what_could_be_a_secret_is_held_back() -> None:
    stream = MaskedText(Masker(["hunter2"]))
    assert stream.feed("the word is hun") == "the word is "
    assert stream.feed("gry\n") == "hungry\n"
    assert stream.feed("hunter") == ""
    assert stream.feed("2!") == f"{MASK}!"
    assert stream.feed("hunter") == ""
    assert stream.rest() == "hunter"


def test_the_longer_of_two_secrets_wins_across_pieces() -> None:
    stream = MaskedText(Masker(["abcd", "abcdef"]))
    assert stream.feed("abcd") == ""
    assert stream.feed("ef.") == f"{MASK}."


def test_values_are_masked_at_every_depth() -> None:
    masker = Masker(["hunter2", "no"])
    value = {"hunter2": ["x hunter2", 1, None, {"no": "no"}]}
    assert masker.value(value) == {MASK: [f"x {MASK}", 1, None, {"no": "no"}]}
    assert not Masker(["abc", ""])
    assert Masker([]).text("hunter2") == "hunter2"
