"""Figures, with their sources: shares with intervals, calibration, ranking."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure with its 95 % interval, and on how many it was measured; all NaN where there were none."""

    name: str
    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def share(name: str, right: Flags) -> Row:
    """The share of ``right`` that holds."""
    if not len(right):
        return Row(name, math.nan, math.nan, math.nan, 0)
    return Row(name, float(right.mean()), *wilson(int(right.sum()), len(right)), len(right))


def bootstrapped(name: str, figure: Callable[[Indices], float], count: int) -> Row:
    """``figure`` of ``count`` scenes, with the interval of `drawn`."""
    return Row(name, figure(np.arange(count)), *drawn(figure, count), count)


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    share, square = hits / count, z * z / count
    middle = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return middle - half, middle + half


def ece(probabilities: Doubles, targets: Indices, bins: int = 15) -> float:
    """Expected calibration error of the best answer, in equal bins of confidence (Naeini et al. 2015)."""
    sure, right = probabilities.max(1), probabilities.argmax(1) == targets
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(right[place == b].mean() - sure[place == b].mean()) * (place == b).mean() for b in np.unique(place)]
    return float(sum(gaps))


def auroc(scores: npt.NDArray[np.floating[Any]], positive: Flags) -> float:
    """Chance that a positive scores above a negative, ties counted half (Mann and Whitney 1947); NaN without both."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n = int(positive.sum())
    if not 0 < n < len(scores):
        return math.nan
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def softmax(logits: Doubles) -> Doubles:
    """exp(l) / sum over the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float64)


def fit_temperature(logits: Doubles, targets: npt.NDArray[np.integer[Any]], *, doubts: float = 0.0) -> float:
    """What the logits [n, K] have to be divided by to be least surprised (Guo et al. 2017); 0.1 to 10.

    So many ``doubts`` are counted as clips more that could be of any class: where all are right, how few they are
    bounds how sure an answer may be (one is Laplace's rule of succession).
    """
    rows = np.arange(len(targets))
    temperatures = np.exp(np.linspace(math.log(0.1), math.log(10), 231))
    losses = []
    for temperature in temperatures:
        surprise = -np.log(softmax(logits / temperature) + 1e-12)
        losses.append(surprise[rows, targets].sum() + doubts * surprise.mean())
    return float(temperatures[int(np.argmin(losses))])


def covered(sure: Doubles, right: Flags, share: float = 0.9) -> float:
    """How often the surest ``share`` of the answers are right."""
    kept = np.argsort(-sure, kind="stable")[: max(1, round(share * len(sure)))]
    return float(right[kept].mean())


def drawn(figure: Callable[[Indices], float], count: int, draws: int = 200) -> tuple[float, float]:
    """95 % interval of ``figure(indices)`` over bootstrap draws of ``count`` clips (Efron 1979)."""
    rng = np.random.default_rng(0)
    found = [figure(rng.integers(count, size=count)) for _ in range(draws)]
    low, high = np.nanquantile(found, (0.025, 0.975))  # few clips may be drawn all of one kind
    return float(low), float(high)
