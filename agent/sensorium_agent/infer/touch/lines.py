"""What one finger draws: swipes and circles."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sensorium_agent.infer.touch.contact import Points, Stroke, curved, smoothed, spaced
from sensorium_agent.infer.touch.feel import UNKNOWN, USUAL, Answer, Feel

_CIRCLE_POINTS: Final = 48
_ROUND: Final = 0.16
"""Deviation of a circle's radius over its mean, at most; a square has 0.11, a triangle 0.19, of a clean one."""
_LEAST_TURN_DEG: Final = 290.0
_CORNER_DEG: Final = 78.0
"""See `_sharpest_deg`."""
_COARSE: Final = 3.0
"""A pad that gave so many points leaves a circle twice as uneven."""
_FLAT: Final = 0.3
_LEAST_POINTS: Final = 5
_FEW: Final = 24


def swipe_of(stroke: Stroke, feel: Feel = USUAL) -> Answer:
    """The swipe a moving stroke is, by its chord, its straightness and its speed; else no label."""
    return swipe_along(stroke.times_s(), smoothed(stroke.path()), feel)


def swipe_along(times_s: Points, path: Points, feel: Feel = USUAL) -> Answer:
    """The swipe along ``path`` [n, 2] at ``times_s`` [n].

    The score is the least of four margins, each 0.5 at its limit: length, speed, straightness, and the
    angle to the next axis (0.5 at 45 degrees). Only the time in which the finger moved counts for its speed.
    """
    chord = path[-1] - path[0]
    length = float(np.hypot(*chord))
    if length < feel.swipe:
        return UNKNOWN
    along = (path - path[0]) @ chord / length
    across = (path - path[0]) @ np.array([-chord[1], chord[0]]) / length
    speed = length / _moving_s(times_s, along, length)
    # A finger that comes back has gone farther than its chord is long.
    wander = max(float(np.ptp(along)) - length, float(np.abs(across).max())) / length
    if speed < feel.swipe_speed or wander > feel.bend:
        return UNKNOWN
    slant = math.degrees(math.atan2(float(np.abs(chord).min()), float(np.abs(chord).max())))
    margins = (1 - 0.5 * feel.swipe / length, 1 - 0.5 * feel.swipe_speed / speed, 1 - 0.5 * wander / feel.bend)
    return Answer(_direction(float(chord[0]), float(chord[1])), min(*margins, 1 - slant / 90))


def _moving_s(times_s: Points, along: Points, length: float) -> float:
    """How long the middle nine tenths of the way took, over nine tenths."""
    passed = np.maximum.accumulate(along)
    begin, end = np.interp([0.05 * length, 0.95 * length], passed, times_s)
    return max(float(end - begin) / 0.9, 1e-3)


def _direction(dx: float, dy: float) -> str:
    if abs(dx) >= abs(dy):
        return "swipe_right" if dx > 0 else "swipe_left"
    return "swipe_down" if dy > 0 else "swipe_up"


def circle_of(stroke: Stroke, feel: Feel = USUAL) -> Answer:
    """The circle or ellipse a stroke is, by how far it goes round and how round it is; else no label.

    Where it begins, which way round and how often do not matter; the metadata says the direction.
    """
    path = stroke.path()
    if len(path) < _LEAST_POINTS or float(np.ptp(path, axis=0).max()) < 2 * feel.slop:
        return UNKNOWN
    ring = spaced(smoothed(path) if len(path) > _FEW else curved(path), _CIRCLE_POINTS)
    centred, flat = _rounded(ring - _centre(ring))
    if flat < _FLAT:
        return UNKNOWN
    radii = np.hypot(*centred.T)
    uneven = float(radii.std() / radii.mean())
    turn_deg = math.degrees(_turned(np.unwrap(np.arctan2(centred[:, 1], centred[:, 0]))))
    corner_deg = _sharpest_deg(centred, abs(turn_deg))
    coarse = 1 + _COARSE / len(path)
    if abs(turn_deg) < _LEAST_TURN_DEG or uneven > _ROUND * coarse or corner_deg > _CORNER_DEG * coarse:
        return UNKNOWN
    sharp = corner_deg / _CORNER_DEG / coarse
    margins = (1 - 0.5 * uneven / _ROUND / coarse, 1.29 - 0.79 * sharp, abs(turn_deg) / 2 / _LEAST_TURN_DEG + 0.2)
    direction = "clockwise" if turn_deg > 0 else "counterclockwise"
    return Answer("circle", min(*margins, 1.0), {"direction": direction, "turn_deg": f"{abs(turn_deg):.0f}"})


def _centre(ring: Points) -> Points:
    """Of the circle that fits best (least squares in x, y and x^2 + y^2; Kasa 1976)."""
    mean = ring.mean(axis=0)
    local = ring - mean
    matrix = np.column_stack([2 * local, np.ones(len(local))])
    solution, *_ = np.linalg.lstsq(matrix, (local**2).sum(axis=1), rcond=None)
    limit = np.abs(local).max()
    return np.asarray(mean + np.clip(solution[:2], -limit, limit), np.float64)


def _rounded(centred: Points) -> tuple[Points, float]:
    """An ellipse made a circle, and how flat it was (short axis over long)."""
    values, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    lengths = np.sqrt(np.maximum(values, 1e-18))
    return centred @ axes / lengths @ axes.T, float(lengths[0] / lengths[1])


def _turned(angles: Points) -> float:
    """How far it went round, in radians, positive clockwise on a screen (y down)."""
    return float(angles[-1] - angles[0])


def _sharpest_deg(ring: Points, turn_deg: float) -> float:
    """The largest angle between the chord of an eighth of a turn and the next one: 45 for a circle, 90 for a square."""
    eighth = max(round(_CIRCLE_POINTS / 8 * min(360 / max(turn_deg, 1.0), 1.0)), 1)
    chords = ring[eighth:, 0] - ring[:-eighth, 0] + 1j * (ring[eighth:, 1] - ring[:-eighth, 1])
    return float(np.degrees(np.abs(np.angle(chords[eighth:] / chords[:-eighth])).max()))
