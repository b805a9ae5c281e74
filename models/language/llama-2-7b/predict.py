"""Llama 2 7B."""

from engine.families.maxnew import Base
from engine.loading import Card


class Predictor(Base):
    card = Card(name="meta/llama-2-7b", hub="meta-llama/Llama-2-7b-hf", template="{prompt}")
