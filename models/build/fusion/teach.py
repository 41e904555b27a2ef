"""Classes taught by a few examples, without training: prototypes among the features of a trained network.

Scores are those of linear discriminant analysis with the spread within classes that the training clips had (Fisher
1936; shrunk towards a multiple of the identity): new and old classes are means under one covariance. Old classes keep
the network's own answer among themselves; a prototype decides only between the best old class and the best new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from models.build.fusion.answers import Answers
from models.build.fusion.dataset import Dataset, Doubles, Ints
from models.build.fusion.figures import auroc, wilson

_SHRINK: Final = 0.2
_DRAWS: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Where prototypes lie.

    Attributes:
        means: float64 [K, R], of the classes trained on, whitened.
        center: [F] and whiten [F, R]: features to the space.
        usual: mean squared distance of a clip from the mean of its own class.
    """

    means: Doubles
    center: Doubles
    whiten: Doubles
    usual: float

    @classmethod
    def of(cls, features: Doubles, y: Ints, classes: int) -> Space:
        """The space of features [n, F] of clips of all classes, best of people the network did not see."""
        center = features.mean(axis=0)
        means = np.stack([features[y == k].mean(axis=0) if (y == k).any() else center for k in range(classes)])
        within = np.cov((features - means[y]).T)
        level = np.trace(within) / len(within)
        values, vectors = np.linalg.eigh((1 - _SHRINK) * within + _SHRINK * level * np.eye(len(within)))
        whiten = vectors / np.sqrt(values)
        white = (means - center) @ whiten
        usual = float((((features - center) @ whiten - white[y]) ** 2).sum(axis=1).mean())
        return cls(white, center, whiten, usual)

    def place(self, features: Doubles) -> Doubles:
        """Features [n, F] in this space."""
        return np.asarray((features.astype(np.float64) - self.center) @ self.whiten)

    def strange(self, features: Doubles, means: Doubles | None = None) -> Doubles:
        """[n], squared distance to the nearest class, where 1 is usual for a clip of that class."""
        return np.asarray(
            _squared(self.place(features), self.means if means is None else means).min(axis=1) / self.usual
        )


def _squared(one: Doubles, other: Doubles) -> Doubles:
    found = (one**2).sum(axis=1)[:, None] - 2 * one @ other.T + (other**2).sum(axis=1)[None, :]
    return np.asarray(np.maximum(found, 0.0))


def choose(answers: Answers, space: Space, taught: Doubles, *, examples: int) -> Ints:
    """The likeliest class: 0 to K - 1 as trained, from K on as ``taught`` [new, R].

    The mean of a few examples lies off by its own chance: by the usual squared distance over ``examples``, which is
    taken off again.
    """
    old = answers.log_pool.argmax(axis=1)
    white = space.place(answers.features.astype(np.float64))
    distances = _squared(white, np.concatenate([space.means, taught]))
    known = len(space.means)
    to_new = distances[:, known:] - space.usual / examples
    nearest = np.minimum(distances[np.arange(len(old)), old], distances[:, :known].min(axis=1))
    return np.asarray(np.where(to_new.min(axis=1) < nearest, known + to_new.argmin(axis=1), old), np.int64)


def unknown_score(answers: Answers, space: Space, temperature: float) -> Doubles:
    """[n], higher for what is none of the known: how far from all classes, and how undecided.

    Log of the distance to the nearest mean, less the log odds of the likeliest class at a third.
    """
    sure = np.clip(answers.probabilities(temperature).max(axis=1), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(space.strange(answers.features.astype(np.float64))) - np.log(sure / (1 - sure)) / 6)


# --- measuring -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taught:
    """What teaching gave, with ``shots`` examples of each new class; shares with 95 % intervals."""

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


def few_shot(answers: Answers, dataset: Dataset, space: Space, known: Sequence[str], shots: int) -> Taught | None:
    """Teach every class of ``dataset`` that is not ``known`` from ``shots`` random clips, and ask about the others.

    None where a new class has too few clips. Means over 20 draws; intervals count each clip once.
    """
    rng = np.random.default_rng(0)
    new = [name for name in dataset.names if name not in known]
    meant = np.array([_place(name, known, new) for name in dataset.names])[dataset.y]
    own = [np.flatnonzero(meant == len(known) + k) for k in range(len(new))]
    if min(map(len, own), default=0) <= shots:
        return None
    right_new, among, right_old, before = [], [], [], []
    white = space.place(answers.features.astype(np.float64))
    for _ in range(_DRAWS):
        shown = [rng.choice(rows, shots, replace=False) for rows in own]
        taught = np.stack([white[rows].mean(axis=0) for rows in shown])
        asked = np.setdiff1d(np.arange(len(meant)), np.concatenate(shown))
        chosen = choose(answers.take(asked), space, taught, examples=shots)
        fresh = meant[asked] >= len(known)
        right_new.append((chosen == meant[asked])[fresh].mean())
        among.append((_squared(white[asked[fresh]], taught).argmin(axis=1) + len(known) == meant[asked][fresh]).mean())
        right_old.append((chosen == meant[asked])[~fresh].mean() if (~fresh).any() else np.nan)
        before.append(
            (answers.log_pool[asked].argmax(axis=1) == meant[asked])[~fresh].mean() if (~fresh).any() else np.nan
        )
    clips = sum(map(len, own))
    share = (_told(right_new, clips), _told(right_old, max(len(meant) - clips, 1)))
    return Taught(shots, share[0], float(np.mean(among)), share[1], float(np.mean(before)))


def _place(name: str, known: Sequence[str], new: Sequence[str]) -> int:
    return list(known).index(name) if name in known else len(known) + list(new).index(name)


def _told(shares: Sequence[float], clips: int) -> tuple[float, float, float]:
    mean = float(np.mean(shares))
    return (mean, *wilson(round(mean * clips), clips)) if np.isfinite(mean) else (mean, mean, mean)


def unknown_auroc(answers: Answers, dataset: Dataset, space: Space, known: Sequence[str], temperature: float) -> float:
    """How well clips of classes that are not ``known`` are told from those that are, before any teaching."""
    strange = np.array([name not in known for name in dataset.names])[dataset.y]
    return auroc(unknown_score(answers, space, temperature), strange)
