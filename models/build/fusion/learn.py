"""Trains one network on one set of clips: what it is shown, what it is asked, and how long.

The loss is text-anchored cross-entropy + 0.3 of a head that knows no words + 0.3 of each sense alone + 0.1 for
knowing how likely each sense alone is right + 0.1 for knowing that the senses saw different things.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from models.build.fusion.dataset import Dataset, Floats
from models.build.fusion.network import STEPS, Answer, ClipNet, Shape
from torch import Tensor, nn
from torch.nn import functional

Told = Callable[[int], None]
"""Is called after each step with the number of steps done."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained; the defaults were chosen on people left out of UTD-MHAD's training half.

    Attributes:
        epochs: over all clips.
        batch: clips a step.
        rate: highest learning rate; one cycle (Smith 2018).
        absent: how often a sense is left out of a clip.
        noisy: how often a sense gets noise of 0.3 to 4 standard deviations.
        mismatched: how often a sense comes from another clip of another class.
        moved: how often a sense is moved towards another person's mean and spread.
        shifted: deviation of random offsets, in those of the clips' means.
        alone: weight of the losses of single senses.
        smoothing: of the classes (Szegedy et al. 2016).
    """

    epochs: int = 70
    batch: int = 48
    rate: float = 3e-3
    decay: float = 0.05
    absent: float = 0.3
    noisy: float = 0.25
    mismatched: float = 0.12
    moved: float = 0.5
    shifted: float = 1.0
    alone: float = 0.3
    smoothing: float = 0.05
    width: int = 64
    layers: int = 2
    dropout: float = 0.15


@dataclass(frozen=True, slots=True)
class Clips:
    """A dataset as tensors."""

    x: list[Tensor]
    steps: list[Tensor]
    present: Tensor
    y: Tensor

    @classmethod
    def of(cls, dataset: Dataset) -> Clips:
        """The tensors of ``dataset``, which share its memory."""
        senses = list(dataset.senses.values())
        x, steps = [torch.from_numpy(s.x) for s in senses], [torch.from_numpy(s.steps) for s in senses]
        return cls(x, steps, torch.from_numpy(dataset.present), torch.from_numpy(dataset.y))

    def take(self, rows: Tensor) -> Clips:
        """Some clips."""
        return Clips([x[rows] for x in self.x], [s[rows] for s in self.steps], self.present[rows], self.y[rows])


def total_steps(clips: int, recipe: Recipe) -> int:
    """Steps one training takes."""
    return recipe.epochs * max(1, round(clips / recipe.batch))


def learn(dataset: Dataset, anchors: Floats, recipe: Recipe, seed: int, told: Told) -> ClipNet:
    """A network trained on all clips of ``dataset``; the same seed gives the same network on the same machine."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    clips = Clips.of(dataset)
    net = _fresh(dataset, clips, anchors, recipe)
    bend = _Bend(net, dataset, clips, recipe, rng)
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    steps = total_steps(len(dataset), recipe)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps, pct_start=0.15)
    order = torch.empty(0, dtype=torch.long)
    net.train()
    for step in range(steps):
        if len(order) < min(recipe.batch, len(dataset)):
            order = torch.cat([order, torch.randperm(len(dataset), generator=rng)])
        rows, order = order[: recipe.batch], order[recipe.batch :]
        loss = bend.loss(rows)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        told(step + 1)
    return net.eval()


def _fresh(dataset: Dataset, clips: Clips, anchors: Floats, recipe: Recipe) -> ClipNet:
    widths = {name: sense.x.shape[2] for name, sense in dataset.senses.items()}
    shape = Shape(widths, len(dataset.names), recipe.width, recipe.layers, dropout=recipe.dropout)
    net = ClipNet(shape, torch.from_numpy(anchors))
    for m, stem in enumerate(net.senses()):
        x, steps = clips.x[m][clips.present[:, m]], clips.steps[m][clips.present[:, m]]
        if not len(x):
            continue
        values = x[torch.arange(x.shape[1])[None, :] < steps[:, None]]
        stem.mean.copy_(values.mean(0))
        stem.spread.copy_(values.std(0, unbiased=False).clamp(min=1e-6))
        stem.usual_steps.copy_(steps.float().mean())
        averaged = stem.average(stem.standard(x, steps), steps)
        within = (averaged - averaged.mean(1, keepdim=True)).pow(2).mean((0, 1)).sqrt()
        # Numbers of one sense share a unit: what hardly moves must not be blown up until it is all noise.
        stem.within.copy_(within.clamp(min=0.5 * float(within.pow(2).mean().sqrt()) + 1e-6))
    return net


class _Bend:
    """Shows a network its clips as they might have been: shorter, noisier, by somebody else, with senses missing."""

    def __init__(self, net: ClipNet, dataset: Dataset, clips: Clips, recipe: Recipe, rng: torch.Generator) -> None:
        self.net, self.clips, self.recipe, self.rng = net, clips, recipe, rng
        with torch.no_grad():
            self.senses = list(net.senses())
            self.standard = [s.standard(x, n) for s, x, n in zip(net.senses(), clips.x, clips.steps, strict=True)]
            _, person = np.unique(dataset.group, return_inverse=True)
            self.person = torch.from_numpy(person)
            self.manners = [self._manner(m) for m in range(len(net.stems))]
            self.places = [self._places(m) for m in range(len(net.stems))]

    def _manner(self, m: int) -> tuple[Tensor, Tensor]:
        """Each person's mean and spread [people, D] in one sense."""
        means, spreads = [], []
        for p in range(int(self.person.max()) + 1):
            own = (self.person == p) & self.clips.present[:, m]
            x, steps = self.standard[m][own], self.clips.steps[m][own]
            values = x[torch.arange(x.shape[1])[None, :] < steps[:, None]]
            few = len(values) < 2
            means.append(torch.zeros(x.shape[2]) if few else values.mean(0))
            spreads.append(torch.ones(x.shape[2]) if few else values.std(0).clamp(min=0.05))
        return torch.stack(means), torch.stack(spreads)

    def _places(self, m: int) -> Tensor:
        """Each clip's mean, from the mean of all [n, D]: where people stand, how they hold a sensor."""
        real = torch.arange(self.standard[m].shape[1])[None, :] < self.clips.steps[m][:, None]
        means = (self.standard[m] * real[..., None]).sum(1) / self.clips.steps[m][:, None]
        return means - means.mean(0)

    def loss(self, rows: Tensor) -> Tensor:
        """The loss of a batch of clips, bent anew."""
        y = self.clips.y[rows]
        present = self.clips.present[rows]
        present = self._thinned(present)
        swapped, origin = self._swapped(rows, y, present)
        averaged, facts = [], []
        for m in range(len(self.net.stems)):
            a, f = self._sense(m, origin[m])
            averaged.append(a)
            facts.append(f)
        answer = self.net.heard(averaged, facts, present)
        return self._loss(answer, y, torch.stack([self.clips.y[o] for o in origin], 1), present, swapped)

    def _thinned(self, present: Tensor) -> Tensor:
        kept = present & (self._draw(present.shape) >= self.recipe.absent)
        return torch.where(kept.any(1, keepdim=True), kept, present)

    def _swapped(self, rows: Tensor, y: Tensor, present: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Which clips are put together wrongly [n], and by sense, from which clip each comes."""
        other = rows[torch.randperm(len(rows), generator=self.rng)]
        wrong = (self._draw((len(rows),)) < self.recipe.mismatched) & (self.clips.y[other] != y) & (present.sum(1) > 1)
        which = (self._draw(present.shape) * present).argmax(1)
        origin = [
            torch.where(wrong & (which == m) & self.clips.present[other, m], other, rows)
            for m in range(present.shape[1])
        ]
        swapped = torch.stack([o != rows for o in origin], 1).any(1)
        return swapped, origin

    def _sense(self, m: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        x, steps = self.standard[m][rows], self.clips.steps[m][rows]
        x = self._moved(x, m, rows)
        size = x.shape[2]
        mixing = torch.eye(size) + 0.1 * size**-0.5 * torch.randn((len(rows), size, size), generator=self.rng)
        x = x @ mixing
        loud = torch.exp(0.15 * torch.randn((len(rows), 1, 1), generator=self.rng))
        sigma = torch.exp(self._draw((len(rows), 1, 1)) * np.log(4 / 0.3)) * 0.3
        sigma = torch.where(self._draw((len(rows), 1, 1)) < self.recipe.noisy, sigma, torch.full_like(sigma, 0.02))
        x = x * loud + sigma * torch.randn(x.shape, generator=self.rng)
        stem = self.senses[m]
        return stem.average(x.clamp(-12, 12), steps, self._edges(len(rows))), stem.told(x, steps)

    def _moved(self, x: Tensor, m: int, rows: Tensor) -> Tensor:
        """As another person might have done it: towards their mean and spread."""
        means, spreads = self.manners[m]
        here = self.person[rows]
        there = torch.randint(len(means), (len(rows),), generator=self.rng)
        far = self._draw((len(rows), 1)) * 1.5 * (self._draw((len(rows), 1)) < self.recipe.moved)
        spread = (spreads[there] / spreads[here]) ** far
        middle = means[here]
        places = self.places[m]
        # A random combination of clips' means is spread as they are, in all directions they take.
        weights = torch.randn((len(rows), len(places)), generator=self.rng) * len(places) ** -0.5
        offset = self.recipe.shifted * weights @ places
        return (x - middle[:, None]) * spread[:, None] + (middle + far * (means[there] - middle) + offset)[:, None]

    def _edges(self, count: int) -> Tensor:
        """Where the 64 steps begin and end: cropped at both ends, some parts faster than others."""
        even = torch.arange(STEPS + 1) / STEPS
        warp = 0.12 * (2 * self._draw((count, 1)) - 1) * torch.sin(np.pi * even)
        first, last = 0.1 * self._draw((count, 1)), 1 - 0.1 * self._draw((count, 1))
        edges: Tensor = first + (last - first) * (even + warp)
        return edges

    def _draw(self, shape: tuple[int, ...] | torch.Size) -> Tensor:
        drawn: Tensor = torch.rand(shape, generator=self.rng)
        return drawn

    def _loss(self, answer: Answer, y: Tensor, own: Tensor, present: Tensor, swapped: Tensor) -> Tensor:
        told = ~swapped
        smooth = self.recipe.smoothing
        whole = functional.cross_entropy(answer.logits, y, reduction="none", label_smoothing=smooth)
        closed = functional.cross_entropy(answer.closed, y, reduction="none", label_smoothing=smooth)
        alone = functional.cross_entropy(answer.alone.transpose(1, 2), own, reduction="none", label_smoothing=smooth)
        right = (answer.alone.argmax(-1) == own).float()
        sure = functional.binary_cross_entropy(answer.reliability.clamp(1e-6, 1 - 1e-6), right, reduction="none")
        many = present.sum(1) > 1
        pairing = functional.binary_cross_entropy_with_logits(answer.paired, told.float(), reduction="none")
        loss: Tensor = (
            ((whole + 0.3 * closed) * told).sum() / told.sum().clamp(min=1)
            + self.recipe.alone * (alone * present).sum() / len(y)
            + 0.1 * (sure * present).sum() / len(y)
            + 0.1 * (pairing * many).sum() / many.sum().clamp(min=1)
        )
        return loss
