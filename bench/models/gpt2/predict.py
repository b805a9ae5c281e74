"""A GPT-2 of two layers with random weights: all the libraries of a language model, and nothing to download."""

import torch
from cog import BasePredictor, Input
from transformers import GPT2Config, GPT2LMHeadModel


class Predictor(BasePredictor):
    def setup(self) -> None:
        torch.manual_seed(0)
        config = GPT2Config(
            vocab_size=512, n_positions=64, n_embd=64, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
        )
        self.model = GPT2LMHeadModel(config).eval()

    def predict(self, text: str = Input(default="hello")) -> str:
        tokens = torch.tensor([[ord(letter) % 512 for letter in text] or [0]])
        with torch.no_grad():
            return str(int(self.model(tokens).logits[0, -1].argmax()))
