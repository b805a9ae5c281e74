"""Cut a text into passages that are short enough for the encoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

LONGEST = 150  # words; the encoder reads 256 word pieces, about 190 English words
HEADING = 6  # words; a heading has at most so many, stands alone and ends without a full stop


class Passage(NamedTuple):
    text: str
    line: int  # the line it starts on, counted from 1
    heading: str = ""  # of the section it stands in; helps the encoder, is not shown

    @property
    def meaning(self) -> str:
        return f"{self.heading}. {self.text}" if self.heading else self.text


def split(document: str) -> list[Passage]:
    """Paragraphs (parted by blank lines), the long ones cut at line ends or else between words.

    A short paragraph just before a longer one is taken for its heading and is no passage of its own.
    """
    passages: list[Passage] = []
    heading = ""
    waiting: Passage | None = None  # looks like a heading; what follows decides
    for piece in _pieces(document):
        if _looks_like_heading(piece.text):
            if waiting:
                passages.append(waiting)
            waiting = piece
        else:
            if waiting:
                heading, waiting = waiting.text, None
            passages.append(piece._replace(heading=heading))
    if waiting:
        passages.append(waiting)
    return passages


def _looks_like_heading(text: str) -> bool:
    return len(text.split()) <= HEADING and text[-1] not in ".!?:;,"


def _pieces(document: str) -> Iterator[Passage]:
    words: list[str] = []
    start = 0
    for number, line in enumerate(document.splitlines(), start=1):
        found = line.split()
        if words and (not found or len(words) + len(found) > LONGEST):
            yield Passage(" ".join(words), start)
            words = []
        while len(found) > LONGEST:  # a paragraph without line ends
            yield Passage(" ".join(found[:LONGEST]), number)
            found = found[LONGEST:]
        if not words:
            start = number
        words.extend(found)
    if words:
        yield Passage(" ".join(words), start)
