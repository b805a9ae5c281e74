"""Code Llama 13B for Python."""

from engine.families.maxnew import Base
from engine.loading import Card


class Predictor(Base):
    card = Card(name="meta/codellama-13b-python", hub="codellama/CodeLlama-13b-Python-hf", template="{prompt}")
