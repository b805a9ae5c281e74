"""A model that takes lists: callers send one entry and get one, and those who wait together run together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

PAPER = "data:text/plain;base64,SSBzYXkg"
"""`I say `"""


def texts(api: Any, model: str, words: list[str]) -> list[Any]:
    with ThreadPoolExecutor(len(words)) as pool:
        made = list(pool.map(lambda word: api.create(model, {"text": word, "image": PAPER}), words))
    return [api.ended(prediction["id"]) for prediction in made]


def test_each_gets_its_own_entry(api: Any, models: Any) -> None:
    model = models("batched")
    schemas = api.call("GET", f"models/{model.name}/versions/{model.version}")["openapi_schema"]["components"][
        "schemas"
    ]
    assert schemas["Input"]["properties"]["text"]["type"] == "string"
    assert schemas["Output"] == {"title": "Output", "type": "string", "format": "uri"}

    words = ["one", "two", "bad", "four", "five", "six", "seven", "eight"]
    ended = texts(api, model.name, words)  # they wait for the first instance, so they are there together
    for word, prediction in zip(words, ended, strict=True):
        assert prediction["logs"] == f"{prediction['metrics']['batch_size']} together\n"
        if word == "bad":
            assert (prediction["status"], prediction["error"]) == ("failed", "that is not a word")
        else:
            assert api.http.get(prediction["output"]).text == f"I say {word}"
    assert max(p["metrics"]["batch_size"] for p in ended) > 1
    assert max(p["metrics"]["batch_size"] for p in ended) <= 4
    assert api.instance(model.name, lambda i: i["batch_size"] is not None)["batch_size"] > 1
    assert "hearth_batch_size_count" in api.http.get(f"{api.server.url}/metrics").text


def test_an_error_of_the_model_is_everybodys(api: Any, models: Any) -> None:
    ended = texts(api, models("batched").name, ["worse"])
    assert (ended[0]["status"], ended[0]["error"]) == ("failed", "ValueError: nothing works any more")


def test_a_list_is_refused_with_the_type_that_is_wanted(api: Any, models: Any) -> None:
    body = {"version": models("batched").name, "input": {"text": ["one", "two"], "image": PAPER}}
    answer: httpx.Response = api.http.post("predictions", json=body)
    assert answer.status_code == 422
    assert "text" in answer.json()["detail"]
