"""Code Llama 13B."""

from engine.families.maxnew import Base
from engine.loading import Card


class Predictor(Base):
    card = Card(name="meta/codellama-13b", hub="codellama/CodeLlama-13b-hf", template="{prompt}")
