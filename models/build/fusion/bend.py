"""Clips as they might have been: shorter, noisier, by somebody else, with senses missing or put together wrongly."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from models.build.fusion.dataset import Dataset
from models.build.fusion.kinds import AXES, by_axes
from models.build.fusion.network import STEPS, ClipNet
from models.build.fusion.recipe import Recipe
from torch import Tensor

_LEAST_NOISE, _MOST_NOISE = 0.3, 4.0
_DROWNED = 0.8
"""With more noise than that a sense is not asked what it says alone."""


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


@dataclass(frozen=True, slots=True)
class Shown:
    """A batch of n clips, bent.

    Attributes:
        averaged, facts: by modality, as `ClipNet.heard` takes them.
        present: bool [n, M].
        own: int64 [n, M], the class of the clip each sense comes from.
        swapped: bool [n], whether senses come from clips of different classes.
        asked: bool [n, M], what can be asked alone: all that was recorded and is not drowned in noise.
        other: int64 [n, M], the class of what each sense is mixed with.
        share: [n], of the clip itself in the mixture; 1 where there is none.
    """

    averaged: list[Tensor]
    facts: list[Tensor]
    present: Tensor
    own: Tensor
    swapped: Tensor
    asked: Tensor
    other: Tensor
    share: Tensor


class Bend:
    """Shows a network its clips, each time bent anew."""

    def __init__(self, net: ClipNet, dataset: Dataset, clips: Clips, recipe: Recipe, rng: torch.Generator) -> None:
        self.net, self.clips, self.recipe, self.rng = net, clips, recipe, rng
        with torch.no_grad():
            self.senses = list(net.senses())
            self.standard = [s.standard(x, n) for s, x, n in zip(net.senses(), clips.x, clips.steps, strict=True)]
            _, person = np.unique(dataset.group, return_inverse=True)
            self.person = torch.from_numpy(person)
            self.manners = [self._manner(m) for m in range(len(self.senses))]
            self.places = [self._places(m) for m in range(len(self.senses))]

    @torch.no_grad()
    def show(self, rows: Tensor) -> Shown:
        """The clips ``rows``."""
        present = self._thinned(self.clips.present[rows])
        swapped, origin = self._swapped(rows, present)
        sigma = self._noise(present)
        told = [self._sense(m, origin[m], sigma[:, m, None, None]) for m in range(len(self.senses))]
        own = torch.stack([self.clips.y[o] for o in origin], 1)
        averaged, facts = [a for a, _ in told], [f for _, f in told]
        asked = self.clips.present[rows] & (sigma <= _DROWNED)
        shown = Shown(averaged, facts, present, own, swapped, asked, own, torch.ones(len(rows)))
        return self._mixed(shown, rows)

    def _mixed(self, shown: Shown, rows: Tensor) -> Shown:
        """Some clips part of the way to another that has all their senses (mixup, Zhang et al. 2018)."""
        count = len(rows)
        partner = torch.roll(torch.arange(count), 1)
        there = self.clips.present[rows]
        honest = ~shown.swapped & (shown.asked == there).all(1)
        fits = honest & honest[partner] & (there[partner] | ~there).all(1)
        chosen = fits & (self._draw((count,)) < self.recipe.mixed)
        share = torch.where(chosen, 0.5 + 0.5 * self._draw((count,)), torch.ones(count))
        part = share[:, None, None]
        averaged = [part * a + (1 - part) * a[partner] for a in shown.averaged]
        return replace(shown, averaged=averaged, other=shown.own[partner], share=share)

    def _thinned(self, present: Tensor) -> Tensor:
        kept = present & (self._draw(present.shape) >= self.recipe.absent)
        return torch.where(kept.any(1, keepdim=True), kept, present)

    def _swapped(self, rows: Tensor, present: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Which clips are put together wrongly [n], and by sense, from which clip each comes."""
        y = self.clips.y
        other = rows[torch.randperm(len(rows), generator=self.rng)]
        wrong = (self._draw((len(rows),)) < self.recipe.mismatched) & (y[other] != y[rows]) & (present.sum(1) > 1)
        which = (self._draw(present.shape) * present).argmax(1)
        origin = [
            torch.where(wrong & (which == m) & self.clips.present[other, m], other, rows)
            for m in range(present.shape[1])
        ]
        swapped = torch.stack([o != rows for o in origin], 1).any(1)
        return swapped, origin

    def _noise(self, present: Tensor) -> Tensor:
        """Standard deviations of noise [n, M]: much of it on one sense of some clips that have another to go by."""
        chosen = (self._draw(present.shape) * present).argmax(1, keepdim=True) == torch.arange(present.shape[1])
        noisy = (self._draw((len(present), 1)) < self.recipe.noisy) & (present.sum(1, keepdim=True) > 1) & chosen
        much = _LEAST_NOISE * torch.exp(self._draw(present.shape) * math.log(_MOST_NOISE / _LEAST_NOISE))
        return torch.where(noisy, much, torch.full_like(much, 0.02))

    def _sense(self, m: int, rows: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """One sense of some clips, averaged, and its facts."""
        x, steps, stem = self.standard[m][rows], self.clips.steps[m][rows], self.senses[m]
        x = self._by_another(x, m, rows) if stem.kind not in AXES else self._turned(x, m)
        x = x + sigma * stem.own * self._normal(x.shape)
        return stem.average(x.clamp(-12, 12), steps, self._edges(len(rows))), stem.told(x, steps)

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

    def _normal(self, shape: tuple[int, ...] | torch.Size) -> Tensor:
        return torch.randn(shape, generator=self.rng)

    # --- as somebody else would have done it ---------------------------------------------

    def _turned(self, x: Tensor, m: int) -> Tensor:
        """Points and sensors ``x`` [n, T, D] turned, stretched along each axis, and each point or axis a little off."""
        recipe, count, worn = self.recipe, len(x), self.senses[m].kind == "inertial"
        axes = AXES[self.senses[m].kind]
        angles = recipe.turned * (1.4 if worn else 1.0) * self._normal((count, axes, axes)).triu(1)
        turn = torch.linalg.matrix_exp(angles - angles.transpose(1, 2))
        at = by_axes(x, axes) @ turn[:, None]
        stretch = torch.exp(recipe.stretched * self._normal((count, 1, at.shape[2] if worn else 1, axes)))
        off = recipe.off * self._normal((count, 1, *at.shape[2:]))
        bent: Tensor = (at * stretch + off).flatten(2)
        return bent

    def _by_another(self, x: Tensor, m: int, rows: Tensor) -> Tensor:
        """Features moved towards those of another person, mixed a little, louder or softer."""
        x = self._moved(x, m, rows)
        size = x.shape[2]
        mixing = torch.eye(size) + 0.1 * size**-0.5 * self._normal((len(rows), size, size))
        loud = torch.exp(0.15 * self._normal((len(rows), 1, 1)))
        bent: Tensor = x @ mixing * loud
        return bent

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
        weights = self._normal((len(rows), len(places))) * len(places) ** -0.5
        offset = self.recipe.shifted * weights @ places
        moved: Tensor = (x - middle[:, None]) * spread[:, None] + (middle + far * (means[there] - middle) + offset)[
            :, None
        ]
        return moved

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
