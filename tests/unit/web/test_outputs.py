"""Outputs in pieces, and what logs say of progress."""

from __future__ import annotations

import pytest

from hearth.domain.schema import OutputKind
from hearth.web.outputs import Progress, input_piece, opening, pieces, progress, readable, text_of

ID = "0123456789abcdefghjkmnpqrs"
PICTURE = f"hearth-file:{ID}/a b.png"
PLAIN, FILES = OutputKind(), OutputKind(has_files=True)
TEXT = OutputKind(is_iterator=True, concatenate=True)


def kinds(output: object, kind: OutputKind = PLAIN) -> list[str]:
    return [piece.kind for piece in pieces(output, kind)]


@pytest.mark.parametrize(
    ("output", "kind", "expected"),
    [
        (None, PLAIN, []),
        ("hello", PLAIN, ["text"]),
        (["a", "b"], TEXT, ["text"]),
        (["a", "b"], OutputKind(is_iterator=True), ["text", "text"]),
        (["a", "b"], PLAIN, ["json"]),
        (3, PLAIN, ["value"]),
        (False, PLAIN, ["value"]),
        ({"a": 1}, PLAIN, ["json"]),
        (PICTURE, PLAIN, ["image"]),
        ([PICTURE, f"hearth-file:{ID}/x.mp3"], FILES, ["image", "audio"]),
        ({"page": PICTURE, "n": 1}, FILES, ["image", "json"]),
        ("https://example.com/v.mp4?x", FILES, ["video"]),
        ("https://example.com/v.mp4", PLAIN, ["text"]),
        (f"hearth-file:{ID}/x.html", FILES, ["file"]),
        (f"hearth-file:{ID}/x.pdf", FILES, ["pdf"]),
    ],
)
def test_every_output_is_shown_by_what_it_is(output: object, kind: OutputKind, expected: list[str]) -> None:
    assert kinds(output, kind) == expected


def test_files_have_addresses_here() -> None:
    (piece,) = pieces(PICTURE, PLAIN)
    assert (piece.url, piece.name) == (f"/v1/files/{ID}/a%20b.png", "a b.png")


def test_text_reads_on() -> None:
    assert text_of(["Once ", "upon"], TEXT) == "Once upon"
    assert text_of({"a": 1}, PLAIN) is None


def test_inputs_that_are_files() -> None:
    assert input_piece("just text") is None
    assert input_piece("https://example.com/no-file") is None
    picture, data = input_piece("https://example.com/a.png"), input_piece("data:audio/wav;base64,AAAA")
    assert picture is not None
    assert data is not None
    assert (picture.kind, data.kind) == ("image", "audio")


@pytest.mark.parametrize(
    ("logs", "expected"),
    [
        ("", None),
        ("loading\n", None),
        (
            "\r 10%|█         | 1/10\r 40%|████      | 4/10 [00:01<00:02,  3.1it/s]",
            Progress(percent=40, label="4 of 10, 00:02 left"),
        ),
        ("100%|██████████| 10/10 [00:03<00:00]\ndone\n", None),
        (" 7%|▋  | 1.2G/16G [00:01<00:13]", Progress(percent=7, label="1.2G of 16G, 00:13 left")),
    ],
)
def test_progress_is_what_the_last_line_says(logs: str, expected: Progress | None) -> None:
    assert progress(logs) == expected


def test_a_carriage_return_replaces_its_line() -> None:
    assert readable("a\r\nb\rc\nd") == "a\nc\nd"


def test_what_is_too_much_for_a_tree_is_text() -> None:
    deep: object = 1
    for _ in range(500):
        deep = [deep]
    assert kinds(deep) == ["raw"]
    assert kinds({"many": list(range(5000))}) == ["raw"]
    assert pieces({"many": list(range(5000))}, PLAIN)[0].value.startswith('{\n  "many": [\n    0,\n    1,')
    assert "\n" not in pieces(deep, PLAIN)[0].value, "blanks would be most of it"
    (piece,) = pieces(["x" * 1000] * 1999, PLAIN)
    assert piece.kind == "json"
    (piece,) = pieces(["x" * 1000] * 2001, PLAIN)
    assert len(piece.value) <= 200_001


def test_an_opening_ends_with_a_whole_word_and_without_marks() -> None:
    assert opening("## A plan\n\nHere is **what** we `do`") == "A plan Here is what we do"
    said = opening("one two three " * 40)
    assert len(said) <= 121
    assert said.endswith("one two…")
    assert opening("x" * 500) == "x" * 120 + "…"
