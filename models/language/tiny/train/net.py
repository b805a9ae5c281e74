"""A Llama in torch, small enough to read: what is trained here, tensor by tensor as `transformers` names them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    vocab: int = 4096
    width: int = 256
    layers: int = 6
    heads: int = 8
    kv_heads: int = 4
    hidden: int = 768
    """Of the feed-forward part. Rows are multiples of 32, as 8-bit blocks want them."""
    context: int = 512
    theta: float = 10000.0
    epsilon: float = 1e-5


class Norm(nn.Module):
    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.weight, self.epsilon)


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        size = shape.width // shape.heads
        self.q_proj = nn.Linear(shape.width, shape.heads * size, bias=False)
        self.k_proj = nn.Linear(shape.width, shape.kv_heads * size, bias=False)
        self.v_proj = nn.Linear(shape.width, shape.kv_heads * size, bias=False)
        self.o_proj = nn.Linear(shape.heads * size, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, width = x.shape
        size = width // self.shape.heads
        q = turn(self.q_proj(x).view(batch, length, -1, size).transpose(1, 2), cos, sin)
        k = turn(self.k_proj(x).view(batch, length, -1, size).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(batch, length, -1, size).transpose(1, 2)
        groups = self.shape.heads // self.shape.kv_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, width))


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = Norm(shape.width, shape.epsilon)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = Norm(shape.width, shape.epsilon)
        self.mlp = nn.ModuleDict(
            {
                "gate_proj": nn.Linear(shape.width, shape.hidden, bias=False),
                "up_proj": nn.Linear(shape.width, shape.hidden, bias=False),
                "down_proj": nn.Linear(shape.hidden, shape.width, bias=False),
            }
        )

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        y = self.post_attention_layernorm(x)
        mlp = self.mlp
        return x + mlp["down_proj"](F.silu(mlp["gate_proj"](y)) * mlp["up_proj"](y))


class Net(nn.Module):
    """Tokens `(batch, length)` to logits `(batch, length, vocab)`. Input and output embeddings are one."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.epsilon)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                deep = (2 * shape.layers) ** -0.5 if "o_proj" in name or "down_proj" in name else 1.0
                nn.init.normal_(parameter, std=0.02 * deep)
        size = shape.width // shape.heads
        steps = torch.arange(shape.context)[:, None] * shape.theta ** (-torch.arange(0, size, 2)[None, :] / size)
        self.register_buffer("cos", steps.cos().repeat(1, 2), persistent=False)
        self.register_buffer("sin", steps.sin().repeat(1, 2), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed_tokens(tokens)
        cos, sin = self.cos[: tokens.shape[1]], self.sin[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x, cos, sin)
        return F.linear(self.norm(x), self.embed_tokens.weight)


def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, in halves as `transformers` has them."""
    left, right = x.chunk(2, dim=-1)
    return x * cos.to(x.dtype) + torch.cat((-right, left), dim=-1) * sin.to(x.dtype)
