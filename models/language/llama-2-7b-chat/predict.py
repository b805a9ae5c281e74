"""Llama 2 7B, tuned for chat."""

from engine.families.maxnew import LLAMA_2_CHAT, Chat
from engine.loading import Card


class Predictor(Chat):
    card = Card(name="meta/llama-2-7b-chat", hub="meta-llama/Llama-2-7b-chat-hf", template=LLAMA_2_CHAT)
