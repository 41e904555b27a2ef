"""Which kind of numbers a modality has, where the file and the command line do not say."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

KINDS: Final = {"points": 3, "points2d": 2, "inertial": 3, "features": 1}
"""By kind, of what the numbers of a step are a multiple."""
_LEAST_POINTS: Final = 4
_MOST_POINTS: Final = 256
_STEPS: Final = 600
_RIGID: Final = 0.2
_STILL: Final = 1e-9


def kind_of(x: Floats, real: NDArray[np.bool_]) -> str:
    """The likely kind of ``x`` [n, T, D], of which ``real`` [n, T] are steps.

    3, 6 or 9 numbers: a worn sensor's axes. Points in space, if a quarter of them hang on bones. All else: features.
    Points in a plane keep no distances, so they must be stated.
    """
    size = x.shape[2]
    if size in (3, 6, 9):
        return "inertial"
    if size % 3 or size // 3 < _LEAST_POINTS:
        return "features"
    rows = np.argwhere(real)
    rows = rows[:: max(1, len(rows) // _STEPS)]
    return "points" if _has_bones(x[rows[:, 0], rows[:, 1]].reshape(len(rows), -1, 3)) else "features"


def _has_bones(at: Floats) -> bool:
    """Whether a quarter of the points [N, P, 3] turn around another: the way there changes, its length does not."""
    if len(at) < 2 or at.shape[1] > _MOST_POINTS:
        return False
    steadiest = [float(_looseness(at, point).min()) for point in range(at.shape[1])]
    return float(np.quantile(steadiest, 0.25)) < _RIGID


def _looseness(at: Floats, point: int) -> NDArray[np.float64]:
    """How much the distance of ``point`` to each of the others changes, in parts of how much the way to it does.

    0 for a bone that turns; 0.58 where only noise moves the two, 0.39 where they move each by itself.
    """
    way = np.delete(at, point, axis=1) - at[:, point : point + 1]
    change = np.linalg.norm(way, axis=2).astype(np.float64).std(axis=0)
    moved = np.sqrt(way.var(axis=0).sum(axis=1))
    return np.where(moved > _STILL, change / np.maximum(moved, _STILL), 1.0)
