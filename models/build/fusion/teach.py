"""Classes taught by a few examples, without training: prototypes among the features of a trained network.

A clip is looked at in several *views*: the joint answer's features, and those that each sense there has by itself. In
each, classes are means under the one spread that the training clips had within classes (linear discriminant analysis,
Fisher 1936; shrunk towards a multiple of the identity). How strange a clip is to a class is the mean over its views of
log(1 + squared distance), where 1 is usual: the surprise of a distribution with heavy tails (Student 1908), so that no
single sense can rule a class out, multiplied over the senses. Old classes keep the network's own answer among
themselves; a new one has to be less strange than all of them by a margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from models.build.figures import auroc, drawn, wilson
from models.build.fusion.answers import Answers, ModelError
from models.build.fusion.dataset import Bools, Dataset, Doubles, Floats, Ints

_SHRINK: Final = 0.3
_MARGIN: Final = 0.2
"""Nats: with less, prototypes of people out of training take more from the old classes than the new ones gain."""
_SURE: Final = 0.1
"""How much the network's own log odds speak against a clip's being unknown, where strangeness counts 1."""
_DRAWS: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Where prototypes lie, in V views.

    Attributes:
        means: float64 [V, K, F], of the classes trained on, whitened; NaN where no clip of a class had that view.
        center: [V, F] and whiten [V, F, F]: features to the space.
        usual: [V], mean squared distance of a clip from the mean of its own class.
    """

    means: Doubles
    center: Doubles
    whiten: Doubles
    usual: Doubles

    @classmethod
    def of(cls, features: Doubles, there: Bools, y: Ints, classes: int) -> Space:
        """The space of features [n, V, F] of clips of all classes that have the views ``there`` [n, V]."""
        views = [_view(features[own, v], y[own], classes) for v, own in enumerate(there.T)]
        return cls(*(np.stack(parts) for parts in zip(*views, strict=True)))

    @classmethod
    def load(cls, folder: Path) -> Space:
        """What `save` wrote beside a model.

        Raises:
            ModelError: it was written by another version, or not at all.
        """
        try:
            with np.load(folder / "space.npz", allow_pickle=False) as kept:
                space = cls(*(kept[name].astype(np.float64) for name in cls.__slots__))
        except (OSError, KeyError, ValueError) as error:
            raise ModelError(f"{folder}: has no space.npz to teach in; train it again") from error
        if space.whiten.ndim != 3:
            raise ModelError(f"{folder / 'space.npz'}: was written by an older version; train it again")
        return space

    def save(self, folder: Path) -> None:
        """Keep it as space.npz in ``folder``."""
        np.savez_compressed(
            folder / "space.npz", **{name: getattr(self, name).astype(np.float32) for name in self.__slots__}
        )

    def place(self, features: Floats | Doubles) -> Doubles:
        """Features [n, V, F] in this space."""
        return np.asarray(np.einsum("nvf,vfr->nvr", features.astype(np.float64) - self.center, self.whiten))

    def strange(self, white: Doubles, there: Bools, means: Doubles, *, few: float = 0.0) -> Doubles:
        """[n, C]: how strange clips [n, V, F] with the views ``there`` [n, V] are to classes ``means`` [V, C, F].

        The mean of a few examples lies off by its own chance: by 1 over their number, ``few``, which is taken off.
        """
        apart = np.stack([_squared(white[:, v], own) for v, own in enumerate(means)], axis=1)
        odd = np.log1p(np.maximum(apart / self.usual[:, None] - few, 0.0))
        counts = there[:, :, None] & np.isfinite(odd)
        return np.asarray(np.where(counts, odd, 0.0).sum(axis=1) / np.maximum(counts.sum(axis=1), 1))


def _view(features: Doubles, y: Ints, classes: int) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Means, center, whitening and usual distance of one view."""
    size = features.shape[1]
    if not len(features):
        return np.full((classes, size), np.nan), np.zeros(size), np.eye(size), np.ones(())
    center = features.mean(axis=0)
    means = np.stack(
        [features[y == k].mean(axis=0) if (y == k).any() else np.full(size, np.nan) for k in range(classes)]
    )
    apart = features - means[y]
    within = apart.T @ apart / len(apart)
    level = max(float(np.trace(within)) / size, 1e-12)
    values, vectors = np.linalg.eigh((1 - _SHRINK) * within + _SHRINK * level * np.eye(size))
    whiten = vectors / np.sqrt(values)
    return (means - center) @ whiten, center, whiten, np.asarray(((apart @ whiten) ** 2).sum(axis=1).mean())


def _squared(one: Doubles, other: Doubles) -> Doubles:
    found = (one**2).sum(axis=1)[:, None] - 2 * one @ other.T + (other**2).sum(axis=1)[None, :]
    return np.asarray(np.maximum(found, 0.0))


def views(answers: Answers) -> Bools:
    """[n, V]: the joint answer's view, and those of the senses that are there."""
    return np.concatenate([np.ones((len(answers.reliability), 1), bool), answers.reliability > 0], axis=1)


def prototypes(white: Doubles, there: Bools, shown: Sequence[Ints]) -> Doubles:
    """[V, new, F]: for each new class the mean of the clips ``shown`` of it, in each view that any of them has."""
    weights = np.stack([there[rows].astype(np.float64) for rows in shown])
    sums = np.stack([(white[rows] * there[rows][..., None]).sum(axis=0) for rows in shown])
    counts = weights.sum(axis=1)
    return np.where(counts[..., None] > 0, sums / np.maximum(counts, 1)[..., None], np.nan).transpose(1, 0, 2)


def choose(answers: Answers, space: Space, taught: Doubles, *, examples: int) -> Ints:
    """The likeliest class: 0 to K - 1 as trained, from K on as ``taught`` [V, new, F]."""
    old, white, there = answers.log_pool.argmax(axis=1), space.place(answers.features), views(answers)
    nearest = space.strange(white, there, space.means).min(axis=1)
    to_new = space.strange(white, there, taught, few=1 / examples)
    known = space.means.shape[1]
    taken = to_new.min(axis=1) + _MARGIN < nearest
    return np.asarray(np.where(taken, known + to_new.argmin(axis=1), old), np.int64)


def unknown_score(answers: Answers, space: Space, temperature: float) -> Doubles:
    """[n], higher for what is none of the known: how strange to all classes, and how undecided."""
    sure = np.clip(answers.probabilities(temperature).max(axis=1), 1e-6, 1 - 1e-6)
    strange = space.strange(space.place(answers.features), views(answers), space.means).min(axis=1)
    return np.asarray(strange - _SURE * np.log(sure / (1 - sure)))


# --- measuring -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taught:
    """What teaching gave, with ``shots`` examples of each new class; shares with 95 % intervals.

    Attributes:
        new: right among all classes, of clips of new ones.
        among_new: the same among the new ones only.
        old: right among all classes, of clips of the others; and ``old_before`` anything was taught.
    """

    shots: int
    new: tuple[float, float, float]
    among_new: float
    old: tuple[float, float, float]
    old_before: float

    def line(self) -> str:
        """For people."""
        told = [f"{v:.3f} [{low:.3f}, {high:.3f}]" for v, low, high in (self.new, self.old)]
        lost = 100 * (self.old_before - self.old[0])
        new = f"new among all {told[0]}, among new {self.among_new:.3f}"
        return f"{self.shots:>2} examples: {new}; old {told[1]}, {lost:.1f} points lost"


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Clips [n] with what a model says of them, where some are of classes it never saw.

    Attributes:
        meant: int64 [n], 0 to K - 1 as trained, from K on the new classes in the order of ``new``.
        asked: bool [n], which clips are asked about; examples are drawn from all.
    """

    answers: Answers
    space: Space
    meant: Ints
    new: tuple[str, ...]
    asked: Bools

    @classmethod
    def of(
        cls, answers: Answers, dataset: Dataset, space: Space, known: Sequence[str], asked: Bools | None = None
    ) -> Lessons:
        """Those of a dataset; what is not ``known`` is new, and all is asked about if nothing is said."""
        new = tuple(name for name in dataset.names if name not in known)
        names = [*known, *new]
        meant = np.array([names.index(name) for name in dataset.names])[dataset.y]
        return cls(answers, space, meant, new, np.ones(len(dataset), bool) if asked is None else asked)

    @property
    def strangers(self) -> Bools:
        """[n], which clips are of new classes."""
        return np.asarray(self.meant >= self.space.means.shape[1])

    def few_shot(self, shots: int) -> Taught | None:
        """Teach every new class from ``shots`` random clips, and ask about the others.

        None where a new class has too few clips. Means over 20 draws; intervals count each clip once.
        """
        rng, known = np.random.default_rng(0), self.space.means.shape[1]
        own = [np.flatnonzero(self.meant == known + k) for k in range(len(self.new))]
        if min(map(len, own), default=0) <= shots:
            return None
        drawn = [[rng.choice(rows, shots, replace=False) for rows in own] for _ in range(_DRAWS)]
        new, among, old, before = np.mean([self._asked(shown) for shown in drawn], axis=0).tolist()
        clips, others = (int((self.asked & rows).sum()) for rows in (self.strangers, ~self.strangers))
        return Taught(shots, _told(new, clips), among, _told(old, others), before)

    def _asked(self, shown: Sequence[Ints]) -> tuple[float, float, float, float]:
        """Of one draw: right of new clips among all and among new, of old clips after and before; NaN without any."""
        white, there = self.space.place(self.answers.features), views(self.answers)
        taught = prototypes(white, there, shown)
        chosen = choose(self.answers, self.space, taught, examples=len(shown[0]))
        nearest = self.space.strange(white, there, taught).argmin(axis=1) + self.space.means.shape[1]
        asked = self.asked.copy()
        asked[np.concatenate(shown)] = False
        fresh, old = asked & self.strangers, asked & ~self.strangers
        right = (chosen, fresh), (nearest, fresh), (chosen, old), (self.answers.log_pool.argmax(axis=1), old)
        first, second, third, fourth = (
            float((said == self.meant)[rows].mean()) if rows.any() else float("nan") for said, rows in right
        )
        return first, second, third, fourth

    def unknown(self, temperature: float) -> tuple[float, float, float]:
        """How well new clips are told from those of known classes before any teaching: AUROC, 95 % interval."""
        score = unknown_score(self.answers, self.space, temperature)[self.asked]
        strange = self.strangers[self.asked]
        return (auroc(score, strange), *drawn(lambda rows: auroc(score[rows], strange[rows]), len(score)))


def _told(share: float, clips: int) -> tuple[float, float, float]:
    return (share, *wilson(round(share * clips), clips)) if np.isfinite(share) else (share, share, share)
