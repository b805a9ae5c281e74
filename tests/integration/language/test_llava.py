"""LLaVA on transformers, tiny and random: the picture is seen where the prompt says so."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine import Card, Params, Request, load
from engine.errors import UserError

from .tiny import IMAGE, PATCHES, llava

pytest.importorskip("torch", reason="torch is not installed: it is 800 MB")
pytest.importorskip("transformers")
pictures = pytest.importorskip("PIL.Image")
Llava: Any = importlib.import_module("engine.backends.transformers").Llava


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llava(tmp_path_factory.mktemp("llava"))


def picture(folder: Path, colour: str) -> Path:
    path = folder / f"{colour}.png"
    pictures.new("RGB", (80, 60), colour).save(path)
    return path


def test_a_picture_takes_the_place_of_its_token_and_is_seen(path: Path, tmp_path: Path) -> None:
    backend = Llava(path, slots=2, threads=1)
    scores = []
    for colour in ("red", "blue", "red"):
        state, tokens = backend.start([5, IMAGE, 6], 64, picture(tmp_path, colour))
        assert tokens == [5, *[IMAGE] * PATCHES, 6]
        scores.append(backend.feed([(state, tokens)])[0])
        assert state.length == PATCHES + 2
    assert np.allclose(scores[0], scores[2])
    assert not np.allclose(scores[0], scores[1])


def test_a_prompt_that_names_the_token_has_still_one_picture(path: Path, tmp_path: Path) -> None:
    backend = Llava(path, slots=1, threads=1)
    state, tokens = backend.start([5, IMAGE, 6, IMAGE, 7], 64, picture(tmp_path, "red"))
    assert tokens == [5, *[IMAGE] * PATCHES, 6, 7]
    assert backend.feed([(state, tokens)]).shape[0] == 1


async def test_a_question_is_answered(path: Path, tmp_path: Path) -> None:
    engine = load(Card(name="a/llava", kind="llava", template="<image>\n{prompt}"), {"MODEL_WEIGHTS": str(path)})
    try:
        params = Params(seed=1, max_tokens=5, min_tokens=5)
        asked = Request(prompt="What is it?", params=params, image=picture(tmp_path, "red"))
        generation = engine.generate(asked)
        _ = [piece async for piece in generation]
        assert generation.tokens == 5
    finally:
        engine.close()


async def test_what_is_no_picture_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    engine = load(Card(name="a/llava", kind="llava", template="<image>\n{prompt}"), {"MODEL_WEIGHTS": str(path)})
    try:
        generation = engine.generate(Request(prompt="?", params=Params(seed=1), image=tmp_path / "text.png"))
        with pytest.raises(UserError, match="image"):
            _ = [piece async for piece in generation]
    finally:
        engine.close()
