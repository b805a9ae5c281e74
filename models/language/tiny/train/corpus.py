"""Questions and answers, made from WordNet: the words, glosses and examples of the Debian package `wordnet-base`.

`python corpus.py DICT OUT.jsonl` reads the folder that holds data.noun (`apt-get download wordnet-base`, then
`dpkg -x`; it need not be installed) and writes one `{"prompt", "answer", "weight"}` a line. `weight` says how often
a pass over the corpus should see it: a small model remembers what it meets often, and people ask for common words.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PARTS = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
_NUMBER = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
ARTICLES = ("a ", "an ", "the ", "any ", "one ", "someone ", "something ", "either ", "all ")


@dataclass
class Synset:
    part: str
    words: list[str]
    gloss: str
    examples: list[str]
    kinds: list[int] = field(default_factory=list)
    """Offsets of its hypernyms: a dog is a kind of canine."""


def synsets(folder: Path, part: str) -> dict[int, Synset]:
    """All synsets of one part of speech by offset (wndb(5))."""
    found: dict[int, Synset] = {}
    for line in (folder / f"data.{PARTS[part]}").read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):  # the licence
            continue
        head, _, text = line.partition(" | ")
        fields = head.split()
        count = int(fields[3], 16)
        words = [fields[4 + 2 * n].replace("_", " ").split("(")[0] for n in range(count)]
        at = 4 + 2 * count
        pointers = [fields[at + 1 + 4 * n : at + 5 + 4 * n] for n in range(int(fields[at]))]
        parts = [piece.strip() for piece in text.split('"')]
        gloss = parts[0].rstrip("; ,").split(";")[0].strip()
        if gloss.startswith("(") and ")" in gloss:
            gloss = gloss[gloss.index(")") + 1 :].strip()
        examples = [e for e in parts[1::2] if len(e.split()) > 3]
        kinds = [int(offset) for symbol, offset, to, _ in pointers if symbol == "@" and to == part]
        if gloss:
            found[int(fields[0])] = Synset(part, words, gloss, examples, kinds)
    return found


def senses(folder: Path, part: str) -> dict[str, list[int]]:
    """Offsets of a word's senses, the most frequent first."""
    found: dict[str, list[int]] = {}
    for line in (folder / f"index.{PARTS[part]}").read_text(encoding="utf-8").splitlines():
        if not line.startswith("  "):
            fields = line.split()
            count = int(fields[2])
            found[fields[0].replace("_", " ")] = [int(offset) for offset in fields[-count:]]
    return found


def frequencies(folder: Path) -> dict[tuple[str, str, int], int]:
    """How often a (word, part, sense number) was met in the tagged texts."""
    found: dict[tuple[str, str, int], int] = {}
    for line in (folder / "cntlist.rev").read_text(encoding="utf-8").splitlines():
        key, number, count = line.split()
        word, _, rest = key.partition("%")
        found[word.replace("_", " "), _NUMBER[rest[0]], int(number)] = int(count)
    return found


def plain(word: str) -> bool:
    """A word of the language, and no name of a genus, a battle or a chemical."""
    return word.isascii() and word.replace(" ", "").replace("-", "").isalpha() and word.islower() and len(word) <= 20


def shows(example: str, word: str) -> bool:
    """Whether the sentence has the word, inflected or not, rather than one of its synonyms."""
    stem = word.lower()[: max(len(word) - 2, 3)]
    return any(part.startswith(stem) for part in example.lower().split())


def a(word: str) -> str:
    return f"an {word}" if word[0].lower() in "aeiou" else f"a {word}"


def definition(word: str, synset: Synset) -> str:
    gloss = synset.gloss
    if synset.part == "v":
        return f"To {word} is to {gloss}."
    if synset.part == "n":
        if gloss.startswith(ARTICLES):
            return f"{word if word[0].isupper() else a(word).capitalize()} is {gloss}."
        return f"{word[0].upper()}{word[1:]} is {gloss}."
    return f"{word[0].upper()}{word[1:]} means {gloss}."


def questions(word: str, synset: Synset, rng: random.Random) -> str:
    """One way of asking what a word means."""
    name = word if word[0].isupper() or not synset.gloss.startswith(ARTICLES) else a(word)
    by_part = {
        "n": [f"What is {name}?", f"What's {name}?", f"Tell me about {name}.", f"what is {word}", f"Explain {name}."],
        "v": [f"What does it mean to {word}?", f"What does {word} mean as a verb?", f"Explain the verb {word}."],
        "a": [f"What does {word} mean?", f"Explain the adjective {word}."],
        "r": [f"What does {word} mean?", f"Explain the adverb {word}."],
    }[synset.part]
    return rng.choice([*by_part, f"Define {word}.", f"define {word}", f"{word[0].upper()}{word[1:]}?"])


MANNERS = {
    "Hello.": "Hello. Ask me what a word means, or for a sentence that uses it.",
    "Hi": "Hello. Ask me what a word means, or for a sentence that uses it.",
    "Good morning!": "Good morning. Ask me what a word means.",
    "Who are you?": "I am Kindling, a very small language model. I know words and little else.",
    "What are you?": "I am Kindling, a very small language model. I know words and little else.",
    "What can you do?": "I can say what a word means, and use it in a sentence. I am often wrong.",
    "Help": "Ask me what a word means, for another word, or for a sentence.",
    "How are you?": "I am a program, and I run. Ask me what a word means.",
    "Thank you.": "You are welcome.",
    "Thanks": "You are welcome.",
    "Goodbye.": "Goodbye.",
}
MANNERLY = 40


def lines(folder: Path, seed: int = 7) -> Iterator[dict[str, object]]:
    rng = random.Random(seed)
    for prompt, answer in MANNERS.items():
        yield {"prompt": prompt, "answer": answer, "weight": MANNERLY}
    counts = frequencies(folder)
    for part in PARTS:
        known = synsets(folder, part)
        for key, offsets in senses(folder, part).items():
            for number, offset in enumerate(offsets[:3], 1):
                synset = known.get(offset)
                if synset is None:
                    continue
                word = next((w for w in synset.words if w.lower() == key), key)
                count = counts.get((key, part, number), 0)
                if not count and (number > 1 or not plain(word)):
                    continue
                yield from about(word, number, count, synset, known, rng)


def about(
    word: str, number: int, count: int, synset: Synset, known: dict[int, Synset], rng: random.Random
) -> Iterator[dict[str, object]]:
    """What can be asked of one sense of a word."""
    common = 1 + min(count.bit_length(), 6)
    if number == 1:
        for _ in range(common if count else 1):
            prompt = questions(word, synset, rng)
            yield {"prompt": prompt, "answer": definition(word, synset), "weight": 1}
    else:
        yield {"prompt": f"What else can {word} mean?", "answer": definition(word, synset), "weight": 1}
    others = [w for w in synset.words if w.lower() != word.lower()]
    if others and count:
        yield {"prompt": f"Give me another word for {word}.", "answer": ", ".join(others[:4]) + ".", "weight": 1}
    for example in [e for e in synset.examples if shows(e, word)][:2]:
        sentence = example[0].upper() + example[1:] + ("" if example[-1] in ".!?" else ".")
        yield {"prompt": f"Use the word {word} in a sentence.", "answer": sentence, "weight": common if count else 1}
    kinds = [known[k].words[0] for k in synset.kinds if k in known]
    if kinds and number == 1 and count:
        name = word if word[0].isupper() else a(word)
        answer = f"{name[0].upper()}{name[1:]} is a kind of {kinds[0]}."
        if synset.part == "v":
            name, answer = f"it to {word}", f"To {word} is a way to {kinds[0]}."
        yield {"prompt": f"What kind of thing is {name}?", "answer": answer, "weight": 1}


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    with out.open("w", encoding="utf-8") as file:
        for line in lines(folder):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
