"""What every fusion network of this project is made of: attention that knows who is there and who can be trusted.

The cloud's network over events (`events`) and those trained on recordings (`network`) share these parts. A token
that is not there is masked; how far one can be trusted is added to the attention logits as log(trust) (masked scaled
dot-product attention, Vaswani et al. 2017), in every layer and where the tokens become one answer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MASKED = -1e4
"""Stands for log 0 in attention logits: exp(-1e4) is 0, and no difference of two is not a number."""
_LEAST_TRUST = 1e-6


def log_trust(trust: Tensor) -> Tensor:
    """log(trust) where there is any, else the mask."""
    return torch.where(trust > 0, trust.clamp(min=_LEAST_TRUST).log(), torch.full_like(trust, MASKED))


class Layer(nn.Module):
    """Self-attention and a two-layer net, each after a norm and around a shortcut."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.net = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, trusted: Tensor) -> Tensor:
        """``tokens`` [batch, tokens, width], each having seen those that are ``trusted`` (log) [batch, tokens]."""
        count, width = tokens.shape[1:]
        qkv = self.qkv(self.before(tokens)).reshape(-1, count, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        logits = q @ k.transpose(-1, -2) / math.sqrt(width // self.heads) + trusted[:, None, None, :]
        seen = (torch.softmax(logits, -1) @ v).permute(0, 2, 1, 3).reshape(-1, count, width)
        return self._thought(tokens, seen)

    def alone(self, tokens: Tensor) -> Tensor:
        """``tokens`` [n, width], each having seen itself: of one, attention is its value, whoever trusts it."""
        width = tokens.shape[-1]
        seen = nn.functional.linear(self.before(tokens), self.qkv.weight[2 * width :], self.qkv.bias[2 * width :])
        return self._thought(tokens, seen)

    def _thought(self, tokens: Tensor, seen: Tensor) -> Tensor:
        tokens = tokens + self.drop(self.out(seen))
        thought: Tensor = tokens + self.drop(self.net(self.between(tokens)))
        return thought


class Gather(nn.Module):
    """Tokens become one: a weighted mean, by how much each has to say and how far it can be trusted."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.Linear(width, 1)

    def forward(self, tokens: Tensor, trusted: Tensor) -> tuple[Tensor, Tensor]:
        """The mean [batch, width] of ``tokens`` [batch, tokens, width], and the weights [batch, tokens]."""
        weights = torch.softmax(self.look(tokens).squeeze(-1) + trusted, -1)
        return (weights.unsqueeze(-1) * tokens).sum(1), weights


def unit(vectors: Tensor) -> Tensor:
    """The same directions at length 1; zero stays finite."""
    return vectors / vectors.pow(2).sum(-1, keepdim=True).add(1e-12).sqrt()
