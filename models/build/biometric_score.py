"""How well stress was told from rest: each figure with a 95 % interval by resampling people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from figures import auroc

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_SURE: Final = 0.7
_DRAWS: Final = 300


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Rows of several people: differences and what was there, truth, probability, and whose they are."""

    rows: Floats
    truth: Flags
    probability: Floats
    whose: npt.NDArray[np.int64]

    def of(self, drawn: npt.NDArray[np.int64]) -> Judged:
        """Some rows of it."""
        return Judged(self.rows[drawn], self.truth[drawn], self.probability[drawn], self.whose[drawn])


def together(parts: list[Judged]) -> Judged:
    """Judgements of different people as one."""
    whose = [1000 * n + part.whose for n, part in enumerate(parts)]
    kept = [np.concatenate([getattr(p, name) for p in parts]) for name in ("rows", "truth", "probability")]
    return Judged(*kept, np.concatenate(whose))


def area(found: Judged) -> float:
    """Under the receiver operating characteristic."""
    return auroc(found.probability, found.truth)


def sensitivity(found: Judged) -> float:
    """Share of stress that is called so."""
    return float(np.mean(found.probability[found.truth] >= 0.5))


def specificity(found: Judged) -> float:
    """Share of rest that is called so."""
    return float(np.mean(found.probability[~found.truth] < 0.5))


def balanced(found: Judged) -> float:
    """Mean of the two."""
    return (sensitivity(found) + specificity(found)) / 2


def calibration_error(found: Judged) -> float:
    """Mean distance of probability and share over ten bins; stress and rest weigh the same, as in the fit."""
    truth, score, share = found.truth, found.probability, found.truth.mean()
    weight = np.where(truth, 0.5 / share, 0.5 / (1 - share))
    bins = np.minimum((score * 10).astype(int), 9)
    apart = [abs(float((weight * (score - truth))[bins == k].sum())) for k in range(10)]
    return sum(apart) / float(weight.sum())


FIGURES: Final[Mapping[str, Callable[[Judged], float]]] = {
    "AUROC": area,
    "balanced accuracy": balanced,
    "sensitivity": sensitivity,
    "specificity": specificity,
    "calibration error": calibration_error,
}


def described(found: Judged) -> str:
    """All figures in a line."""
    told = [f"{name} {figure(found):.3f} {_interval(found, figure)}" for name, figure in FIGURES.items()]
    sure = np.maximum(found.probability, 1 - found.probability) >= _SURE
    right = float(((found.probability >= 0.5) == found.truth)[sure].mean())
    return f"{', '.join(told)}; sure in {sure.mean():.2f}, then right in {right:.3f}"


def _interval(found: Judged, figure: Callable[[Judged], float]) -> str:
    rng, people = np.random.default_rng(0), np.unique(found.whose)
    rows = [np.flatnonzero(found.whose == person) for person in people]
    drawn = (np.concatenate([rows[k] for k in rng.integers(0, len(rows), len(rows))]) for _ in range(_DRAWS))
    return "[{:.3f}, {:.3f}]".format(*np.quantile([figure(found.of(d)) for d in drawn], (0.025, 0.975)))
