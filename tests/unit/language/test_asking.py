"""From a package's inputs to a request, and from a card to weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from engine import Card, ModelError, UserError, load, loading
from engine.asking import request_of, stops_of
from engine.loading import choose, find
from engine.testing import random_gguf

A, B = ("max_new_tokens", 128), ("max_tokens", 512)


@pytest.mark.parametrize(
    ("limit", "inputs", "most", "fewest"),
    [
        (A, {"max_new_tokens": 128, "min_new_tokens": -1}, 128, -1),
        (A, {"max_new_tokens": 128, "max_tokens": 7, "min_new_tokens": -1, "min_tokens": 3}, 7, 3),
        (A, {"max_new_tokens": 7, "max_tokens": 7}, 7, -1),
        (B, {"max_tokens": 512, "max_new_tokens": 9, "min_tokens": 0, "min_new_tokens": 2}, 9, 2),
        (B, {"max_tokens": 5, "max_new_tokens": None}, 5, 0),
        (("max_length", 50), {"max_length": 20}, 20, 0),
    ],
)
def test_limits_have_two_names(limit: tuple[str, int], inputs: dict[str, Any], most: int, fewest: int) -> None:
    params = request_of(inputs, limit).params
    assert (params.max_tokens, params.min_tokens) == (most, fewest)


@pytest.mark.parametrize(
    ("inputs", "code"),
    [({"max_tokens": 5, "max_new_tokens": 6}, "E1102"), ({"min_tokens": 5, "min_new_tokens": 6}, "E1101")],
)
def test_two_different_limits_are_refused(inputs: dict[str, Any], code: str) -> None:
    with pytest.raises(UserError, match=code):
        request_of(inputs, B)


@pytest.mark.parametrize(
    ("text", "stops"),
    [
        (None, ()),
        ("", ()),
        ("</s>,END", ("</s>", "END")),
        ('["a, b", "\\n"]', ("a, b", "\n")),
        ("[INST],[/INST]", ("[INST]", "[/INST]")),
        (" a,,b", (" a", "b")),
    ],
)
def test_stop_sequences(text: str | None, stops: tuple[str, ...]) -> None:
    assert stops_of(text) == stops


def test_both_names_of_stop_sequences_count() -> None:
    assert request_of({"stop_sequences": "a", "stop": '["b"]'}, B).params.stop == ("a", "b")


def test_without_a_seed_each_request_has_its_own() -> None:
    assert request_of({}, B).params.seed != request_of({}, B).params.seed
    assert request_of({"seed": 0}, B).params.seed == 0


@pytest.mark.parametrize(
    "inputs",
    [{"choices": "yes,no"}, {"choices": "[]"}, {"choices": "[1]"}, {"tools": "{}"}, {"replicate_weights": "https://x"}],
)
def test_inputs_that_cannot_be_are_refused(inputs: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(inputs))):
        request_of(inputs, B)


def test_weights_are_found_in_order(tmp_path: Path) -> None:
    card = Card(name="meta/llama", hub="hub/Llama")
    store = tmp_path / "store"
    (store / "hub").mkdir(parents=True)
    by_hub = random_gguf(store / "hub" / "Llama.gguf")
    assert find(card, {"MODEL_STORE": str(store)}) == by_hub
    (store / "meta" / "llama").mkdir(parents=True)
    by_name = random_gguf(store / "meta" / "llama" / "weights.gguf")
    assert find(card, {"MODEL_STORE": str(store)}) == by_name
    other = random_gguf(tmp_path / "other.gguf")
    assert find(card, {"MODEL_STORE": str(store), "MODEL_WEIGHTS": str(other)}) == other


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"MODEL_STORE=.*MODEL_DOWNLOADS=1, and hub/Llama"):
        load(Card(name="meta/llama", hub="hub/Llama"), {})
    with pytest.raises(ModelError, match="which is not there"):
        load(Card(name="meta/llama"), {"MODEL_WEIGHTS": str(tmp_path / "none")})
    with pytest.raises(ModelError, match="holds no weights"):
        load(Card(name="meta/llama"), {"MODEL_WEIGHTS": str(tmp_path)})


def test_random_weights_are_loud(capsys: pytest.CaptureFixture[str]) -> None:
    load(Card(name="meta/llama"), {"MODEL_RANDOM": "1", "MODEL_BACKEND": "numpy"}).close()
    assert "RANDOM WEIGHTS" in capsys.readouterr().out


def test_a_backend_can_be_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_has", lambda module: module == "torch")
    assert choose(tmp_path / "m.gguf", "transformers") == "transformers"
    assert choose(tmp_path, "") == "transformers"
    with pytest.raises(ModelError, match="use one of numpy"):
        choose(tmp_path, "magic")
