"""`run` of each official client, held and polled, by every name a model has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import replicate

from hearth.testing.programs import ProgramError

ONE_OF_ITS_KIND = """
from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self, word_that_no_other_model_takes: str) -> str:
        return word_that_no_other_model_takes.upper()
"""
"""`latest` reaches the server without the model's name: the input must tell."""
WORD = {"word_that_no_other_model_takes": "hi"}


@pytest.fixture(scope="module")
def one(models: Any) -> Any:
    return models.write("one-of-its-kind", ONE_OF_ITS_KIND)


def test_python_1_holds_the_request(py1: replicate.Client, models: Any) -> None:
    noop = models("noop")
    assert py1.run(noop.name, input={"text": "by name"}) == "by name"
    assert py1.run(noop.ref, input={"text": "by version"}) == "by version"


def test_python_1_polls(py1: replicate.Client, models: Any) -> None:
    assert py1.run(models("noop").name, input={"text": "polled"}, wait=False) == "polled"
    assert list(py1.run(models("output-iterator-str").ref, wait=False)) == ["item 0", "item 1", "item 2"]


def test_python_1_yields_the_items_of_an_iterator(py1: replicate.Client, models: Any) -> None:
    model = models("output-iterator-str")
    items = py1.run(model.ref, input={"count": 2})
    assert next(items) == "item 0"
    assert list(items) == ["item 1"]
    assert py1.run(model.name, input={"count": 2}) == ["item 0", "item 1"]


async def test_python_1_runs_many_at_once(async_py1: replicate.Client, models: Any) -> None:
    noop = models("noop")
    runs = [async_py1.async_run(noop.name, input={"text": str(n)}) for n in range(10)]
    assert await asyncio.gather(*runs) == [str(n) for n in range(10)]
    assert await async_py1.async_run(noop.ref, input={"text": "by version"}) == "by version"


def test_python_1_knows_latest(py1: replicate.Client, one: Any) -> None:
    assert py1.run(f"{one.name}:latest", input=WORD) == "HI"


def test_python_1_creates_waits_and_reloads(py1: replicate.Client, models: Any) -> None:
    noop = models("noop")
    for created in (
        py1.predictions.create(version=noop.version, input={"text": "bare id"}),
        py1.predictions.create(version=noop.ref, input={"text": "owner/name:id"}),
        py1.predictions.create(version=noop.name, input={"text": "owner/name"}),
        py1.predictions.create(version=f"{noop.name}:latest", input={"text": "owner/name:latest"}),
        py1.models.predictions.create(noop.name, input={"text": "the model's door"}),
    ):
        assert (created.status, created.output) == ("starting", None)
        assert (created.model, created.version) == (noop.name, noop.version)
        created.wait()
        assert (created.status, created.output) == ("succeeded", created.input["text"])
        again = py1.predictions.get(created.id)
        again.reload()
        assert again.output == created.output
        assert again.metrics is not None
        assert again.metrics["total_time"] >= again.metrics["predict_time"] >= 0


def test_python_2_holds_the_request(py2: Any, models: Any) -> None:
    noop = models("noop")
    code = "return [replicate.run(ref, input={'text': ref}) for ref in refs]"
    assert py2(code, refs=[noop.name, noop.ref]) == [noop.name, noop.ref]


def test_python_2_polls(py2: Any, models: Any) -> None:
    code = "return replicate.run(ref, input={'text': 'polled'}, wait=False)"
    assert py2(code, ref=models("noop").ref) == "polled"


def test_python_2_runs_many_at_once(py2: Any, models: Any) -> None:
    code = """
    import asyncio
    async with replicate.AsyncReplicate() as client:
        return await asyncio.gather(*(client.run(ref, input={"text": str(n)}) for n in range(10)))
    """
    assert py2(code, ref=models("noop").name) == [str(n) for n in range(10)]


def test_python_2_knows_latest(py2: Any, one: Any) -> None:
    code = "return [replicate.run(ref, input=word), replicate.use(ref)(**word)]"
    assert py2(code, ref=f"{one.name}:latest", word=WORD) == ["HI", "HI"]


def test_python_2_uses_a_model_as_a_function(py2: Any, models: Any) -> None:
    noop = models("noop")
    assert py2("return replicate.use(ref)(text='hi')", ref=noop.name) == "hi"
    assert py2("return replicate.use(ref)(text='hi')", ref=noop.ref) == "hi"
    code = """
    return await replicate.use(ref, use_async=True)(text='hi')
    """
    assert py2(code, ref=noop.name) == "hi"
    words = py2("return replicate.use(ref)(text='a b c')", ref=models("output-concatenate").name)
    assert words == "a b c"


def test_python_2_creates_and_waits(py2: Any, models: Any) -> None:
    code = """
    client = replicate.Replicate()
    made = client.predictions.create(version=version, input={"text": "hi"})
    ended = client.predictions.wait(made.id)
    return [made.status, made.output, ended.status, ended.output, ended.model, ended.version]
    """
    noop = models("noop")
    for version in (noop.version, noop.ref, noop.name, f"{noop.name}:latest"):
        assert py2(code, version=version) == ["starting", None, "succeeded", "hi", noop.name, noop.version]


def test_node_holds_the_request(js: Any, models: Any) -> None:
    noop = models("noop")
    code = "return await replicate.run(ref, { input: { text: ref } });"
    for ref in (noop.name, noop.ref):
        assert js(code, ref=ref) == ref


def test_node_polls_and_reports_progress(js: Any, models: Any) -> None:
    code = """
    const seen = [];
    const options = { input: { seconds: 0.5 }, wait: { mode: "poll", interval: 50 } };
    const output = await replicate.run(ref, options, (prediction) => seen.push(prediction.status));
    return { output, seen: [...new Set(seen)] };
    """
    answer = js(code, ref=models("sleeper").name)
    assert answer["output"] == "slept"
    assert answer["seen"][0] == "starting"
    assert answer["seen"][-2:] == ["processing", "succeeded"]


def test_node_runs_many_at_once(js: Any, models: Any) -> None:
    code = """
    const runs = [...Array(10).keys()].map((n) => replicate.run(ref, { input: { text: `${n}` } }));
    return await Promise.all(runs);
    """
    assert js(code, ref=models("noop").name) == [str(n) for n in range(10)]


def test_node_knows_latest(js: Any, one: Any) -> None:
    assert js("return await replicate.run(ref, { input });", ref=f"{one.name}:latest", input=WORD) == "HI"


def test_node_creates_and_waits(js: Any, models: Any) -> None:
    code = """
    const made = await replicate.predictions.create({ ...where, input: { text: "hi" } });
    const ended = await replicate.wait(made, { interval: 50 });
    return [made.status, made.output, ended.status, ended.output, ended.version];
    """
    noop = models("noop")
    for where in (
        {"version": noop.version},
        {"version": noop.ref},
        {"version": f"{noop.name}:latest"},
        {"model": noop.name},
        {"model": f"{noop.name}:latest"},
    ):
        assert js(code, where=where) == ["starting", None, "succeeded", "hi", noop.version]


def test_latest_that_fits_several_models_is_refused_by_name(
    py1: replicate.Client, py2: Any, js: Any, models: Any
) -> None:
    first, second = models("noop"), models("async-echo")
    with pytest.raises(replicate.exceptions.ReplicateError) as caught:
        py1.run(f"{first.name}:latest", input={"text": "hi"})
    assert caught.value.status == 422
    for name in (first.name, second.name):
        assert name in (caught.value.detail or "")
    for program, code in (
        (py2, "replicate.run(ref, input={'text': 'hi'})"),
        (js, "await replicate.run(ref, { input: { text: 'hi' } });"),
    ):
        with pytest.raises(ProgramError) as failed:
            program(code, ref=f"{first.name}:latest")
        assert failed.value.status == 422
        assert second.name in failed.value.message
