"""Which engine runs the weights, and what is said where it can't."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine import loading
from engine.errors import ModelError
from engine.loading import Card, choose, find, load
from engine.testing import random_gguf

CARD = Card(name="meta/llama-2-7b-chat", hub="meta-llama/Llama-2-7b-chat-hf")


def test_missing_weights_say_how_to_get_them() -> None:
    with pytest.raises(ModelError) as said:
        find(CARD, {})
    for way in ("MODEL_STORE", "MODEL_WEIGHTS", "MODEL_DOWNLOADS=1", "hf download meta-llama/Llama-2-7b-chat-hf"):
        assert way in str(said.value)


@pytest.mark.parametrize(("forced", "package"), [("llama_cpp", "xllamacpp"), ("vllm", "vllm")])
def test_an_engine_that_is_not_installed_says_what_to_add(
    forced: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_has", lambda module: False)
    with pytest.raises(ModelError, match=f"no {package}"):
        choose(Path("some.gguf"), forced)


def test_an_engine_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_has", lambda module: True)
    assert choose(Path("some.gguf"), "") == "llama_cpp"
    assert choose(Path("some.gguf"), "numpy") == "numpy"
    with pytest.raises(ModelError, match="numpy, transformers"):
        choose(Path("some.gguf"), "other")


def test_vllm_gets_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_has", lambda module: True)
    monkeypatch.setattr(loading, "_has_gpu", lambda: True)
    assert choose(tmp_path, "") == "vllm"
    assert choose(tmp_path, "", "llava") == choose(tmp_path, "", "seq2seq") == "transformers"
    with pytest.raises(ModelError, match="text alone"):
        choose(tmp_path, "vllm", "llava")


@pytest.mark.parametrize("given", ["0", "-1", "many", "1.5"])
def test_numbers_are_numbers(tmp_path: Path, given: str) -> None:
    path = random_gguf(tmp_path / "random.gguf")
    with pytest.raises(ModelError, match="MODEL_THREADS is"):
        load(Card(name="test/random"), {"MODEL_WEIGHTS": str(path), "MODEL_THREADS": given})
