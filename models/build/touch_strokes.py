"""The touches the rules were developed on: smooth curves through given points, drawn with minimum jerk.

A pad of 15 to 240 Hz with white noise sees them. The exam (`touch_exam.py`) has other drawings, other movements and
other pads.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.event import Modality, Sample, Touch, TouchPhase

Floats = npt.NDArray[np.float64]
Path = list[tuple[float, float, float]]
"""Seconds, x, y: 1 is the pad's width."""

TURNS: Final = {"swipe_right": 0.0, "swipe_down": 90.0, "swipe_left": 180.0, "swipe_up": 270.0}
MEANT: Final = ("tap", "double_tap", "long_press", *TURNS, "pinch", "spread", "rotate", "circle", "none")

DRAWINGS: Final = {
    "check": ((0.0, 0.5), (0.35, 1.0), (1.0, 0.0)),
    "caret": ((0.0, 1.0), (0.5, 0.0), (1.0, 1.0)),
    "vee": ((0.0, 0.0), (0.5, 1.0), (1.0, 0.0)),
    "triangle": ((0.5, 0.0), (0.0, 0.9), (1.0, 0.9), (0.5, 0.0)),
    "box": ((0.0, 0.0), (0.0, 1.0), (1.2, 1.0), (1.2, 0.0), (0.0, 0.0)),
    "zigzag": ((0.0, 1.0), (0.25, 0.0), (0.5, 1.0), (0.75, 0.0), (1.0, 1.0)),
    "star": ((0.2, 1.0), (0.5, 0.0), (0.8, 1.0), (0.0, 0.38), (1.0, 0.38), (0.2, 1.0)),
    "bracket": ((0.5, 0.0), (0.0, 0.0), (0.0, 1.2), (0.5, 1.2)),
    "pigtail": ((0.0, 1.0), (0.6, 0.6), (0.7, 0.2), (0.5, 0.05), (0.35, 0.2), (0.5, 0.6), (1.0, 1.0)),
    "ess": ((0.8, 0.1), (0.45, 0.0), (0.2, 0.25), (0.5, 0.5), (0.8, 0.75), (0.5, 1.0), (0.1, 0.9)),
    "arrow": ((0.0, 1.0), (0.9, 0.1), (0.5, 0.15), (0.9, 0.1), (0.85, 0.5)),
    "heart": ((0.5, 0.3), (0.25, 0.0), (0.0, 0.3), (0.5, 1.0), (1.0, 0.3), (0.75, 0.0), (0.5, 0.3)),
}
"""Single strokes to teach, y down."""
_SMOOTH: Final = frozenset({"pigtail", "ess", "heart"})


def stroke(meant: str, rng: np.random.Generator) -> list[Path]:
    """Fingers' paths from down to up, without noise; those of several fingers overlap in time."""
    x, y = rng.uniform(0.2, 0.8, 2)
    if meant in {"pinch", "spread", "rotate"}:
        return _two(meant, x, y, rng)
    if meant in TURNS:
        return [_swipe(x, y, TURNS[meant] + rng.uniform(-25, 25), rng)]
    if meant in {"circle", "none"}:
        return [_circle(x, y, rng) if meant == "circle" else _wander(x, y, rng)]
    first = [(0.0, x, y), (rng.uniform(0.6, 1.5) if meant == "long_press" else rng.uniform(0.03, 0.25), x, y)]
    if meant != "double_tap":
        return [first]
    again, u, v = first[-1][0] + rng.uniform(0.05, 0.25), *(np.array([x, y]) + rng.normal(0, 0.02, 2))
    return [first, [(again, u, v), (again + rng.uniform(0.03, 0.2), u, v)]]


def _eased(count: int = 50) -> Floats:
    """A finger speeds up and slows down."""
    at = np.linspace(0, 1, count)
    return np.asarray(at**2 * (3 - 2 * at))


def _path(seconds: float, points: Floats, begin_s: float = 0.0) -> Path:
    at = begin_s + np.linspace(0, seconds, len(points))
    return [(t, px, py) for t, (px, py) in zip(at.tolist(), points.tolist(), strict=True)]


def _swipe(x: float, y: float, degrees: float, rng: np.random.Generator) -> Path:
    length, bow = rng.uniform(0.12, 0.8), rng.uniform(-0.12, 0.12)
    along = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
    across = np.array([-along[1], along[0]])
    eased = _eased()[:, None]
    return _path(
        rng.uniform(0.08, 0.4), np.array([x, y]) + length * (eased * along + bow * np.sin(np.pi * eased) * across)
    )


def _two(meant: str, x: float, y: float, rng: np.random.Generator) -> list[Path]:
    """Two fingers about their middle, which drifts a little; the second lands up to 60 ms later."""
    eased, small, large = _eased(), rng.uniform(0.06, 0.12), rng.uniform(0.2, 0.4)
    begin, end = {"pinch": (large, small), "spread": (small, large), "rotate": (large, large)}[meant]
    turn = rng.choice([-1, 1]) * math.radians(rng.uniform(25, 120)) if meant == "rotate" else rng.normal(0, 0.1)
    radius = (begin + (end - begin) * eased) / 2
    angle = rng.uniform(0, 2 * np.pi) + turn * eased
    spoke = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    middle = np.array([x, y]) + eased[:, None] * rng.normal(0, 0.015, 2)
    seconds, late = rng.uniform(0.15, 0.7), rng.uniform(0, 0.06)
    return [_path(seconds, middle + spoke), _path(seconds, middle - spoke, late)]


def _circle(x: float, y: float, rng: np.random.Generator) -> Path:
    angle = rng.uniform(0, 2 * np.pi) + rng.choice([-1, 1]) * 2 * np.pi * rng.uniform(0.9, 1.2) * _eased(80)
    sides = rng.uniform(0.06, 0.3) * np.array([1.0, rng.uniform(0.7, 1.3)])
    return _path(rng.uniform(0.4, 1.4), np.array([x, y]) + sides * np.stack([np.cos(angle), np.sin(angle)], 1))


def _wander(x: float, y: float, rng: np.random.Generator) -> Path:
    """There and back, a slow drag, or a corner: something, but nothing that has a name."""
    at = np.linspace(0, 1, 80)
    kind, size = rng.integers(3), rng.uniform(0.15, 0.3)
    if kind == 0:
        xs, ys, seconds = size * np.sin(np.pi * at), 0.02 * at, 0.6
    elif kind == 1:
        xs, ys, seconds = size * at, 0 * at, size / 0.12
    else:
        xs, ys, seconds = size * np.minimum(2 * at, 1), size * np.maximum(2 * at - 1, 0), 0.5
    return _path(seconds, np.stack([x + xs, y + ys], 1))


def drawing(name: str, rng: np.random.Generator, *, most_turn_deg: float = 30.0) -> list[Path]:
    """One of `DRAWINGS`: other proportions, slant and size each time, its corners rounded a little."""
    points = outline(name, rng)
    turn = math.radians(rng.uniform(-most_turn_deg, most_turn_deg))
    turned = points @ np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    return [_path(rng.uniform(0.4, 2.0), rng.uniform(0.15, 0.5) * turned + rng.uniform(0.4, 0.6, 2))]


def outline(name: str, rng: np.random.Generator) -> Floats:
    """The way [n, 2] of one of `DRAWINGS`, about 1 large, eased from end to end."""
    corners = np.array(DRAWINGS[name]) + rng.normal(0, 0.03, (len(DRAWINGS[name]), 2))
    points = _rounded(corners, 0.5 if name in _SMOOTH else 0.12)
    return np.asarray((points - points.mean(axis=0)) * rng.uniform(0.85, 1.15, 2), np.float64)


def _rounded(corners: Floats, share: float) -> Floats:
    """A polyline whose corners are cut by quadratic curves over ``share`` of the sides; eased along."""
    lengths = np.hypot(*np.diff(corners, axis=0).T)
    dense = np.concatenate([np.linspace(a, b, 60)[:-1] for a, b in itertools.pairwise(corners)])
    width = max(int(60 * share), 1)
    padded = np.pad(dense, ((width, width), (0, 0)), mode="edge")
    soft = np.stack(
        [np.convolve(padded[:, k], np.full(2 * width + 1, 1 / (2 * width + 1)), "valid") for k in (0, 1)], 1
    )
    at = np.concatenate([[0], np.cumsum(np.repeat(lengths / 59, 59))[: len(soft) - 1]])
    due = _eased(120) * at[-1]
    return np.stack([np.interp(due, at, soft[:, k]) for k in (0, 1)], 1)


def samples(paths: list[Path], rng: np.random.Generator) -> Iterator[Sample]:
    """What a pad of some rate (15 to 240 Hz) and noise (up to 1/250 of its width) makes of the paths."""
    rate_hz, noise = math.exp(rng.uniform(math.log(15), math.log(240))), rng.uniform(0, 0.004)
    felt: list[tuple[float, Touch]] = []
    for number, path in enumerate(paths):
        times, xs, ys = (np.array(column) for column in zip(*path, strict=True))
        at = np.append(np.arange(times[0], times[-1] - 0.2 / rate_hz, 1 / rate_hz), times[-1])
        for i, t in enumerate(at):
            phase = TouchPhase.DOWN if i == 0 else TouchPhase.UP if i == len(at) - 1 else TouchPhase.MOVE
            x, y = (float(np.interp(t, times, axis) + rng.normal(0, noise)) for axis in (xs, ys))
            felt.append((t, Touch(number, phase, x, y)))
    for number, (t, touch) in enumerate(sorted(felt, key=lambda pair: pair[0])):
        yield Sample(Modality.HAPTIC, "pad", number, int(t * 1e9), touch)
