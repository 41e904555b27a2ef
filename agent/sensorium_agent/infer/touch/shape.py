"""What a touch looks like to the fusion network: 64 numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.touch.contact import Points, Stroke

POINTS: Final = 32
"""Points of a shape; its features are their x, then their y."""
_SMALLEST: Final = 0.05
"""Pad widths: what moves less is not blown up to the size of a swipe."""


def shape(strokes: Sequence[Stroke]) -> npt.NDArray[np.float32]:
    """Where the finger was at 32 instants evenly spread over ``strokes``, one after another: float32 [64], x then y.

    Relative to where it came down, divided by the larger extent (at least 0.05 pad widths).
    """
    points = np.asarray([p for stroke in strokes for p in stroke.points], np.float64)
    return _scaled(_sampled(points, points[0, 0], points[-1, 0], POINTS))


def shape_together(strokes: Sequence[Stroke]) -> npt.NDArray[np.float32]:
    """The same for fingers that are down at once: 16 instants of each of the two that went farthest.

    Relative to where the one that came down first came down; the first finger's points come first.
    """
    begin, end = min(s.begin_ns for s in strokes), max(s.end_ns for s in strokes)
    two = sorted(sorted(strokes, key=lambda s: -s.reach)[:2], key=lambda s: s.begin_ns)
    return _scaled(np.concatenate([_sampled(np.asarray(s.points, np.float64), begin, end, POINTS // 2) for s in two]))


def _sampled(points: Points, begin_ns: float, end_ns: float, count: int) -> Points:
    at = np.linspace(begin_ns, end_ns, count)
    return np.stack([np.interp(at, points[:, 0], points[:, axis]) for axis in (1, 2)], axis=1)


def _scaled(places: Points) -> npt.NDArray[np.float32]:
    local = places - places[0]
    extent = max(float(np.ptp(local, axis=0).max()), _SMALLEST)
    return np.asarray(local.T.reshape(-1) / extent, np.float32)
