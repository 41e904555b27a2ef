"""Trains one network on one set of clips: what it is shown, what it is asked, and how long.

The loss is text-anchored cross-entropy + 0.3 of a head that knows no words + 0.7 of each sense alone + 0.1 for
knowing how likely each sense alone is right + 0.1 for knowing that the senses saw different things.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from models.build.fusion.bend import Bend, Clips, Shown
from models.build.fusion.dataset import Dataset, Floats
from models.build.fusion.network import Answer, ClipNet, Shape
from models.build.fusion.recipe import Recipe, total_steps
from torch import Tensor, nn
from torch.nn import functional

Told = Callable[[int], None]
"""Is called after each step with the number of steps done."""


def learn(dataset: Dataset, anchors: Floats, recipe: Recipe, seed: int, told: Told) -> ClipNet:
    """A network trained on all clips of ``dataset``; the same seed gives the same network on the same machine."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    clips = Clips.of(dataset)
    net = fresh(dataset, anchors, recipe)
    bend = Bend(net, dataset, clips, recipe, rng)
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    steps = total_steps(len(dataset), recipe)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps, pct_start=0.15)
    order = torch.empty(0, dtype=torch.long)
    net.train()
    for step in range(steps):
        if len(order) < min(recipe.batch, len(dataset)):
            order = torch.cat([order, torch.randperm(len(dataset), generator=rng)])
        rows, order = order[: recipe.batch], order[recipe.batch :]
        shown = bend.show(rows)
        loss = _loss(net.heard(shown.averaged, shown.facts, shown.present), shown, recipe)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        told(step + 1)
    return net.eval()


def fresh(dataset: Dataset, anchors: Floats, recipe: Recipe) -> ClipNet:
    """An untrained network that has measured the clips of ``dataset``."""
    clips = Clips.of(dataset)
    widths = {name: sense.x.shape[2] for name, sense in dataset.senses.items()}
    kinds = {name: sense.kind for name, sense in dataset.senses.items()}
    shape = Shape(widths, len(dataset.names), recipe.width, recipe.layers, dropout=recipe.dropout, kinds=kinds)
    net = ClipNet(shape, torch.from_numpy(anchors))
    for m, stem in enumerate(net.senses()):
        there = clips.present[:, m]
        if bool(there.any()):
            stem.measure(clips.x[m][there], clips.steps[m][there])
    return net


def _loss(answer: Answer, shown: Shown, recipe: Recipe) -> Tensor:
    present, told = shown.present, ~shown.swapped

    def surprise(logits: Tensor, senses: slice) -> Tensor:
        """Of logits [n, s, K] at what is meant, and at what that is mixed with."""
        one, other = (
            functional.cross_entropy(
                logits.transpose(1, 2), y[:, senses], reduction="none", label_smoothing=recipe.smoothing
            )
            for y in (shown.own, shown.other)
        )
        return shown.share[:, None] * one + (1 - shown.share)[:, None] * other

    whole = surprise(answer.logits[:, None], slice(1))[:, 0] + 0.3 * surprise(answer.closed[:, None], slice(1))[:, 0]
    right = (answer.alone.argmax(-1) == shown.own).float()
    sure = functional.binary_cross_entropy(answer.reliability.clamp(1e-6, 1 - 1e-6), right, reduction="none")
    many = present.sum(1) > 1
    pairing = functional.binary_cross_entropy_with_logits(answer.paired, told.float(), reduction="none")
    loss: Tensor = (
        (whole * told).sum() / told.sum().clamp(min=1)
        + recipe.alone * (surprise(answer.alone, slice(None)) * shown.asked).sum() / len(told)
        + 0.1 * (sure * present).sum() / len(told)
        + 0.1 * (pairing * many).sum() / many.sum().clamp(min=1)
    )
    return loss
