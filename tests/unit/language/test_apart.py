"""The model's process: what goes to it and comes back, and how the two end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from engine import Card, ModelError, Params, Request, UserError, load
from engine.shape import Shape
from engine.testing import random_gguf

LANGUAGE = Path(__file__).parents[3] / "models" / "language"
CARD = Card(name="test/random")
CALLER = f"""
import asyncio, sys
sys.path.insert(0, {str(LANGUAGE)!r})
from engine import Card, Params, Request, load

async def main():
    engine = load(Card(name="test/random"), {{"MODEL_WEIGHTS": sys.argv[1]}})
    generation = engine.generate(Request(prompt="a", params=Params(seed=1, max_tokens=400, min_tokens=400)))
    async for piece in generation:
        print(engine.source._process.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return random_gguf(tmp_path / "random.gguf", sharpness=2.0)


async def said(engine: object, **asked: object) -> str:
    request = Request(prompt="a", params=Params(seed=3, max_tokens=20, min_tokens=20), **asked)  # type: ignore[arg-type]
    return "".join([piece async for piece in engine.generate(request)])  # type: ignore[attr-defined]


def test_a_text_is_the_same_in_every_event_loop(weights: Path) -> None:
    with closing(load(CARD, {"MODEL_WEIGHTS": str(weights)})) as engine:
        first = asyncio.run(said(engine))
        assert len(first) > 5
        assert asyncio.run(said(engine)) == first


async def test_errors_come_as_they_were_raised(weights: Path, tmp_path: Path) -> None:
    with closing(load(CARD, {"MODEL_WEIGHTS": str(weights)})) as engine:
        with pytest.raises(UserError, match="regex") as raised:
            await said(engine, shape=Shape(regex="(((("))
        assert raised.value.code == "E1000"
        assert await said(engine)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(ModelError, match=r"broken\.gguf"):
        load(CARD, {"MODEL_WEIGHTS": str(broken)})


def test_what_ends_the_model_ends_its_caller_in_the_same_way(weights: Path) -> None:
    caller, model = started(weights)
    os.kill(model, signal.SIGKILL)
    assert caller.wait(30) == -signal.SIGKILL


def test_the_model_ends_with_its_caller(weights: Path) -> None:
    caller, model = started(weights)
    caller.kill()
    caller.wait(30)
    until = time.monotonic() + 30
    while running(model):
        assert time.monotonic() < until
        time.sleep(0.02)


def started(weights: Path) -> tuple[subprocess.Popen[str], int]:
    """A program that generates, and its model's process id."""
    caller = subprocess.Popen([sys.executable, "-c", CALLER, str(weights)], stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    with caller.stdout as lines:
        while not (line := next(lines)).strip().isdigit():
            pass
    return caller, int(line)


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
