"""Flan-T5 XL."""

from engine.families.t5 import FlanT5
from engine.loading import Card


class Predictor(FlanT5):
    card = Card(name="replicate/flan-t5-xl", hub="google/flan-t5-xl", template="{prompt}", kind="seq2seq")
