"""Llama 3 8B, tuned for chat."""

from engine.families.maxtokens import Triton
from engine.loading import Card


class Predictor(Triton):
    card = Card(name="meta/meta-llama-3-8b-instruct", hub="meta-llama/Meta-Llama-3-8B-Instruct")
