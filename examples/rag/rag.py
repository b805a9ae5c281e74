"""Answers out of a folder of documents, with their sources: retrieval, then a language model.

python examples/rag/rag.py FOLDER "How do I cancel a prediction?"
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import replicate

KINDS = ("*.md", "*.txt", "*.rst")
AT_ONCE = 64  # passages in one prediction of the embedding model
LONGEST = 120  # words in a passage: small enough to mean one thing
PROMPT = """Answer the question from the sources below, and from nothing else. Name the source that you used, as [1].
If they do not answer it, say so.

{sources}

Question: {question}"""


class Passage(NamedTuple):
    file: str
    line: int
    text: str


def passages(folder: Path) -> Iterator[Passage]:
    """The paragraphs of all documents below a folder, each with the heading that it stands under."""
    for path in sorted(path for kind in KINDS for path in folder.rglob(kind)):
        heading = ""
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, text in paragraphs(lines):
            if text.startswith("#"):
                heading = text.lstrip("# ")
                continue
            words = text.split()
            for at in range(0, len(words), LONGEST):
                part = " ".join(words[at : at + LONGEST])
                yield Passage(str(path.relative_to(folder)), number, f"{heading}: {part}" if heading else part)


def paragraphs(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Blocks of lines between empty ones, with the number of their first line. A heading is one of its own."""
    block: list[str] = []
    first = 1
    for number, line in enumerate([*lines, ""], 1):
        alone = line.startswith("#")
        if (alone or not line.strip()) and block:
            yield first, " ".join(block)
            block = []
        if alone:
            yield number, line.strip()
        elif line.strip():
            first = first if block else number
            block.append(line.strip())


def embed(model: str, texts: Sequence[str]) -> np.ndarray:
    """A row a text."""
    rows = []
    for at in range(0, len(texts), AT_ONCE):
        rows += replicate.run(model, input={"texts": json.dumps(list(texts[at : at + AT_ONCE]))})
    return np.array(rows, np.float32)


def nearest(question: np.ndarray, vectors: np.ndarray, count: int) -> list[int]:
    scores = vectors @ question
    return [int(n) for n in np.argsort(-scores, kind="stable")[:count]]


def best_sentences(model: str, question: np.ndarray, found: Sequence[Passage]) -> str:
    """What the documents themselves say, for models that only make words of it."""
    sentences = [s for p in found for s in re.split(r"(?<=[.!?]) +", p.text) if len(s.split()) > 3]
    best = nearest(question, embed(model, sentences), 2)
    return " ".join(sentences[n] for n in sorted(best))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("question", nargs="+")
    parser.add_argument("--embeddings", default="admin/minilm", help="the model that makes vectors")
    parser.add_argument("--model", help="a language model that answers; without one, the documents are quoted")
    parser.add_argument("--count", type=int, default=4, help="how many passages it sees")
    args = parser.parse_args()
    known = list(passages(args.folder))
    if not known:
        sys.exit(f"{args.folder} holds no documents ({', '.join(KINDS)})")
    vectors = embed(args.embeddings, [p.text for p in known])
    for question in args.question:
        asked = embed(args.embeddings, [question])[0]
        found = [known[n] for n in nearest(asked, vectors, args.count)]
        print(f"\n{question}\n")
        if args.model:
            sources = "\n\n".join(f"[{n}] {p.file}: {p.text}" for n, p in enumerate(found, 1))
            prompt = PROMPT.format(sources=sources, question=question)
            for piece in replicate.stream(args.model, input={"prompt": prompt}):
                print(piece, end="", flush=True)
            print()
        else:
            print(best_sentences(args.embeddings, asked, found))
        print("\nSources:")
        for n, passage in enumerate(found, 1):
            print(f"[{n}] {passage.file}:{passage.line}")


if __name__ == "__main__":
    main()
