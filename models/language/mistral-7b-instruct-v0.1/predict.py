"""Mistral 7B, tuned to follow instructions."""

from engine.families.maxnew import MISTRAL_INSTRUCT, Chat
from engine.loading import Card


class Predictor(Chat):
    card = Card(
        name="mistralai/mistral-7b-instruct-v0.1", hub="mistralai/Mistral-7B-Instruct-v0.1", template=MISTRAL_INSTRUCT
    )
