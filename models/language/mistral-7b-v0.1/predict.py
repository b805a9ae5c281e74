"""Mistral 7B."""

from engine.families.maxnew import Base
from engine.loading import Card


class Predictor(Base):
    card = Card(name="mistralai/mistral-7b-v0.1", hub="mistralai/Mistral-7B-v0.1", template="{prompt}")
