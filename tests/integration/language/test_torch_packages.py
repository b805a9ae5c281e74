"""Flan-T5 and LLaVA as they are pushed for real: with their own requirements, through Hearth, on tiny random weights.

Their environment has torch. Without a GPU it comes from the folder of CPU wheels that PIP_FIND_LINKS names; where there
is no such folder it would be gigabytes of CUDA, and these tests skip. They take minutes, so they have to be asked for.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from struct import pack
from typing import Any

import httpx
import openai
import pytest

from hearth.testing.live import LiveServer

HERE = Path(__file__).parent
LANGUAGE = HERE.parents[2] / "models" / "language"
T5, LLAVA = "replicate/flan-t5-xl", "yorickvp/llava-13b"
PATIENCE = 900.0
"""Seconds for an environment with torch to be built, on a busy machine."""


def has_wheel() -> bool:
    """Whether a build of torch for processors lies on the disk, in the version that the packages ask for."""
    lines = (LANGUAGE / "engine" / "requirements.txt").read_text().splitlines()
    version = next(line.removeprefix("torch==") for line in lines if line.startswith("torch=="))
    folders = os.environ.get("PIP_FIND_LINKS", "").split()
    return any([*Path(folder).glob(f"torch-{version}+cpu-cp311-*.whl")] for folder in folders)


pytestmark = [
    pytest.mark.timeout(2 * PATIENCE),
    pytest.mark.skipif("HEARTH_TEST_TORCH" not in os.environ, reason="minutes: HEARTH_TEST_TORCH=1 runs them"),
    pytest.mark.skipif(not has_wheel(), reason="PIP_FIND_LINKS names no folder with the packages' torch for CPUs"),
]


class Place:
    """A server with both packages, and the folder where it looks for weights."""

    def __init__(self, server: LiveServer, store: Path) -> None:
        self.server, self.store = server, store

    @property
    def python(self) -> Path:
        """That of the packages' environment."""
        (found,) = (self.server.data / "environments" / "envs").glob("*/bin/python")
        return found

    def predict(self, model: str, **inputs: Any) -> dict[str, Any]:
        """A prediction that has ended."""
        headers = {"Authorization": f"Bearer {self.server.token}", "Prefer": "wait=60"}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=70) as http:
            answer = http.post(f"/v1/models/{model}/predictions", json={"input": inputs})
            assert answer.status_code in (201, 202), answer.text
            found: dict[str, Any] = answer.json()
            while found["status"] not in ("succeeded", "failed", "canceled"):
                time.sleep(0.5)
                found = http.get(f"/v1/predictions/{found['id']}").json()
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    store = tmp_path_factory.mktemp("store")
    variables = {
        "HEARTH_MODEL_ENVIRONMENT": json.dumps({"MODEL_STORE": str(store)}),
        "CUDA_VISIBLE_DEVICES": "",  # also where there is a GPU: what is on the disk is for processors
    }
    with LiveServer(tmp_path_factory.mktemp("server") / "hearth-data", tls=False, variables=variables) as server:
        for model in (T5, LLAVA):
            owner, name = model.split("/")
            server.hearth("account", "create", owner, "--organization")
            server.hearth("push", str(LANGUAGE / name), model, "--create", "--public", timeout=PATIENCE)
        made = Place(server, store)
        for kind, model in (("t5", T5), ("llava", LLAVA)):
            (store / model).parent.mkdir()
            subprocess.run([made.python, HERE / "tiny.py", kind, store / model], check=True)
        yield made


@pytest.fixture
def ai(place: Place) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{place.server.url}/openai/v1", api_key=place.server.token) as made:
        yield made


def picture(colour: tuple[int, int, int]) -> str:
    """A PNG of one colour, as a data URI."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(colour) * 64 for _ in range(48))
    parts = chunk(b"IHDR", pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0)), chunk(b"IDAT", zlib.compress(rows))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def test_both_share_an_environment_with_torch_for_the_processor(place: Place) -> None:
    said = subprocess.run(
        [place.python, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip().endswith("+cpu")


def test_flan_t5_answers(place: Place) -> None:
    asked = {"prompt": "Translate to German: Good morning.", "max_length": 12, "temperature": 0.01}
    first, second = place.predict(T5, **asked), place.predict(T5, **asked)
    assert first["status"] == "succeeded", first["error"]
    assert first["output"]
    assert "".join(first["output"]) == "".join(second["output"])
    assert first["metrics"]["input_token_count"] > 20
    assert 0 < first["metrics"]["output_token_count"] <= 12
    assert first["metrics"]["finish_reason"] in ("stop", "length")


def test_flan_t5_streams(place: Place, ai: openai.OpenAI) -> None:
    stream = ai.completions.create(
        model=T5, prompt="Say it.", max_tokens=10, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = stream
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] in ("stop", "length")
    assert last.usage is not None
    assert last.usage.prompt_tokens > 5


def test_llava_sees_the_picture(place: Place) -> None:
    asked = {"prompt": "What is this?", "max_tokens": 16, "temperature": 0}
    red, again, blue = (
        place.predict(LLAVA, image=picture(colour), **asked) for colour in ((255, 0, 0), (255, 0, 0), (0, 0, 255))
    )
    assert red["status"] == blue["status"] == "succeeded", red["error"]
    assert "".join(red["output"]) == "".join(again["output"])
    assert red["metrics"]["output_token_count"] > 0


def test_llava_answers_many_at_a_time(place: Place) -> None:
    def ask(n: int) -> dict[str, Any]:
        return place.predict(LLAVA, image=picture((n, 0, 0)), prompt=f"Number {n}?", max_tokens=24, seed=n)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(ask, range(6)))
    assert {prediction["status"] for prediction in found} == {"succeeded"}, [p["error"] for p in found]


def test_llava_answers_at_openai_s_door(place: Place, ai: openai.OpenAI) -> None:
    parts: list[Any] = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": picture((0, 255, 0))}},
    ]
    stream = ai.chat.completions.create(
        model=LLAVA, messages=[{"role": "user", "content": parts}], max_tokens=8, stream=True
    )
    assert [chunk.choices[0].finish_reason for chunk in stream][-1] in ("stop", "length")
    forced = ai.chat.completions.create(
        model=LLAVA, messages=[{"role": "user", "content": parts}], extra_body={"regex": "(red|green)"}
    )
    assert forced.choices[0].message.content in ("red", "green")


def test_a_prompt_may_speak_of_pictures(place: Place) -> None:
    done = place.predict(LLAVA, image=picture((1, 2, 3)), prompt="What does <image> mean?", max_tokens=4)
    assert done["status"] == "succeeded", done["error"]


def test_what_is_no_picture_is_refused(place: Place) -> None:
    done = place.predict(LLAVA, image="data:text/plain;base64,aGVsbG8=", prompt="What is this?", max_tokens=4)
    assert done["status"] == "failed"
    assert "not a picture" in done["error"]
