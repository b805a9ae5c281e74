"""Code Llama 34B for Python."""

from engine.families.maxnew import Base
from engine.loading import Card


class Predictor(Base):
    card = Card(name="meta/codellama-34b-python", hub="codellama/CodeLlama-34b-Python-hf", template="{prompt}")
