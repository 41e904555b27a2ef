"""Warns where a dataset would flatter whoever measures on it: clips twice, and people who give themselves away.

A linear model and the nearest clip are enough to notice. They are cheap, so they look before anything is trained.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from models.build.fusion.dataset import Bools, Dataset, Doubles, Ints, folds, random_folds

SUSPICIOUS: Final = 0.15
"""By how much a random split may beat one by people before it is worth a warning."""
_BINS: Final = 8
_RIDGE: Final = 10.0
_FOLDS: Final = 5


@dataclass(frozen=True, slots=True)
class Probe:
    """How often a cheap model is right on one modality (or all), by people held out and by clips held out."""

    modality: str
    grouped: float
    random: float

    @property
    def flattered(self) -> float:
        """By how much a random split overstates."""
        return self.random - self.grouped


def warnings(dataset: Dataset, probes: Iterable[Probe]) -> Iterator[str]:
    """One line for each thing that would make figures too good."""
    yield from _duplicates(dataset)
    people = len(dataset.people)
    if people < 3:
        yield f"only {people} people: nothing can be said about others; record more"
    for probe in probes:
        if probe.flattered > SUSPICIOUS:
            yield (
                f"{probe.modality}: a random split says {probe.random:.2f} where people held out say"
                f" {probe.grouped:.2f}; the clips tell who made them, so believe only figures by people"
            )


def _duplicates(dataset: Dataset) -> Iterator[str]:
    for name in dataset.senses:
        places: dict[bytes, list[int]] = {}
        for row, digest in enumerate(_digests(dataset, name)):
            if digest:
                places.setdefault(digest, []).append(row)
        twice = [rows for rows in places.values() if len(rows) > 1]
        shared = [rows for rows in twice if len(set(dataset.group[rows].tolist())) > 1]
        if shared:
            clips = sum(map(len, shared))
            yield f"{name}: {clips} clips are the same under different people, first clips {shared[0][:4]}; remove them"
        elif twice:
            yield f"{name}: {sum(map(len, twice))} clips are the same as another, first clips {twice[0][:4]}"


def _digests(dataset: Dataset, name: str) -> Iterator[bytes]:
    sense = dataset.senses[name]
    for clip, steps, present in zip(sense.x, sense.steps, sense.present, strict=True):
        moved = present and bool(np.ptp(clip[:steps], axis=0).any() or steps == 1)
        yield hashlib.blake2b(clip[:steps].tobytes(), digest_size=16).digest() if moved else b""


# --- the probe -------------------------------------------------------------------------


def probe(dataset: Dataset, seed: int) -> list[Probe]:
    """Cheap models on each modality, and on all of them, split both ways."""
    described = {name: _described(dataset, name) for name in dataset.senses}
    if len(described) > 1:
        described["all modalities"] = np.concatenate(list(described.values()), axis=1)
    by_people = list(folds(dataset.group, _FOLDS, seed))
    by_clip = list(random_folds(len(dataset), len(by_people), seed))
    if len(by_people) < 2:
        return []
    return [
        Probe(name, _right(x, dataset.y, by_people), _right(x, dataset.y, by_clip)) for name, x in described.items()
    ]


def _described(dataset: Dataset, name: str) -> Doubles:
    """Means and deviations in 8 parts of each clip, and its length; [n, 16 D + 1]."""
    sense = dataset.senses[name]
    rows = []
    for clip, steps in zip(sense.x, sense.steps, strict=True):
        edges = np.linspace(0, steps, _BINS + 1).astype(int)
        parts = [clip[a : max(b, a + 1)] for a, b in itertools.pairwise(edges)]
        told = [np.concatenate([part.mean(axis=0), part.std(axis=0)]) for part in parts]
        rows.append(np.append(np.concatenate(told), np.log(steps)))
    return np.asarray(rows, np.float64) * sense.present[:, None]


def _right(x: Doubles, y: Ints, held_out: list[Bools]) -> float:
    """Of a linear model or of the nearest clip, whichever is right more often."""
    parts = [held for held in held_out if held.any() and not held.all()]
    models = (_ridge, _nearest)
    shares = [np.concatenate([m(x[~h], y[~h], x[h]) == y[h] for h in parts]).mean() for m in models]
    return float(max(shares))


def _nearest(x: Doubles, y: Ints, asked: Doubles) -> Ints:
    mean, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    x, asked = (x - mean) / spread, (asked - mean) / spread
    distances = (x**2).sum(axis=1)[None, :] - 2 * asked @ x.T
    return np.asarray(y[distances.argmin(axis=1)], np.int64)


def _ridge(x: Doubles, y: Ints, asked: Doubles) -> Ints:
    """One-against-all ridge regression in the space of the clips, which are fewer than the numbers."""
    mean, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    x, asked = (x - mean) / spread, np.clip((asked - mean) / spread, -10, 10)
    targets = np.eye(int(y.max()) + 1)[y] - 1 / (int(y.max()) + 1)
    kernel = x @ x.T / x.shape[1]
    weights = np.linalg.solve(kernel + _RIDGE / len(x) * np.eye(len(x)), targets)
    return np.asarray((asked @ x.T / x.shape[1] @ weights).argmax(axis=1), np.int64)
