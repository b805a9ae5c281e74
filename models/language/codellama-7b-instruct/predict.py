"""Code Llama 7B, tuned to follow instructions."""

from engine.families.maxnew import LLAMA_2_CHAT, Chat
from engine.loading import Card


class Predictor(Chat):
    card = Card(name="meta/codellama-7b-instruct", hub="codellama/CodeLlama-7b-Instruct-hf", template=LLAMA_2_CHAT)
