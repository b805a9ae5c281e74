"""Mistral 7B, the second tuning to follow instructions."""

from engine.families.maxtokens import Vllm
from engine.loading import Card


class Predictor(Vllm):
    card = Card(name="mistralai/mistral-7b-instruct-v0.2", hub="mistralai/Mistral-7B-Instruct-v0.2")
