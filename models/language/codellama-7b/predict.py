"""Code Llama 7B."""

from engine.families.maxnew import Base
from engine.loading import Card


class Predictor(Base):
    card = Card(name="meta/codellama-7b", hub="codellama/CodeLlama-7b-hf", template="{prompt}")
