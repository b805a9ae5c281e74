"""Llama 3.1 405B, tuned for chat."""

from engine.families.maxtokens import Vllm
from engine.loading import Card


class Predictor(Vllm):
    card = Card(name="meta/meta-llama-3.1-405b-instruct", hub="meta-llama/Llama-3.1-405B-Instruct-FP8")
