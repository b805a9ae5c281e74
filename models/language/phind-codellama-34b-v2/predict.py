"""Phind's Code Llama 34B."""

from engine.families.maxnew import PHIND, Chat
from engine.loading import Card


class Predictor(Chat):
    card = Card(name="phind/phind-codellama-34b-v2", hub="Phind/Phind-CodeLlama-34B-v2", template=PHIND)
