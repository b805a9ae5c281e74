"""Llama 2 13B."""

from engine.families.maxnew import Base
from engine.loading import Card


class Predictor(Base):
    card = Card(name="meta/llama-2-13b", hub="meta-llama/Llama-2-13b-hf", template="{prompt}")
