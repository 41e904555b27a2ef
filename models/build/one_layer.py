"""A network of one hidden layer over vectors of the speech embedding, trained so that it does not learn the voices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from int8_network import Network

from sensorium_agent.infer.sound.embedding import WIDTH

BATCH = 256
MIXED = 0.3
"""Of the beta distribution by which two examples are mixed: most are nearly one of them."""
NOISE = 0.12
"""Deviation of what is added to each number, of its own deviation."""
Floats = npt.NDArray[np.float32]
Loss = Callable[[Any, Any, Any, Any], Any]
"""Of logits [n, outputs] for examples of which ``part`` [n, 1] is one and the rest another: (logits, one, other, part),
where the examples are given by their numbers; all are tensors of PyTorch."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a network is made: its sizes, what share of its inputs and of its hidden layer is left out, and how long."""

    hidden: int
    outputs: int
    inputs_out: float
    hidden_out: float
    steps: int


def fit(vectors: Floats, shares: npt.NDArray[np.floating[Any]], loss_of: Loss, plan: Plan, *, seed: int) -> Network:
    """A network for vectors [n, depth * WIDTH], seen as often as their ``shares`` say.

    Dropout, noise, and mixtures of two examples (H. Zhang et al., "mixup", 2018) keep it from learning the voices.
    """
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    mean, scale = _standard(vectors)
    inputs, often = torch.from_numpy((vectors - mean) / scale), torch.from_numpy(shares)
    layers = _layers(vectors.shape[1], plan)
    optimizer = torch.optim.AdamW(layers.parameters(), 2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=plan.steps)
    for _ in range(plan.steps):
        one = torch.multinomial(often, BATCH, replacement=True)
        other = one[torch.randperm(BATCH)]
        part = torch.distributions.Beta(MIXED, MIXED).sample((BATCH, 1))
        part = torch.maximum(part, 1 - part)
        mixed = part * inputs[one] + (1 - part) * inputs[other]
        optimizer.zero_grad()
        loss_of(layers(mixed + NOISE * torch.randn_like(mixed)), one, other, part).backward()
        optimizer.step()
        schedule.step()
    return _unscaled(layers, mean, scale)


def _layers(inputs: int, plan: Plan) -> Any:
    from torch import nn

    first, last = nn.Linear(inputs, plan.hidden), nn.Linear(plan.hidden, plan.outputs)
    return nn.Sequential(nn.Dropout(plan.inputs_out), first, nn.ReLU(), nn.Dropout(plan.hidden_out), last)


def _unscaled(layers: Any, mean: Floats, scale: Floats) -> Network:
    """The same network for vectors as they are."""
    first, last = layers[1], layers[4]
    weights = [layer.weight.detach().numpy().T.astype(np.float32) for layer in (first, last)]
    biases = [layer.bias.detach().numpy().astype(np.float32) for layer in (first, last)]
    return Network([weights[0] / scale[:, None], weights[1]], [biases[0] - (mean / scale) @ weights[0], biases[1]])


def _standard(vectors: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of each of the embedding's numbers, the same at every depth."""
    each, depth = vectors.reshape(-1, WIDTH), vectors.shape[1] // WIDTH
    mean, scale = each.mean(axis=0), each.std(axis=0) + 1e-3
    return np.tile(mean, depth).astype(np.float32), np.tile(scale, depth).astype(np.float32)


def together(networks: Sequence[Network]) -> Network:
    """One network whose logits are the mean of theirs: their hidden layers lie side by side."""
    first = np.concatenate([network.weights[0] for network in networks], axis=1)
    second = np.concatenate([network.weights[1] for network in networks]) / len(networks)
    hidden = np.concatenate([network.biases[0] for network in networks])
    return Network([first, second], [hidden, np.mean([network.biases[1] for network in networks], axis=0)])
