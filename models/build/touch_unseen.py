"""A third hand, written after the rules were finished: other drawings, other speeds, pads of fixed rates.

Its drawings are splines through points that wobble, followed by the two-thirds power law (F. Lacquaniti, C. Terzuolo
and P. Viviani, Acta Psychologica 54, 1983): slow where the path bends. Pads report at 30, 60, 120 or 240 Hz with clocks
that jitter by a fifth of a report, in whole pixels, with correlated drift beside white noise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.event import Modality, Sample, Touch, TouchPhase

Floats = npt.NDArray[np.float64]
Rng = np.random.Generator
Finger = tuple[float, Floats]
"""When it comes down, in seconds, and its places at 1000 Hz, float64 [n, 2] in pad widths."""

RATES_HZ: Final = (30, 60, 120, 240)
_HZ: Final = 1000
_TOWARDS: Final = {"swipe_right": 0.0, "swipe_down": 90.0, "swipe_left": 180.0, "swipe_up": 270.0}
DRAWINGS: Final = {
    "bolt": ((0.6, 0.0), (0.1, 0.55), (0.7, 0.5), (0.2, 1.2)),
    "house": ((0.0, 1.0), (0.0, 0.4), (0.5, 0.0), (1.0, 0.4), (1.0, 1.0)),
    "stairs": ((0.0, 1.0), (0.35, 1.0), (0.35, 0.6), (0.7, 0.6), (0.7, 0.2), (1.1, 0.2)),
    "hook": ((0.3, 0.0), (0.3, 0.8), (0.45, 1.05), (0.7, 1.0), (0.8, 0.8)),
    "question": ((0.1, 0.3), (0.3, 0.0), (0.65, 0.05), (0.7, 0.35), (0.4, 0.6), (0.4, 1.1)),
    "wave": ((0.0, 0.5), (0.2, 0.15), (0.45, 0.5), (0.7, 0.85), (0.95, 0.5), (1.2, 0.15), (1.4, 0.4)),
    "spiral": ((0.5, 0.5), (0.62, 0.5), (0.5, 0.68), (0.28, 0.5), (0.5, 0.2), (0.9, 0.5), (0.5, 1.0), (0.0, 0.5)),
    "eight": (
        (0.5, 0.5),
        (0.85, 0.2),
        (0.5, 0.0),
        (0.15, 0.2),
        (0.5, 0.5),
        (0.9, 0.85),
        (0.5, 1.1),
        (0.1, 0.85),
        (0.5, 0.5),
    ),
    "omega": ((0.0, 1.0), (0.3, 0.95), (0.1, 0.45), (0.5, 0.0), (0.9, 0.45), (0.7, 0.95), (1.0, 1.0)),
    "key": ((0.0, 0.3), (0.7, 0.3), (0.7, 0.65), (1.1, 0.65), (1.1, 0.0)),
}
_ROUND: Final = frozenset({"hook", "question", "wave", "spiral", "eight", "omega"})


def _followed(points: Floats, seconds: float, *, smooth: bool) -> Floats:
    """The way through ``points`` at 1000 Hz: on a spline or along straight lines, slow in bends and at the ends."""
    fine = _spline(points) if smooth else np.concatenate([_line(a, b) for a, b in itertools.pairwise(points)])
    step = np.hypot(*np.diff(fine, axis=0).T) + 1e-9
    heading = np.unwrap(np.arctan2(*np.diff(fine, axis=0).T[::-1]))
    bend = np.convolve(np.abs(np.gradient(heading)) / step, np.ones(9) / 9, "same")
    speed = (bend + 1.0) ** (-1 / 3)
    share = np.linspace(0, 1, len(step))
    speed *= 0.15 + np.minimum(1.0, 8 * np.minimum(share, 1 - share))
    at = np.concatenate([[0.0], np.cumsum(step / speed)])
    due = np.linspace(0, at[-1], max(int(seconds * _HZ), 8))
    return np.stack([np.interp(due, at, fine[:, axis]) for axis in (0, 1)], axis=1)


def _line(begin: Floats, end: Floats) -> Floats:
    return begin + (end - begin) * np.linspace(0, 1, 40, endpoint=False)[:, None]


def _spline(points: Floats) -> Floats:
    """Catmull and Rom's."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, 40, endpoint=False)[:, None]
    parts = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        bend = (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
        parts.append(0.5 * (2 * p1 + (p2 - p0) * t + bend))
    return np.concatenate([*parts, points[-1:]])


def _placed(way: Floats, size: float, degrees: float, rng: Rng) -> Floats:
    turn = math.radians(degrees)
    turned = way @ np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    scaled = (turned - turned.min(axis=0)) * size / float(np.ptp(turned, axis=0).max())
    return np.asarray(scaled + rng.uniform(0, np.maximum(1 - scaled.max(axis=0), 0.01)))


def drawing(name: str, rng: Rng, most_turn_deg: float = 30.0) -> list[Finger]:
    """One of `DRAWINGS`, jittered, stretched, scaled and turned."""
    points = np.array(DRAWINGS[name]) * rng.uniform(0.85, 1.15, 2) + rng.normal(0, 0.03, (len(DRAWINGS[name]), 2))
    way = _followed(points, rng.uniform(0.5, 2.0), smooth=name in _ROUND)
    return [(0.0, _placed(way, rng.uniform(0.15, 0.75), rng.uniform(-most_turn_deg, most_turn_deg), rng))]


def touch(meant: str, rng: Rng) -> list[Finger]:
    """The fingers of one touch that has a name."""
    place = rng.uniform(0.2, 0.8, 2)
    if meant in _TOWARDS:
        return [(0.0, _swipe(_TOWARDS[meant] + rng.uniform(-25, 25), rng))]
    if meant == "circle":
        return [(0.0, _circle(rng))]
    if meant in {"pinch", "spread", "rotate"}:
        return _two(meant, rng)
    if meant == "double_tap":
        first, gap = rng.uniform(0.05, 0.15), rng.uniform(0.07, 0.25)
        return [(0.0, _rest(place, first, rng)), (first + gap, _rest(place + rng.normal(0, 0.015, 2), 0.1, rng))]
    return [(0.0, _rest(place, rng.uniform(0.6, 2.5) if meant == "long_press" else rng.uniform(0.05, 0.3), rng))]


def _rest(place: Floats, seconds: float, rng: Rng) -> Floats:
    return place + np.cumsum(rng.normal(0, 1.5e-4, (max(int(seconds * _HZ), 8), 2)), axis=0)


def _swipe(heading_deg: float, rng: Rng) -> Floats:
    angle, bow = math.radians(heading_deg), rng.uniform(-0.1, 0.1)
    along, aside = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    points = np.stack([0 * along, 0.5 * along + bow * aside, along])
    return _placed(_followed(points, rng.uniform(0.1, 0.7), smooth=True), rng.uniform(0.15, 0.8), 0, rng)


def _circle(rng: Rng) -> Floats:
    turn = rng.uniform(0, 2 * np.pi) + rng.choice([-1, 1]) * np.linspace(0, np.radians(rng.uniform(335, 420)), 13)
    points = np.stack([np.cos(turn), np.sin(turn)], 1) * rng.uniform(0.8, 1.2, 2) + rng.normal(0, 0.02, (13, 2))
    return _placed(_followed(points, rng.uniform(0.5, 2.0), smooth=True), rng.uniform(0.15, 0.6), 0, rng)


def _two(meant: str, rng: Rng) -> list[Finger]:
    """Two fingers around a place that drifts; the second lands and lifts a little later than the first."""
    count = int(rng.uniform(0.25, 1.2) * _HZ)
    eased = (1 - np.cos(np.linspace(0, np.pi, count))) / 2
    near, far = rng.uniform(0.1, 0.16), rng.uniform(0.3, 0.5)
    begin, end = {"pinch": (far, near), "spread": (near, far)}.get(meant, (0.3, 0.3))
    turn = rng.choice([-1, 1]) * rng.uniform(30, 120) if meant == "rotate" else rng.uniform(-6, 6)
    angle = np.radians(rng.uniform(0, 360) + turn * eased)
    half = (begin + (end - begin) * eased)[:, None] / 2 * np.stack([np.cos(angle), np.sin(angle)], 1)
    home = rng.uniform(0.35, 0.65, 2) + 0.02 * eased[:, None] * rng.normal(0, 1, 2)
    return [(0.0, home + half), (rng.uniform(0, 0.05), home - half)]


def felt(fingers: Sequence[Finger], rng: Rng, rate_hz: float) -> Iterator[Sample]:
    """What a pad of ``rate_hz`` makes of them."""
    pixels, noise, drift = rng.integers(300, 2000), rng.uniform(0, 0.002), rng.uniform(0, 2e-4)
    told: list[tuple[float, Touch]] = []
    for pointer, (begin_s, places) in enumerate(fingers):
        seconds = (len(places) - 1) / _HZ
        inner = np.arange(1, max(int(seconds * rate_hz), 1)) / rate_hz
        at = np.concatenate([[0.0], inner + rng.uniform(-0.2, 0.2, len(inner)) / rate_hz, [seconds]]).clip(0, seconds)
        wander = np.cumsum(rng.normal(0, drift, (len(at), 2)), axis=0) + rng.normal(0, noise, (len(at), 2))
        seen = np.rint((places[np.rint(at * _HZ).astype(int)] + wander) * pixels) / pixels
        phases = [TouchPhase.DOWN, *[TouchPhase.MOVE] * (len(at) - 2), TouchPhase.UP]
        told += [
            (begin_s + t, Touch(pointer, phase, *xy))
            for t, phase, xy in zip(at.tolist(), phases, seen.tolist(), strict=True)
        ]
    for number, (at_s, what) in enumerate(sorted(told, key=lambda pair: pair[0])):
        yield Sample(Modality.HAPTIC, "pad", number, round(at_s * 1e9), what)
