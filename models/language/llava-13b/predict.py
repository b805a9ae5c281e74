"""LLaVA 1.5 13B."""

from engine.families.llava import Llava
from engine.loading import Card


class Predictor(Llava):
    card = Card(name="yorickvp/llava-13b", hub="llava-hf/llava-1.5-13b-hf", kind="llava")
