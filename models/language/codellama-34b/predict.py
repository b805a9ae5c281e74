"""Code Llama 34B."""

from engine.families.maxnew import Base
from engine.loading import Card


class Predictor(Base):
    card = Card(name="meta/codellama-34b", hub="codellama/CodeLlama-34b-hf", template="{prompt}")
