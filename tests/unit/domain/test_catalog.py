"""Words that are alike, hardware by its names, covers."""

from __future__ import annotations

from typing import Any

import pytest

from hearth.domain.hardware import CPU, Device, Hardware, offered, priced
from hearth.domain.model import Model, cover
from hearth.domain.prediction import Prediction
from hearth.domain.search import ALIKE, MAX_WORDS, likeness, trigrams, words

GB = 1024**3


def test_words_are_lower_case_and_without_marks() -> None:
    assert words("Nano-Banana, nano_banana/2 \x00 Été") == ["nano", "banana", "2", "été"]
    assert words("  !? ") == []
    assert len(words(" ".join(f"w{n}" for n in range(99)))) == MAX_WORDS


def test_trigrams_stay_within_words() -> None:
    assert trigrams(["abcd", "ab", "bcd"]) == ["abc", "bcd"]


@pytest.mark.parametrize(
    ("wanted", "text"), [("whispr", "openai/whisper"), ("banena", "Nano Banana!"), ("flix", "flix")]
)
def test_what_is_spelled_wrong_is_alike(wanted: str, text: str) -> None:
    assert likeness([wanted], text) >= ALIKE


def test_every_word_needs_a_like_one() -> None:
    assert likeness(["whisper", "zebra"], "whisper large") == 0.0
    assert likeness([], "whisper") == 0.0
    assert likeness(["whisper"], "") == 0.0
    assert likeness(["whisper"], "whisper") == 1.0 > likeness(["whispr"], "whisper")


def test_known_accelerators_have_the_names_they_have_elsewhere() -> None:
    devices = [Device(name="NVIDIA H100 80GB HBM3", memory=80 * GB)] * 3 + [
        Device(name="NVIDIA A100-SXM4-80GB", memory=80 * GB),
        Device(name="Tesla T4", memory=16 * GB),
        Device(name="NVIDIA L40S", memory=48 * GB),
    ]
    assert [(h.sku, h.name) for h in offered(devices)] == [
        ("cpu", "CPU"),
        ("cpu-small", "CPU (Small)"),
        ("gpu-a100-large", "Nvidia A100 (80GB) GPU"),
        ("gpu-h100", "Nvidia H100 GPU"),
        ("gpu-h100-2x", "2x Nvidia H100 GPU"),
        ("gpu-l40s", "Nvidia L40S GPU"),
        ("gpu-t4", "Nvidia T4 GPU"),
    ]


@pytest.mark.parametrize(
    ("device", "sku", "name"),
    [
        ("NVIDIA GeForce RTX 4090", "gpu-rtx-4090", "Nvidia RTX 4090 GPU"),
        ("NVIDIA A100-PCIE-40GB", "gpu-a100", "Nvidia A100 GPU"),
        ("NVIDIA H200", "gpu-h200", "Nvidia H200 GPU"),
        ("Apple M2 Max", "gpu-apple-m2-max", "Apple M2 Max GPU"),
        ("???", "gpu-unknown", "Nvidia ??? GPU"),
    ],
)
def test_other_accelerators_are_named_after_themselves(device: str, sku: str, name: str) -> None:
    assert [(h.sku, h.name) for h in offered([Device(name=device, memory=40 * GB)])][len(CPU) :] == [(sku, name)]


def test_the_operator_names_prices_adds_and_hides() -> None:
    overrides: dict[str, dict[str, Any]] = {
        "cpu": {"price": 0.0001},
        "cpu-small": {"hidden": True},
        "gpu-tpu": {"name": "A TPU", "price": 1.5},
        "gpu-plain": {},
    }
    assert priced(CPU, overrides) == [
        Hardware(sku="cpu", name="CPU", price=0.0001),
        Hardware(sku="gpu-tpu", name="A TPU", price=1.5),
        Hardware(sku="gpu-plain", name="gpu-plain"),
    ]


REFERENCE = f"hearth-file:{'0' * 26}/"


@pytest.mark.parametrize(
    ("own", "output", "input", "expected"),
    [
        ("https://x/own", REFERENCE + "a.png", {}, "https://x/own"),
        (None, REFERENCE + "a.png", {"image": REFERENCE + "b.png"}, REFERENCE + "a.png"),
        (None, [REFERENCE + "a.txt", {"x": [REFERENCE + "b.WEBP"]}], {}, REFERENCE + "b.WEBP"),
        (None, "text", {"image": "https://x/in.jpg?size=1"}, "https://x/in.jpg?size=1"),
        (None, "see https://x/in.jpg", {"text": "a.png"}, None),
        (None, None, {}, None),
    ],
)
def test_the_cover_is_the_first_picture_there_is(own: Any, output: Any, input: Any, expected: Any) -> None:
    model = Model(id="m", account_id="a", owner="o", name="n", created_at=1.0, cover_image_url=own)
    example = Prediction(id="p", account_id="a", model="o/n", version="v", input=input, created_at=1.0, output=output)
    assert cover(model, example) == expected
    assert cover(model, None) == own
