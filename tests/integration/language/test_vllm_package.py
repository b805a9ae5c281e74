"""vLLM itself, under Hearth: a package that is pushed with it, on tiny random weights.

PyPI has a build of vLLM for processors; the packages' own requirements name the one for GPUs. As with torch, this takes
minutes and has to be asked for.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from hearth.runtime import processes
from hearth.testing.live import LiveServer

from .test_torch_packages import HERE, LANGUAGE, PATIENCE, Place
from .test_torch_packages import pytestmark as needs_torch

MODEL = "meta/meta-llama-3-8b-instruct"
COG = """
build:
  python_version: "3.11"
  python_requirements: requirements.txt
  run:  # PyPI's are for GPUs, and transformers would import them
    - uv pip uninstall torchvision torchaudio torchcodec || pip uninstall -y torchvision torchaudio torchcodec
environment:
  - MODEL_BACKEND=vllm
  - VLLM_CPU_KVCACHE_SPACE=1
concurrency:
  max: 16
run: "predict.py:Predictor"
"""
pytestmark = needs_torch


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, store = tmp_path_factory.mktemp("push") / "model", tmp_path_factory.mktemp("store")
    shutil.copytree(LANGUAGE / "meta-llama-3-8b-instruct", folder, ignore=shutil.ignore_patterns("__pycache__"))
    wanted = (folder / "engine" / "requirements-vllm.txt").read_text()
    # Who names torch gets it from the folder of CPU wheels.
    (folder / "requirements.txt").write_text(wanted.replace("vllm==", "torch==2.13.0\nvllm-cpu=="))
    (folder / "cog.yaml").write_text(COG)
    variables = {"HEARTH_MODEL_ENVIRONMENT": json.dumps({"MODEL_STORE": str(store)})}
    with LiveServer(tmp_path_factory.mktemp("server") / "hearth-data", tls=False, variables=variables) as server:
        server.hearth("account", "create", "meta", "--organization")
        server.hearth("push", str(folder), MODEL, "--create", "--public", timeout=PATIENCE)
        made = Place(server, store)
        (store / MODEL).parent.mkdir()
        subprocess.run([made.python, HERE / "tiny.py", "llama", store / MODEL], check=True)
        yield made


def test_it_answers_and_a_seed_says_the_same_again(place: Place) -> None:
    first, second = (place.predict(MODEL, prompt="Say it.", max_tokens=20, min_tokens=20, seed=3) for _ in range(2))
    assert first["status"] == "succeeded", first["error"]
    assert "".join(first["output"]) == "".join(second["output"])
    assert first["metrics"]["output_token_count"] == 20
    assert first["metrics"]["finish_reason"] == "length"


def test_many_at_a_time_share_it(place: Place) -> None:
    def ask(n: int) -> dict[str, Any]:
        return place.predict(MODEL, prompt=f"Number {n}?", max_tokens=60, min_tokens=60, seed=n)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert {prediction["status"] for prediction in found} == {"succeeded"}, [p["error"] for p in found]
    assert {prediction["metrics"]["output_token_count"] for prediction in found} == {60}


def test_it_streams_and_stops_at_openai_s_door(place: Place) -> None:
    with openai.OpenAI(base_url=f"{place.server.url}/openai/v1", api_key=place.server.token) as ai:
        said: Any = {"model": MODEL, "prompt": "Go on.", "temperature": 0, "max_tokens": 40, "stream": True}
        chunks = list(ai.completions.create(**said, stream_options={"include_usage": True}))
        texts = [choice.text for chunk in chunks for choice in chunk.choices if choice.text]
        assert len(texts) > 3
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens <= 40
        whole = "".join(texts)
        stop = whole[8:10]
        cut = "".join(choice.text for chunk in ai.completions.create(**said, stop=[stop]) for choice in chunk.choices)
        assert cut == whole[: whole.index(stop)]


@pytest.mark.parametrize(
    "shape",
    [
        {"jsonschema": json.dumps({"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]})},
        {"regex": "[ab]{3}-[0-9]{2}"},
        {"choices": '["yes", "no"]'},
        {"grammar": 'root ::= "x" ("a" | "b") "y"'},
    ],
    ids=lambda shape: next(iter(shape)),
)
def test_what_it_says_has_the_shape(place: Place, shape: dict[str, str]) -> None:
    done = place.predict(MODEL, prompt="Say it.", max_tokens=60, seed=1, **shape)
    assert done["status"] == "succeeded", done["error"]
    assert "".join(done["output"]) in {'{"a":1}', '{"a":2}', "aaa-00", "yes", "no", "xay", "xby"} or "regex" in shape
    assert done["metrics"]["finish_reason"] == "stop"


def test_what_makes_no_sense_is_the_caller_s_error(place: Place) -> None:
    done = place.predict(MODEL, prompt="Say it.", regex="(")
    assert done["status"] == "failed"
    assert "E1000 InvalidInput: regex" in done["error"]
    done = place.predict(MODEL, prompt="x" * 300)
    assert "E1002" in done["error"]


def test_a_cancel_frees_its_place(place: Place) -> None:
    headers = {"Authorization": f"Bearer {place.server.token}"}
    asked = {"input": {"prompt": "Go on.", "max_tokens": 200, "min_tokens": 200}, "stream": True}
    with httpx.Client(base_url=place.server.url, headers=headers, timeout=60) as http:
        made = [http.post(f"/v1/models/{MODEL}/predictions", json=asked).json() for _ in range(3)]
        for prediction in made[:2]:
            http.post(f"/v1/predictions/{prediction['id']}/cancel")
        ends = {"succeeded", "failed", "canceled"}
        deadline = time.monotonic() + 60
        while (states := [http.get(f"/v1/predictions/{p['id']}").json() for p in made]) and not all(
            state["status"] in ends for state in states
        ):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert states[2]["status"] == "succeeded"
    assert {state["status"] for state in states[:2]} <= {"canceled", "succeeded"}


def test_an_engine_that_dies_takes_its_instance_along(place: Place) -> None:
    """The run that finds it dead has delivered nothing, and runs again on the next one."""
    table = processes.table()
    engines = [
        pid
        for pid in processes.descendants(table, place.server.pid)
        if "EngineCor" in Path(f"/proc/{pid}/comm").read_text()
    ]
    assert engines
    for pid in engines:
        os.kill(pid, signal.SIGKILL)
    done = place.predict(MODEL, prompt="Still there?", max_tokens=8)
    assert done["status"] == "succeeded", done["error"]
