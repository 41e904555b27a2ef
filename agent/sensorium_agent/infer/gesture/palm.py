"""Where the palms are in a picture: a single-shot detector, its anchors and its overlaps.

Palms and not hands, because a palm is nearly square and rigid. The scheme and its constants (192 pixels, strides
8 and 16, seven key points, the crop of 2.6 palms moved half a palm towards the fingers) are those the model was
trained with: F. Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking", 2020, arXiv:2006.10214.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.gesture.region import Picture, Points, Region
from sensorium_agent.infer.runtime.model import Model

SIZE_PX: Final = 192
WRIST: Final = 0
MIDDLE_KNUCKLE: Final = 2
CLEAR: Final = 0.5
"""Score from which a palm is worth a look; fainter ones are only where a picture shows nothing else."""


@dataclass(frozen=True, slots=True, eq=False)
class Palm:
    """A palm: ``box`` is [left, top, right, bottom], ``keypoints`` [7, 2], both in picture pixels."""

    score: float
    box: npt.NDArray[np.float32]
    keypoints: Points

    def hand(self) -> Region:
        """The square in which to look for the whole hand, the fingers up."""
        dx, dy = self.keypoints[MIDDLE_KNUCKLE] - self.keypoints[WRIST]
        left, top, right, bottom = self.box
        side = max(right - left, bottom - top)
        palm = Region((left + right) / 2, (top + bottom) / 2, float(side), math.atan2(dx, -dy))
        return palm.shifted(0.0, -0.5, scale=2.6)


class PalmDetector:
    """Runs the detector on a square of a picture."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._anchors = anchors()

    def find(self, picture: Picture, view: Region, *, least: float = CLEAR) -> list[Palm]:
        """Palms in ``view`` that score ``least`` or more, the surest first."""
        raw_boxes, raw_scores = self._model.run(view.cut(picture, SIZE_PX)[np.newaxis])
        logits = raw_scores[0, :, 0]
        chosen = np.flatnonzero(logits > math.log(least / (1 - least)))
        if not chosen.size:
            return []
        scores = 1 / (1 + np.exp(-logits[chosen].astype(np.float64)))
        points = decode(raw_boxes[0, chosen], self._anchors[chosen])
        clear = scores >= CLEAR  # faint boxes would move the clear ones they overlap
        merged = [pair for some in (clear, ~clear) for pair in merge(scores[some].astype(np.float32), points[some])]
        return [_placed(score, found, view) for score, found in merged]


def anchors() -> Points:
    """Centres [2016, 2] of the detector's cells, 0 to 1: two a cell on the 24 x 24 grid, six on the 12 x 12."""
    return np.concatenate([_grid(24, 2), _grid(12, 6)])


def _grid(cells: int, each: int) -> Points:
    centers = (np.arange(cells, dtype=np.float32) + 0.5) / cells
    y, x = np.meshgrid(centers, centers, indexing="ij")
    return np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), each, axis=0)


def decode(raw: npt.NDArray[np.float32], centers: Points) -> Points:
    """Raw rows [n, 18] (centre, size, seven points) as [n, 9, 2]: upper left, lower right, seven points, 0 to 1."""
    rows = raw.reshape(-1, 9, 2) / np.float32(SIZE_PX)
    half = rows[:, 1] / 2
    middle = rows[:, 0] + centers
    points = rows[:, 2:] + centers[:, np.newaxis]
    return np.concatenate([(middle - half)[:, np.newaxis], (middle + half)[:, np.newaxis], points], axis=1)


def merge(scores: npt.NDArray[np.float32], points: Points, *, same_above: float = 0.3) -> list[tuple[float, Points]]:
    """Join what overlaps the surest box left into one, weighted by score: steadier than keeping the surest alone.

    The blending of V. Bazarevsky et al., "BlazeFace", 2019, arXiv:1907.05047, section 4.
    """
    merged = []
    left = np.argsort(-scores, kind="stable")
    while left.size:
        best = left[0]
        same = overlaps(points[best, :2], points[left, :2]) > same_above
        same[0] = True
        group = left[same]
        weights = scores[group] / scores[group].sum()
        merged.append((float(scores[best]), np.tensordot(weights, points[group], axes=1).astype(np.float32)))
        left = left[~same]
    return merged


def overlaps(one: Points, many: Points) -> npt.NDArray[np.float32]:
    """Intersection over union of a box [2, 2] (two corners) with each of ``many`` [n, 2, 2]."""
    size = np.minimum(one[1], many[:, 1]) - np.maximum(one[0], many[:, 0])
    both = np.clip(size, 0, None).prod(axis=1)
    either = (one[1] - one[0]).prod() + (many[:, 1] - many[:, 0]).prod(axis=1) - both
    return np.asarray(both / np.maximum(either, 1e-9), np.float32)


def _placed(score: float, found: Points, view: Region) -> Palm:
    """From the view's units to the picture's pixels; the box stays upright and keeps its size."""
    keypoints = view.place(found[2:])
    middle = view.place(found[:2].mean(axis=0, keepdims=True))[0]
    half = (found[1] - found[0]) * view.side / 2
    return Palm(score, np.concatenate([middle - half, middle + half]), keypoints)


def far_view(picture: Picture) -> Region:
    """The picture from so far that a hand that fills it, or reaches over its edge, is of the size of others."""
    whole = Region.around(picture)
    return Region(whole.center_x, whole.center_y, whole.side * 2.3)


def views(picture: Picture) -> Sequence[Region]:
    """Squares to search: the whole picture; more than it, for hands that fill it; parts of it, for small hands."""
    height, width = picture.shape[:2]
    whole = Region.around(picture)
    side = whole.side * 0.6
    wide = [whole, Region(whole.center_x, whole.center_y, whole.side * 1.6)]
    if side < SIZE_PX:
        return wide
    return [*wide, *(Region(x, y, side) for y in _middles(height, side) for x in _middles(width, side))]


def _middles(length: int, side: float) -> list[float]:
    if length <= side:
        return [length / 2]
    count = math.ceil((length - side) / (side * 0.75)) + 1
    return [side / 2 + (length - side) * i / (count - 1) for i in range(count)]
