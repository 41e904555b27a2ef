"""The device's fusion network in torch.

One token for what each sense says of each row (a concept that some sense claims, all others, none of them). Within a
row the senses look at each other: attention of two heads, who is absent masked, log trust added to its logits (masked
scaled dot-product attention, Vaswani et al. 2017), as in the cloud's network. Then each casts a vote, and votes add up:
senses that err independently given what is meant are pooled log-linearly (Genest and Zidek 1986). Nothing in it knows
which concept a row is, so it is equivariant to their order and holds for any vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sensorium_agent.fuse.network import CLAIMS, FACTS, MASKED, ROWS


class VotingNet(nn.Module):
    """Votes of senses on rows; see `sensorium_agent.fuse.network.Asked` for the inputs."""

    def __init__(self, width: int = 32, heads: int = 2) -> None:
        super().__init__()
        inner = width // heads
        self.claim, self.fact, self.row = nn.Linear(CLAIMS, width), nn.Linear(FACTS, width), nn.Linear(ROWS, width)
        self.think = nn.Linear(width, width)
        self.ask, self.key, self.tell = (nn.Parameter(torch.randn(heads, width, inner) * width**-0.5) for _ in range(3))
        self.told = nn.Parameter(torch.zeros(heads, inner, width))
        self.again = nn.Linear(width, width)
        self.vote = nn.Linear(width, 1, bias=False)
        self.scale = inner**-0.5

    def forward(self, claims: Tensor, facts: Tensor, rows: Tensor, trusted: Tensor) -> Tensor:
        """Logits [..., B, R] of R rows by B groups of S senses.

        Args:
            claims: [..., R, S, `CLAIMS`].
            facts: [..., S, `FACTS`].
            rows: [..., R, `ROWS`].
            trusted: [..., B, S].
        """
        mixed = self.claim(claims) + self.fact(facts).unsqueeze(-3) + self.row(rows).unsqueeze(-2)
        tokens = torch.relu(self.think(torch.relu(mixed)))  # [..., R, S, width]
        one = tokens.unsqueeze(-3)  # [..., R, 1, S, width]
        likeness = (one @ self.ask) @ (one @ self.key).transpose(-1, -2) * self.scale  # [..., R, H, S, S]
        heard = trusted.unsqueeze(-2).unsqueeze(-2).unsqueeze(-2)  # [..., B, 1, 1, 1, S]
        looked = torch.softmax(likeness.unsqueeze(-5) + heard, -1)  # [..., B, R, H, S, S]
        seen = ((looked @ (one @ self.tell).unsqueeze(-5)) @ self.told).sum(-3)  # [..., B, R, S, width]
        votes = self.vote(torch.relu(self.again(tokens.unsqueeze(-4) + seen))).squeeze(-1)
        present = (trusted > MASKED / 2).to(votes.dtype).unsqueeze(-2)
        total: Tensor = (votes * present).sum(-1)
        return total

    def cool(self, temperature: float) -> None:
        """Divide all logits by ``temperature`` from now on (Guo et al. 2017): votes are linear in the last weights."""
        with torch.no_grad():
            self.vote.weight /= temperature


def loss(logits: Tensor, others: Tensor, meant: Tensor) -> Tensor:
    """Mean surprise over the groups that have a meaning.

    Args:
        logits: [n, B, R], -inf where there is no row.
        others: [n], log of how many concepts the row before the last stands for; -inf for none.
        meant: [n, B, R], weights of the rows that are meant; all 0 where the group is none.
    """
    counted = logits.clone()
    counted[..., -2] += others.unsqueeze(-1)
    surprise = torch.logsumexp(counted, -1, keepdim=True) - logits.masked_fill(meant == 0, 0.0)
    return (meant * surprise).sum() / meant.sum()


def parameters(net: nn.Module) -> int:
    """How many numbers it has."""
    return sum(math.prod(p.shape) for p in net.parameters())
