"""Text and files reach each client one by one, while the model still runs."""

from __future__ import annotations

from typing import Any

import pytest
import replicate

from hearth.testing.programs import ProgramError

WORDS = "one two  three\nfour ü 漢字 🙂"


def test_python_1_streams_text(py1: replicate.Client, models: Any) -> None:
    for ref in (models("output-concatenate").name, models("output-concatenate").ref):
        events = list(py1.stream(ref, input={"text": "one two three"}))
        assert [e.data for e in events if e.event.value == "output"] == ["one", " two", " three"]
        assert events[-1].event.value == "done"
        assert "".join(map(str, events)) == "one two three"
        assert len({e.id for e in events}) == len(events)


PATIENT = """
import os, time
from cog import BaseRunner, ConcatenateIterator


class Predictor(BaseRunner):
    def run(self, seen: str) -> ConcatenateIterator[str]:
        for number in range(10):
            yield str(number)
            deadline = time.monotonic() + 60
            while not os.path.exists(f"{seen}-{number}"):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"nobody has seen chunk {number}")
                time.sleep(0.005)
"""
"""Makes a chunk only once the one before has been seen."""


def test_python_1_gets_each_chunk_when_it_is_made(py1: replicate.Client, models: Any, tmp_path: Any) -> None:
    seen = []
    for event in py1.stream(models.write("patient", PATIENT).name, input={"seen": str(tmp_path / "seen")}):
        if event.event.value == "output":
            seen.append(event.data)
            tmp_path.joinpath(f"seen-{event.data}").touch()
    assert seen == [str(number) for number in range(10)]


async def test_python_1_streams_text_to_many(async_py1: replicate.Client, models: Any) -> None:
    stream = await async_py1.async_stream(models("async-stream").name, input={"count": 4, "delay": 0.01})
    events = [event async for event in stream]
    assert "".join(map(str, events)) == "chunk 0 chunk 1 chunk 2 chunk 3 "


def test_python_2_streams_text(py2: Any, models: Any) -> None:
    code = """
    parts = list(replicate.use(ref, streaming=True)(text="one two three"))
    return parts
    """
    assert "".join(py2(code, ref=models("output-concatenate").name)) == "one two three"
    code = """
    model = replicate.use(ref, streaming=True, use_async=True)
    return [part async for part in await model(count=3, delay=0.01)]
    """
    assert "".join(py2(code, ref=models("async-stream").name)) == "chunk 0 chunk 1 chunk 2 "


def test_node_streams_text(js: Any, models: Any) -> None:
    code = """
    const events = [];
    for await (const event of replicate.stream(ref, { input })) events.push([event.event, event.data, `${event}`]);
    return events;
    """
    for ref in (models("output-concatenate").name, models("output-concatenate").ref):
        events = js(code, ref=ref, input={"text": "one two three"})
        assert events == [
            ["output", "one", "one"],
            ["output", " two", " two"],
            ["output", " three", " three"],
            ["done", "{}", ""],
        ]


def test_every_character_survives(py1: replicate.Client, js: Any, models: Any) -> None:
    ref = models("output-concatenate").name
    expected = " ".join(WORDS.split())
    text = "".join(str(event) for event in py1.stream(ref, input={"text": WORDS}))
    code = """
    let text = "";
    for await (const event of replicate.stream(ref, { input: { text: words } })) text += event;
    return text;
    """
    assert [text, js(code, ref=ref, words=WORDS)] == [expected, expected]


LINES = """
from cog import BaseRunner, ConcatenateIterator


class Predictor(BaseRunner):
    def run(self) -> ConcatenateIterator[str]:
        yield from ("a line\\n", "\\n", "two\\n\\nmore", " and a space ", "event: done\\ndata: {}\\n\\n", "")
"""


def test_line_ends_inside_a_chunk_survive(py1: replicate.Client, js: Any, models: Any) -> None:
    ref = models.write("lines", LINES).name
    expected = "a line\n\ntwo\n\nmore and a space event: done\ndata: {}\n\n"
    code = """
    let text = "";
    for await (const event of replicate.stream(ref, { input: {} })) text += event;
    return text;
    """
    assert "".join(str(event) for event in py1.stream(ref, input={})) == expected
    assert js(code, ref=ref) == expected


def test_ten_thousand_chunks_arrive_in_order(py1: replicate.Client, models: Any) -> None:
    events = py1.stream(models("many-chunks").name, input={"count": 10_000})
    assert "".join(map(str, events)).split() == [str(n) for n in range(10_000)]


@pytest.mark.parametrize("model", ["output-iterator-path", "async-iterator-path"])
def test_files_stream_as_file_objects(model: str, py1: replicate.Client, js: Any, models: Any) -> None:
    ref = models(model).name
    events = [event for event in py1.stream(ref, input={"count": 2}) if event.event.value == "output"]
    assert [event.data.read() for event in events] == [b"page 0", b"page 1"]
    code = """
    const texts = [];
    for await (const { event, data } of replicate.stream(ref, { input: { count: 2 } }))
      if (event === "output") texts.push([await (await data.blob()).text(), data.url().href]);
    return texts;
    """
    pages = js(code, ref=ref)
    assert [text for text, _ in pages] == ["page 0", "page 1"]
    assert [url.rpartition("/")[2] for _, url in pages] == ["page.txt", "page-2.txt"]


def test_python_2_reads_files_as_they_are_made(py2: Any, models: Any) -> None:
    code = """
    return [open(path).read() for path in replicate.use(ref, streaming=True)(count=2)]
    """
    assert py2(code, ref=models("output-iterator-path").name) == ["page 0", "page 1"]


def test_a_model_without_an_iterator_streams_its_whole_output(py1: replicate.Client, js: Any, models: Any) -> None:
    [output, done] = py1.stream(models("output-path").name, input={"text": "whole"})
    assert output.data.read() == b"whole"
    assert done.data == "{}"


def test_a_stream_that_fails_says_so(api: Any, py1: replicate.Client, js: Any, models: Any) -> None:
    model = models("stream-fails")
    with pytest.raises(RuntimeError, match="failed after 2 chunks"):
        list(py1.stream(model.name, input={"after": 2}))
    with pytest.raises(ProgramError, match="failed after 2 chunks"):
        js("for await (const event of replicate.stream(ref, { input: { after: 2 } }));", ref=model.name)
    prediction = api.run(model.name, {"after": 2})
    events = list(api.events(prediction["urls"]["stream"]))
    assert [e.name for e in events] == ["output", "output", "error", "done"]
    assert events[-2].data == '{"detail":"RuntimeError: failed after 2 chunks"}'
    assert events[-1].data == '{"reason":"error"}'
    assert (prediction["status"], prediction["output"]) == ("failed", ["chunk 0 ", "chunk 1 "])


def test_a_cancelled_stream_ends(api: Any, models: Any) -> None:
    created = api.create(models("stream-paced").name, {"count": 600, "delay": 0.05})
    events = api.events(created["urls"]["stream"])
    assert next(events).name == "output"
    api.cancel(created["id"])
    last = list(events)[-1]
    assert (last.name, last.data) == ("done", '{"reason":"canceled"}')
    prediction = api.ended(created["id"])
    assert prediction["status"] == "canceled"


def test_output_grows_while_a_prediction_is_read(api: Any, models: Any) -> None:
    created = api.create(models("stream-paced").name, {"count": 100, "delay": 0.03})
    api.until(created["id"], "output")
    seen: list[str] = []
    while True:
        prediction = api.get(created["id"])
        output = prediction["output"]
        assert output[: len(seen)] == seen
        seen = output
        if prediction["status"] != "processing":
            break
        assert output
    assert len(seen) == 100
