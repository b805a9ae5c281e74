"""Mixtral 8x7B, tuned to follow instructions."""

from engine.families.maxtokens import first_vllm
from engine.loading import Card


class Predictor(first_vllm(most=1024, template="<s>[INST] {prompt} [/INST]")):
    card = Card(name="mistralai/mixtral-8x7b-instruct-v0.1", hub="mistralai/Mixtral-8x7B-Instruct-v0.1")
