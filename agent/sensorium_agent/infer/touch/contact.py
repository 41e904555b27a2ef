"""What one finger does from landing to lifting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.event import Touch
from sensorium_agent.infer.touch.feel import Feel

Points = npt.NDArray[np.float64]

_MS: Final = 1_000_000
_MOST_POINTS: Final = 2048
_LEAST_FOR_JITTER: Final = 8
_JITTER: Final = 3.5
"""What is not seen in 1 of 2000 points of normal noise."""
_CALM: Final = 150.0
"""Noise of this share of a stroke's size does no harm."""
_STEPS: Final = 40
_RECENT_NS: Final = 60 * _MS
_ASIDE: Final = 0.05
"""Pad widths: a finger that was lost may come back so far from where it was going."""


@dataclass(slots=True)
class Stroke:
    """What one finger did from down to up (or until now).

    Attributes:
        points: time in ns, x and y of each sample.
        reach: the farthest it was from where it began.
        told: whether it was already answered for, as a long press.
    """

    points: list[tuple[int, float, float]] = field(default_factory=list)
    reach: float = 0.0
    told: bool = False

    def add(self, at_ns: int, touch: Touch) -> None:
        """The next sample; a stroke that never ends is thinned out."""
        if len(self.points) >= _MOST_POINTS:
            del self.points[1::2]
        self.points.append((at_ns, touch.x, touch.y))
        _, x, y = self.points[0]
        self.reach = max(self.reach, float(np.hypot(touch.x - x, touch.y - y)))

    @property
    def begin_ns(self) -> int:
        """When the finger came down."""
        return self.points[0][0]

    @property
    def end_ns(self) -> int:
        """When it was last felt."""
        return self.points[-1][0]

    def times_s(self) -> Points:
        """When each point was, from the first one on: float64 [n]."""
        return np.asarray([at_ns - self.begin_ns for at_ns, _, _ in self.points], np.float64) / 1e9

    def path(self) -> Points:
        """Where each point was: float64 [n, 2]."""
        return np.asarray([(x, y) for _, x, y in self.points], np.float64)

    def rests(self, slop: float) -> bool:
        """Whether the finger stayed where it was; what a noisy pad adds is not held against it."""
        if self.reach <= slop or self.reach > 2 * slop:
            return self.reach <= slop
        return self.reach <= slop + _JITTER * jitter(self.path())

    def resumed_by(self, at_ns: int, touch: Touch, feel: Feel) -> bool:
        """Whether the finger that comes down now is this one, lost for an instant."""
        gap_ns = at_ns - self.end_ns
        _, x, y = self.points[-1]
        if gap_ns > (feel.bounce_ms if self.rests(feel.slop) else feel.bridge_ms) * _MS:
            return False
        vx, vy = self._velocity()
        away = np.hypot(touch.x - x - vx * gap_ns, touch.y - y - vy * gap_ns)
        return bool(away <= _ASIDE + np.hypot(vx, vy) * gap_ns)

    def _velocity(self) -> tuple[float, float]:
        """Of the last 60 ms, in pad widths a nanosecond."""
        since_ns = self.end_ns - _RECENT_NS
        recent = [p for p in self.points if p[0] >= since_ns]
        if len(recent) < 2:
            recent = self.points[-2:]
        (begin, x, y), (end, u, v) = recent[0], recent[-1]
        return ((u - x) / (end - begin), (v - y) / (end - begin)) if end > begin else (0.0, 0.0)


def jitter(path: Points) -> float:
    """Standard deviation of a pad's noise in ``path`` [n, 2]: what no smooth movement explains; 0 for few points."""
    if len(path) < _LEAST_FOR_JITTER:
        return 0.0
    # White noise of deviation s gives second differences of deviation s sqrt 6, whose median size is 0.6745 of it.
    return float(np.median(np.abs(np.diff(path, 2, axis=0)))) / (0.6745 * math.sqrt(6))


def measures(strokes: Sequence[Stroke]) -> dict[str, float]:
    """How well the worst of ``strokes`` was felt: what an answer's reliability is learnt from.

    Its samples; its noise, and its longest step, as parts of its size.
    """
    own = [_felt(stroke.path()) for stroke in strokes]
    points, noise, leap = zip(*own, strict=True)
    return {"points": min(points), "noise": max(noise), "leap": max(leap)}


def _felt(path: Points) -> tuple[float, float, float]:
    extent = max(float(np.ptp(path, axis=0).max()), 1e-6)
    steps = np.hypot(*np.diff(path, axis=0).T) if len(path) > 1 else np.zeros(1)
    return float(len(path)), jitter(path) / extent, float(steps.max()) / extent


def smoothed(path: Points) -> Points:
    """``path`` [n, 2] without most of its noise: a moving average, its ends kept in place.

    It is as wide as the noise asks for, and at most a twelfth of the path.
    """
    extent = float(np.ptp(path, axis=0).max())
    noise = jitter(path) * _CALM / extent if extent > 0 else 0.0
    width = min(int(noise * noise), len(path) // 12) | 1
    if width < 3:
        return path
    half = width // 2
    sums = np.cumsum(np.pad(path, ((half + 1, half), (0, 0)), mode="reflect", reflect_type="odd"), axis=0)
    return np.asarray((sums[width:] - sums[:-width]) / width, np.float64)


def curved(path: Points, between: int = 4) -> Points:
    """A smooth curve through ``path`` [n, 2], with ``between`` points for each of its steps.

    Catmull and Rom, A class of local interpolating splines, 1974; ends as if the path went straight on.
    """
    p = np.pad(path, ((1, 1), (0, 0)), mode="reflect", reflect_type="odd")
    at = (np.arange(between) / between)[None, :, None]
    a, b, c, d = (p[k : len(p) - 3 + k, None, :] for k in range(4))
    parts = 2 * b + (c - a) * at + (2 * a - 5 * b + 4 * c - d) * at**2 + (3 * b - a - 3 * c + d) * at**3
    return np.concatenate([parts.reshape(-1, 2) / 2, path[-1:]])


def spaced(path: Points, count: int) -> Points:
    """``count`` points at equal steps along ``path`` [n, 2]; the first one again and again where nothing moved.

    A finger that lingers goes nowhere: what trembles within a fortieth of the whole is one point of the way.
    """
    way = _stepped(path, float(np.ptp(path, axis=0).max()) / _STEPS)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(way, axis=0).T))])
    at = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(at, along, way[:, axis]) for axis in (0, 1)], axis=1)


def _stepped(path: Points, step: float) -> Points:
    """The points of ``path`` that are at least ``step`` from the one kept before, and the last."""
    kept, last = [0], path[0]
    for index in range(1, len(path) - 1):
        if np.abs(path[index] - last).max() >= step:
            kept.append(index)
            last = path[index]
    return path[[*kept, len(path) - 1]]
