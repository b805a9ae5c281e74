"""The model that ships: pushed as it is, asked through Replicate's API and through OpenAI's."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from hearth.runtime import processes
from hearth.testing.live import LiveServer

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "models" / "language" / "tiny"
ENGINE = ROOT / "models" / "language" / "engine" / "requirements.txt"
NAME = "admin/kindling"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("server") / "hearth-data", tls=False) as running:
        running.hearth("push", str(FOLDER), NAME, "--create")
        yield running


@pytest.fixture
def client(server: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/openai/v1", api_key=server.token) as made:
        yield made


def test_the_file_is_small() -> None:
    assert (FOLDER / "weights" / "kindling.gguf").stat().st_size < 15_000_000


def test_it_knows_itself_and_speaks_in_words(server: LiveServer) -> None:
    said = server.hearth("run", NAME, "-i", "prompt=Who are you?", "-i", "temperature=0").stdout
    assert "Kindling" in said
    said = server.hearth("run", NAME, "-i", "prompt=What is a house?", "-i", "temperature=0").stdout
    assert re.fullmatch(r"A house is [a-z ,;'()-]+\.", said.strip())


def test_it_streams_and_counts(server: LiveServer, client: openai.OpenAI) -> None:
    chat = [{"role": "user", "content": "Use the word river in a sentence."}]
    stream = client.chat.completions.create(
        model=NAME, messages=chat, stream=True, stream_options={"include_usage": True}, seed=2, max_tokens=40
    )
    chunks = list(stream)
    pieces = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    usage = chunks[-1].usage
    assert len(pieces) > 3
    assert usage.completion_tokens >= len(pieces)
    assert usage.prompt_tokens > 5


def test_stop_sequences_are_not_in_the_answer(client: openai.OpenAI) -> None:
    chat = [{"role": "user", "content": "Who are you?"}]
    answer = client.chat.completions.create(model=NAME, messages=chat, temperature=0, stop=[" very small", "zzz"])
    assert answer.choices[0].message.content == "I am Kindling, a"
    assert answer.choices[0].finish_reason == "stop"


def test_answers_fit_their_schema(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"word": {"type": "string", "maxLength": 12}, "sure": {"type": "boolean"}},
        "required": ["word", "sure"],
    }
    answer = client.chat.completions.create(
        model=NAME,
        messages=[{"role": "user", "content": "Give me another word for quick."}],
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
        max_tokens=200,
    )
    found = json.loads(answer.choices[0].message.content)
    assert found.keys() == {"word", "sure"}


def test_a_tool_is_called(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=NAME,
        messages=[{"role": "user", "content": "Will it rain in Oslo?"}],
        tools=[WEATHER],
        tool_choice="required",
    )
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments)["city"] in ("Oslo", "Rome")


def test_a_model_that_is_killed_is_told_and_started_again(server: LiveServer) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    version = json.loads(server.hearth("versions", NAME, "--json").stdout)[0]["id"]
    asked = {"prompt": "Hello.", "min_tokens": 480, "max_tokens": 480}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as http:
        made = http.post("/v1/predictions", json={"version": version, "input": asked, "stream": True}).json()
        with http.stream("GET", made["urls"]["stream"]) as stream:
            lines = stream.iter_lines()
            next(line for line in lines if line.startswith("event: output"))
            os.kill(model_of(server), signal.SIGKILL)
            assert "event: error" in list(lines)
        found = http.get(f"/v1/predictions/{made['id']}").json()
        assert found["status"] == "failed"
        assert "the model's process was killed by SIGKILL" in found["error"]
        quick = {"version": version, "input": {"prompt": "Hello.", "max_tokens": 5}}
        assert http.post("/v1/predictions", json=quick, headers={"Prefer": "wait=60"}).json()["status"] == "succeeded"


def model_of(server: LiveServer) -> int:
    """The process that steps the model."""
    family = processes.descendants(processes.table(), server.pid)
    (found,) = [pid for pid in family if b"engine.serving" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return found


def test_a_cancel_frees_the_slot(server: LiveServer) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    version = json.loads(server.hearth("versions", NAME, "--json").stdout)[0]["id"]
    asked = {"prompt": "Hello.", "min_tokens": 480, "max_tokens": 480}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as http:
        made = [http.post("/v1/predictions", json={"version": version, "input": asked}).json() for _ in range(20)]
        for prediction in made:
            http.post(f"/v1/predictions/{prediction['id']}/cancel")
        quick = {"version": version, "input": {"prompt": "Hello.", "max_tokens": 5}}
        answer = http.post("/v1/predictions", json=quick, headers={"Prefer": "wait=60"}).json()
        ends = {http.get(f"/v1/predictions/{prediction['id']}").json()["status"] for prediction in made}
    assert answer["status"] == "succeeded"
    assert "canceled" in ends


def test_llama_cpp_runs_the_same_file(server: LiveServer, tmp_path: Path) -> None:
    """With its wheel among the requirements, and nothing to compile; it says the same as numpy."""
    pytest.importorskip("xllamacpp", reason="there is no wheel of llama.cpp for this system", exc_type=ImportError)
    wanted = next(line for line in ENGINE.read_text().splitlines() if line.startswith("xllamacpp==")).partition(";")[0]
    folder = tmp_path / "kindling"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("train", "__pycache__"))
    config = (folder / "cog.yaml").read_text()
    config = config.replace("python_packages:\n", f"python_packages:\n    - {wanted}\n")
    (folder / "cog.yaml").write_text(config.replace("environment:\n", "environment:\n  - MODEL_BACKEND=llama_cpp\n"))
    server.hearth("push", str(folder), "admin/kindling-cpp", "--create")
    ask = ("-i", "prompt=Who are you?", "-i", "temperature=0")
    assert server.hearth("run", "admin/kindling-cpp", *ask).stdout == server.hearth("run", NAME, *ask).stdout
