"""Each model of tests/models is pushed and run at least once, with the answer it must give."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

MODELS = Path(__file__).parents[1] / "models"
TEXT = b"first line\nsecond line\n"
HELLO = "data:text/plain;base64,aGVsbG8="
DOCUMENT = "data:text/plain;base64,Zmlyc3QgbGluZQpzZWNvbmQgbGluZQo="
SEEN = {"size": len(TEXT), "sha256": hashlib.sha256(TEXT).hexdigest()}


class File:
    """A URL of this server that ends in `name` and holds `content`."""

    def __init__(self, name: str, content: bytes | int) -> None:
        self.name, self.content = name, content

    def __repr__(self) -> str:
        return f"File({self.name!r}, {self.content!r})"


class Match:
    """Any value of which `test` is true."""

    def __init__(self, says: str, test: Any) -> None:
        self.says, self.test = says, test

    def __eq__(self, other: object) -> bool:
        return bool(self.test(other))

    def __repr__(self) -> str:
        return self.says


class Fails:
    def __init__(self, error: str) -> None:
        self.error = error


INTEGER = Match("an integer", lambda value: type(value) is int)
MADE = Match("a number and a time", lambda value: re.fullmatch(r"\d+@\d+\.\d+ ", value))
PAGES = [File("page.txt", b"page 0"), File("page-2.txt", b"page 1")]
EXPECTED: dict[str, list[tuple[dict[str, Any], Any]]] = {
    "async-concurrent": [({"name": "me"}, {"name": "me", "together": 1})],
    "async-echo": [({"text": "hi"}, "hi")],
    "async-iterator-path": [({"count": 2}, PAGES), ({"count": 0}, [])],
    "async-sleeper": [({"seconds": 0}, "slept")],
    "async-stream": [({"count": 2, "delay": 0}, ["chunk 0 ", "chunk 1 "]),
                     ({"fail_at": 1, "delay": 0}, Fails("no chunk 1"))],
    "big-output": [({}, {"text": "0123456789" * 100_000, "file": File("big.bin", 1_000_000)})],
    "context": [({}, Match("an object", lambda value: isinstance(value, dict)))],
    "crasher": [({}, INTEGER), ({"how": "exit"}, Fails("exited with code 3"))],
    "decorated": [({"text": "x y"}, ["x ", "y "])],
    "environment": [
        ({}, Match("GREETING and no secrets of ours", lambda value: value["variables"]["GREETING"] == "hello"
                   and not any(name.startswith(("REPLICATE_", "AWS_")) for name in value["variables"])
                   and value["python"].startswith("3.11.") and {"cog.yaml", "predict.py"} <= set(value["files"]))),
    ],
    "every-input": [({"text": "hi", "words": ["a"], "either": 3},
                     Match("the inputs with their types", lambda value: value["text"] == {"type": "str", "value": "hi"}
                           and value["words"] == {"type": "list", "value": ["a"]} and value["either"]["value"] == 3
                           and value["shape"]["value"] == {"enum": "ROUND"} and value["size"]["value"] == 2))],
    "failing": [({}, Fails("ValueError: it went wrong"))],
    "files-echo": [({"file": DOCUMENT}, [{"name": Match("a .txt", lambda name: name.endswith(".txt")), **SEEN}])],
    "function": [({"text": "a", "times": 3}, "a a a")],
    "healthcheck": [({"healthy": True}, "well")],
    "import-prints": [({}, 4), ({"size": 2}, 2)],
    "litter": [({}, Match("a path", lambda value: "litter-" in value))],
    "local-import": [({}, "READ FROM A FILE!")],
    "logs": [({"what": "stderr"}, "stderr")],
    "many-chunks": [({"count": 3, "size": 4}, ["  0 ", "  1 ", "  2 "])],
    "metrics": [({}, "measured")],
    "noop": [({}, "ok")],
    "old-output": [({}, {"caption": None, "tags": [], "score": 0.5}),
                   ({"caption": "c"}, {"caption": "c", "tags": [], "score": 0.5})],
    "old-style": [({"document": DOCUMENT}, ["line 1: first line\n", "line 2: second line\n"]),
                  ({"document": DOCUMENT, "upper": True}, ["line 1: FIRST LINE\n", "line 2: SECOND LINE\n"])],
    "orphan": [({}, [INTEGER, INTEGER])],
    "output-any": [({"value": {"a": [1, None]}}, {"a": [1, None]}), ({}, None)],
    "output-bool": [({}, True)],
    "output-concatenate": [({}, ["one", " two", " three", " four"])],
    "output-data-uri": [({}, Match("hello", lambda value: value == HELLO or value.startswith("https://")))],
    "output-dataclass": [({}, {"label": "cat", "score": 0.75, "note": None})],
    "output-dict": [({}, {"a": 1, "b": {"c": [1, 2, None]}})],
    "output-dict-of-int": [({}, {"a": 1, "b": 2})],
    "output-float": [({}, 0.25)],
    "output-folder": [({}, Fails("directory"))],
    "output-int": [({}, 42)],
    "output-iterator-dict": [({}, [{"n": 0}, {"n": 1}, {"n": 2}])],
    "output-iterator-path": [({"count": 2}, PAGES)],
    "output-iterator-str": [({}, ["item 0", "item 1", "item 2"]), ({"count": 1}, ["item 0"]), ({"count": 0}, [])],
    "output-list": [({}, [1, "two", {"three": 3}])],
    "output-list-dict": [({}, [{"n": 0}, {"n": 1}, {"n": 2}])],
    "output-list-path": [({"count": 1}, PAGES[:1]), ({}, [*PAGES, File("page-3.txt", b"page 2")])],
    "output-list-str": [({}, ["item 0", "item 1", "item 2"]), ({"count": 1}, ["item 0"]), ({"count": 0}, [])],
    "output-missing-file": [({}, Fails("nowhere.png"))],
    "output-nan": [({}, Fails("nan"))],
    "output-object": [
        ({}, {"title": "two parts",
              "parts": [{"name": "part 0", "file": File("part.txt", b"content 0")},
                        {"name": "part 1", "file": File("part-2.txt", b"content 1")}],
              "by_name": {"cover": File("cover.txt", b"cover")}}),
    ],
    "output-optional": [({"text": "hi"}, "hi"), ({}, None)],
    "output-path": [({}, File("note.txt", b"one file"))],
    "output-secret": [({}, Match("not the secret", lambda value: "hush" not in value))],
    "output-str": [({}, "text with ü, 漢字 and 🙂")],
    "output-typeddict": [({}, {"label": "cat", "score": 0.75})],
    "plain-class": [({"text": "quiet"}, "QUIET")],
    "pydantic-output": [({}, {"text": "hi", "file": File("note.txt", b"hi"), "note": None})],
    "runner": [({"name": "you"}, "hello you")],
    "secret-echo": [({"secret": "hush-hush"}, Match("not the secret", lambda value: "hush-hush" not in value))],
    "setup-crashes": [({}, Fails("The model's setup failed: its process "))],
    "setup-fails": [({}, Fails("weights.bin is missing"))],
    "setup-logs": [({}, "ready")],
    "setup-slow": [({}, "ready")],
    "sleeper": [({"seconds": 0}, "slept")],
    "state": [({}, {"pid": INTEGER, "count": 1}), ({}, {"pid": INTEGER, "count": 2})],
    "stream-crashes": [({"after": 1}, Fails("code 3"))],
    "stream-fails": [({"after": 1}, Fails("failed after 1 chunks"))],
    "stream-paced": [({"count": 2, "delay": 0}, [MADE, MADE])],
    "trainer": [({"word": "unknown"}, 0)],
    "trainer-class": [({}, "trained by a class")],
}  # fmt: skip
ELSEWHERE = {"import-fails", "setup-hangs", "batched", "hungry", "speaker", "embedder"}
"""They have no answer, or are asked in another way: test_a_push_makes_a_version.py, test_a_failing_model_says_why.py,
test_a_batch_runs_together.py, test_models_share_the_memory.py, test_language_models_answer.py."""


def test_no_model_is_left_out() -> None:
    assert {path.parent.name for path in MODELS.glob("*/cog.yaml")} == EXPECTED.keys() | ELSEWHERE


@pytest.mark.parametrize("name", EXPECTED)
def test_the_model_answers(name: str, api: Any, models: Any) -> None:
    model = models(name)
    for input, expected in EXPECTED[name]:
        prediction = api.create(model.name, input, hold=60)
        if isinstance(expected, Fails):
            assert (prediction["status"], prediction["completed_at"] is not None) == ("failed", True)
            assert expected.error in prediction["error"]
        else:
            assert (prediction["status"], prediction["error"]) == ("succeeded", None)
            compare(prediction["output"], expected, api)


def compare(found: Any, expected: Any, api: Any) -> None:
    if isinstance(expected, File):
        assert re.fullmatch(rf"https://127\.0\.0\.1:\d+/v1/files/\w+/{re.escape(expected.name)}", found)
        content = api.http.get(found).content
        assert content == expected.content or len(content) == expected.content
    elif isinstance(expected, dict) and isinstance(found, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            compare(found[key], value, api)
    elif isinstance(expected, list) and isinstance(found, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            compare(one, other, api)
    else:
        assert found == expected
        assert isinstance(expected, Match) or type(found) is type(expected)
