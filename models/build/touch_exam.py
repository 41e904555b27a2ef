"""The touches the rules are examined on, and were never developed on: another hand, other drawings, other pads.

The hand is that of the kinematic theory of rapid movements (R. Plamondon, Biological Cybernetics 72, 1995): each part
of a stroke has a lognormal speed, is an arc of a circle, and begins before the one before it is over. The pad is one of
10 to 240 Hz with jittered clocks, whole pixels, tremor of 8 to 12 Hz, and contacts that are lost for an instant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.event import Modality, Sample, Touch, TouchPhase

Floats = npt.NDArray[np.float64]

_HZ: Final = 1000.0
SWIPES: Final = {"swipe_right": 0.0, "swipe_down": 90.0, "swipe_left": 180.0, "swipe_up": 270.0}

# Parts of a drawing as (heading in degrees, length, bend in degrees), y down, positive to the right hand.
PARTS: Final = {
    "check": ((55, 0.6, 0), (-52, 1.3, 0)),
    "caret": ((-64, 1.1, 0), (62, 1.1, 0)),
    "vee": ((62, 1.1, 0), (-63, 1.1, 0)),
    "triangle": ((120, 1.0, 0), (0, 1.0, 0), (-120, 1.0, 0)),
    "box": ((90, 1.0, 0), (0, 1.15, 0), (-90, 1.0, 0), (180, 1.15, 0)),
    "zigzag": ((-75, 1.0, 0), (76, 1.0, 0), (-74, 1.0, 0), (75, 1.0, 0)),
    "star": ((-72, 1.05, 0), (72, 1.05, 0), (-142, 1.05, 0), (0, 1.05, 0), (142, 1.05, 0)),
    "bracket": ((180, 0.45, 0), (90, 1.15, 0), (0, 0.45, 0)),
    "pigtail": ((-35, 0.75, -20), (-140, 0.45, -170), (65, 0.9, -60)),
    "ess": ((150, 0.8, -200), (90, 0.9, 200)),
    "arrow": ((-45, 1.25, 0), (172, 0.42, 0), (-8, 0.42, 0), (97, 0.42, 0)),
    "heart": ((-160, 0.75, -170), (52, 0.75, -20), (-52, 0.75, -20), (-200, 0.75, -170)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Finger:
    """One finger's way at 1000 Hz: ``places`` is float64 [n, 2] in pad widths, from ``begin_s`` on."""

    begin_s: float
    places: Floats


def _drawn(parts: Sequence[tuple[float, float, float]], rng: np.random.Generator, *, quick: float = 1.0) -> Floats:
    """The places of a stroke of lognormal parts, from 0, 0 on."""
    velocity, onset = np.zeros((20_000, 2)), 0.0
    at = np.arange(20_000) / _HZ
    for heading, length, bend in parts:
        sigma, mu = rng.uniform(0.2, 0.4), math.log(quick * rng.uniform(0.12, 0.22) * math.sqrt(max(length, 0.3)))
        since = np.maximum(at - onset, 1e-9)
        speed = np.exp(-((np.log(since) - mu) ** 2) / (2 * sigma**2)) / (since * sigma * math.sqrt(2 * math.pi))
        share = np.cumsum(speed) / _HZ
        angle = np.radians(heading + bend * (share - 0.5))
        velocity += length * speed[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        onset += math.exp(mu) * (1.0 + rng.uniform(0.5, 0.9))
    end = int((onset + 2.0 * quick * 0.25) * _HZ)
    places = np.cumsum(velocity[:end], axis=0) / _HZ
    moving = np.flatnonzero(np.hypot(*velocity[:end].T) > 0.02)
    return np.asarray(places[max(moving[0] - 5, 0) : moving[-1] + 5])


def _set(places: Floats, size: float, degrees: float, rng: np.random.Generator) -> Floats:
    """Turned, scaled to ``size`` (its larger side), and put somewhere on the pad."""
    turn = math.radians(degrees)
    turned = places @ np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    turned = turned - turned.min(axis=0)
    scaled = turned * size / turned.max()
    return np.asarray(scaled + rng.uniform(0, np.maximum(1.0 - scaled.max(axis=0), 0.01)))


def drawing(name: str, rng: np.random.Generator, *, most_turn_deg: float = 30.0) -> list[Finger]:
    """One of `PARTS` by this hand: its parts' headings, lengths and bends are never twice the same."""
    parts = [
        (h + rng.normal(0, 4), length * rng.uniform(0.9, 1.1), bend * rng.uniform(0.9, 1.1) + rng.normal(0, 8))
        for h, length, bend in PARTS[name]
    ]
    places = _drawn(parts, rng, quick=rng.uniform(0.7, 2.0))
    return [Finger(0.0, _set(places, rng.uniform(0.15, 0.7), rng.uniform(-most_turn_deg, most_turn_deg), rng))]


def _still(seconds: float, place: Floats, rng: np.random.Generator, begin_s: float = 0.0) -> Finger:
    """A finger that rolls a little while it rests."""
    roll = np.linspace(0, 1, max(int(seconds * _HZ), 2))[:, None] * rng.normal(0, 0.004, 2)
    return Finger(begin_s, place + roll)


def touch(meant: str, rng: np.random.Generator) -> list[Finger]:
    """The fingers of one touch."""
    if meant in SWIPES:
        parts = [(SWIPES[meant] + rng.uniform(-28, 28), 1.0, rng.uniform(-60, 60))]
        return [Finger(0.0, _set(_drawn(parts, rng, quick=rng.uniform(0.4, 2.2)), rng.uniform(0.1, 0.85), 0, rng))]
    if meant in {"tap", "double_tap", "long_press"}:
        return _resting(meant, rng)
    if meant == "circle":
        parts = [(rng.uniform(0, 360), 1.0, rng.choice([-1, 1]) * rng.uniform(330, 430))]
        squeezed = _drawn(parts, rng, quick=rng.uniform(1.5, 5.0)) * rng.uniform(0.75, 1.25, 2)
        return [Finger(0.0, _set(squeezed, rng.uniform(0.1, 0.6), rng.uniform(0, 360), rng))]
    return _nothing(rng) if meant == "none" else _two(meant, rng)


def _resting(meant: str, rng: np.random.Generator) -> list[Finger]:
    place = rng.uniform(0.15, 0.85, 2)
    if meant == "long_press":
        return [_still(rng.uniform(0.56, 3.0), place, rng)]
    if meant == "tap":
        return [_still(rng.uniform(0.04, 0.35), place, rng)]
    first, gap = rng.uniform(0.04, 0.18), rng.uniform(0.06, 0.26)
    second = _still(rng.uniform(0.04, 0.18), place + rng.normal(0, 0.02, 2), rng, first + gap)
    return [_still(first, place, rng), second]


def _nothing(rng: np.random.Generator) -> list[Finger]:
    """There and back, a hook, a half circle, or scribble: none of the names."""
    heading = rng.uniform(0, 360)
    kinds = (
        [(heading, 1.0, 0), (heading + 180, 0.8, 0)],
        [(heading, 1.0, 0), (heading + rng.choice([-1, 1]) * 90, 0.8, 0)],
        [(heading, 1.0, rng.choice([-1, 1]) * rng.uniform(180, 230))],
        [(rng.uniform(0, 360), rng.uniform(0.4, 1.0), rng.normal(0, 40)) for _ in range(6)],
    )
    parts = kinds[rng.integers(4)]
    return [Finger(0.0, _set(_drawn(parts, rng, quick=rng.uniform(0.8, 2.0)), rng.uniform(0.2, 0.6), 0, rng))]


def _two(meant: str, rng: np.random.Generator) -> list[Finger]:
    """Thumb and finger: each has its own speed and share of the work, and lands and lifts when it will."""
    way = _drawn([(0, 1.0, 0)], rng, quick=rng.uniform(0.8, 3.0))[:, 0]
    way = np.clip((way - way[0]) / (way[-1] - way[0]), 0, 1)
    near, far = rng.uniform(0.08, 0.15), rng.uniform(0.25, 0.55)
    begin, end = {
        "pinch": (far, near),
        "spread": (near, far),
        "rotate": (far * 0.8, far * 0.8 * rng.uniform(0.9, 1.1)),
    }[meant]
    turn = rng.choice([-1, 1]) * rng.uniform(30, 150) if meant == "rotate" else rng.normal(0, 8)
    share = rng.uniform(0.15, 0.85)  # of the finger; the rest is the thumb's
    angle = np.radians(rng.uniform(0, 360) + turn * way)
    apart = (begin + (end - begin) * way)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    home = rng.uniform(0.3, 0.7, 2) + way[:, None] * rng.normal(0, 0.01, 2)
    late, early = rng.uniform(0, 0.08, 2)
    first, second = home + share * apart, home - (1 - share) * apart
    held = np.repeat(second[-1:], int(early * _HZ), axis=0)
    return [Finger(0.0, first), Finger(late, np.concatenate([second[int(late * _HZ / 2) :], held]))]


# --- the pad -----------------------------------------------------------------------------


def felt(fingers: Sequence[Finger], rng: np.random.Generator, *, begin_s: float = 0.0) -> Iterator[Sample]:
    """What a pad makes of them: samples at a jittered rate, in whole pixels, some contacts lost for up to 30 ms."""
    rate_hz = math.exp(rng.uniform(math.log(10), math.log(240)))
    pixels, noise, tremor = rng.integers(240, 2560), rng.uniform(0, 0.003), rng.uniform(0, 0.002)
    found: list[tuple[float, Touch]] = []
    for pointer, finger in enumerate(fingers):
        for at_s, phase, place in _reports(finger, rate_hz, rng):
            shake = tremor * np.sin(2 * np.pi * 10 * at_s + np.array([pointer, pointer + 1.0])) + rng.normal(
                0, noise, 2
            )
            x, y = np.rint((place + shake) * pixels) / pixels
            found.append((begin_s + at_s, Touch(pointer, phase, float(x), float(y))))
    for number, (at_s, what) in enumerate(sorted(found, key=lambda pair: pair[0])):
        yield Sample(Modality.HAPTIC, "pad", number, round(at_s * 1e9), what)


def _reports(finger: Finger, rate_hz: float, rng: np.random.Generator) -> Iterator[tuple[float, TouchPhase, Floats]]:
    end_s = (len(finger.places) - 1) / _HZ
    steps = np.arange(1, max(int(end_s * rate_hz), 1)) / rate_hz
    at = np.concatenate([[0.0], steps + rng.uniform(-0.25, 0.25, len(steps)) / rate_hz, [end_s]])
    at = at[(at >= 0) & (at <= end_s)]
    lost = rng.uniform(0.3, 0.7) * end_s if rng.random() < 0.15 and end_s > 0.15 else math.inf
    back = lost + rng.uniform(0.008, 0.028)
    before, after = at[at < lost], at[at > back] if lost < math.inf else at[:0]
    told = [(t, TouchPhase.MOVE) for t in before.tolist()]
    if len(after):
        told += [(lost, TouchPhase.UP), (back, TouchPhase.DOWN), *((t, TouchPhase.MOVE) for t in after.tolist())]
    told[0], told[-1] = (told[0][0], TouchPhase.DOWN), (told[-1][0], TouchPhase.UP)
    return ((finger.begin_s + t, phase, _place(finger, t)) for t, phase in told)


def _place(finger: Finger, at_s: float) -> Floats:
    return np.asarray(finger.places[min(int(at_s * _HZ), len(finger.places) - 1)])
