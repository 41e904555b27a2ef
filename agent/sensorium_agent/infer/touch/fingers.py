"""What several fingers do together: pinch, spread, rotate, or swipe side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sensorium_agent.infer.touch.contact import Points, Stroke, smoothed
from sensorium_agent.infer.touch.feel import UNKNOWN, USUAL, Answer, Feel
from sensorium_agent.infer.touch.lines import swipe_along

_INSTANTS: Final = 48
_SIDE_BY_SIDE: Final = 3.0
"""Fingers that go so much farther than they come together or turn go side by side."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How the fingers moved as one.

    Attributes:
        times_s: float64 [48] from the first finger's landing to the last one's lifting.
        middle: their middle, float64 [48, 2] in pad widths.
        scale: by what factor they moved apart.
        turn_rad: how far they turned, positive clockwise on a screen (y down).
        apart: how far from their middle they were, on average.
    """

    times_s: Points
    middle: Points
    scale: float
    turn_rad: float
    apart: float


def motion(strokes: Sequence[Stroke]) -> Motion:
    """The similarity transform of at least two fingers, from all their instants.

    A finger that came later or left earlier is held where it landed or lifted: fingers never land at once. The
    transform about the middle is the least squares one in complex numbers, the sum of conj(z0) z over that of
    |z0|^2, followed instant by instant so that turns beyond half a circle count in full.
    """
    begin, end = min(s.begin_ns for s in strokes), max(s.end_ns for s in strokes)
    at_ns = np.linspace(begin, end, _INSTANTS)
    places = np.stack([_at(stroke, at_ns) for stroke in strokes])
    middle = places.mean(axis=0)
    spokes = places - middle
    ratio = (spokes[:, :1].conj() * spokes).sum(axis=0)
    size = np.sqrt((np.abs(spokes) ** 2).sum(axis=0))
    turn = np.unwrap(np.angle(ratio))
    edge = 2
    scale = max(float(size[-edge:].mean()), 1e-6) / max(float(size[:edge].mean()), 1e-6)
    apart = float(np.abs(spokes).mean())
    return Motion((at_ns - begin) / 1e9, np.stack([middle.real, middle.imag], 1), scale, float(turn[-1]), apart)


def _at(stroke: Stroke, at_ns: Points) -> np.ndarray[tuple[int], np.dtype[np.complex128]]:
    path = smoothed(stroke.path())
    times = np.asarray([p[0] for p in stroke.points], np.float64)
    return np.asarray(np.interp(at_ns, times, path[:, 0]) + 1j * np.interp(at_ns, times, path[:, 1]), np.complex128)


def together(strokes: Sequence[Stroke], feel: Feel = USUAL) -> Answer:
    """What at least two fingers mean: pinch, spread or rotate, a swipe side by side, or nothing that has a name."""
    if all(stroke.rests(feel.slop) for stroke in strokes):
        return UNKNOWN
    moved = motion(strokes)
    widened, turned = abs(math.log(moved.scale)), abs(moved.turn_rad)
    went = float(np.hypot(*(moved.middle[-1] - moved.middle[0])))
    if went > _SIDE_BY_SIDE * moved.apart * max(widened, turned):
        return swipe_along(moved.times_s, moved.middle, feel)
    told = {"scale": f"{moved.scale:.2f}", "angle_deg": f"{math.degrees(moved.turn_rad):.0f}"}
    if widened >= turned:
        label, margin = ("spread" if moved.scale > 1 else "pinch"), widened / math.log(feel.pinch)
    else:
        label, margin = "rotate", turned / math.radians(feel.turn_deg)
    if margin < 1:
        return UNKNOWN
    between = max(widened, turned) / (widened + turned)
    return Answer(label, min(1 - 0.5 / margin, between), told)
