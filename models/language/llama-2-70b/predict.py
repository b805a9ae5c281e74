"""Llama 2 70B."""

from engine.families.maxnew import Base
from engine.loading import Card


class Predictor(Base):
    card = Card(name="meta/llama-2-70b", hub="meta-llama/Llama-2-70b-hf", template="{prompt}")
