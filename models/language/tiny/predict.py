"""Kindling: a language model small enough to ship, which knows what words mean, roughly."""

from pathlib import Path

from engine.families.maxtokens import Vllm
from engine.loading import Card


class Predictor(Vllm):
    card = Card(name="hearth/kindling", weights=Path(__file__).with_name("weights") / "kindling.gguf")
