"""Hermes 2 Pro on Llama 3 8B."""

from engine.families.maxtokens import first_vllm
from engine.loading import Card

CHATML = "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


class Predictor(first_vllm(most=512, template=CHATML)):
    card = Card(name="nousresearch/hermes-2-pro-llama-3-8b", hub="NousResearch/Hermes-2-Pro-Llama-3-8B")
