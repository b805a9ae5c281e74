"""Llama 3 8B."""

from engine.families.maxtokens import Triton
from engine.loading import Card


class Predictor(Triton):
    card = Card(name="meta/meta-llama-3-8b", hub="meta-llama/Meta-Llama-3-8B", template="{prompt}")
