"""Code Llama 7B for Python."""

from engine.families.maxnew import Base
from engine.loading import Card


class Predictor(Base):
    card = Card(name="meta/codellama-7b-python", hub="codellama/CodeLlama-7b-Python-hf", template="{prompt}")
