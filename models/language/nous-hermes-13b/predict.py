"""Nous-Hermes 13B."""

from engine.families.maxnew import ALPACA, Chat
from engine.loading import Card


class Predictor(Chat):
    card = Card(name="nousresearch/nous-hermes-13b", hub="NousResearch/Nous-Hermes-13b", template=ALPACA)
