"""How well are touches understood? Made strokes with jitter, any rate, size and slant, against what was meant.

    python models/build/touch.py [--each 500] [--seed 1]

The strokes are made by `stroke` below, not recorded: the figures say that the rules keep their promises over
the ranges given there, not how people swipe.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from sensorium.event import EventStream, Modality, Sample, Touch, TouchPhase
from sensorium_agent.infer.touch import TouchPerceiver

TURNS = {"swipe_right": 0.0, "swipe_down": 90.0, "swipe_left": 180.0, "swipe_up": 270.0}
MEANT = ("tap", "double_tap", "long_press", *TURNS, "none")
Path = list[tuple[float, float, float]]  # seconds, x, y


def stroke(meant: str, rng: np.random.Generator) -> list[Path]:
    """Fingers' paths from down to up, without noise: 1 s is 1 s, 1 is the pad's width."""
    x, y = rng.uniform(0.2, 0.8, 2)
    if meant in TURNS:
        return [_swipe(x, y, TURNS[meant] + rng.uniform(-25, 25), rng)]
    if meant == "none":
        return [_wander(x, y, rng)]
    if meant == "long_press":
        return [[(0.0, x, y), (rng.uniform(0.6, 1.5), x, y)]]
    first = [(0.0, x, y), (rng.uniform(0.03, 0.25), x, y)]
    if meant == "tap":
        return [first]
    again, u, v = first[-1][0] + rng.uniform(0.05, 0.25), *(np.array([x, y]) + rng.normal(0, 0.02, 2))
    return [first, [(again, u, v), (again + rng.uniform(0.03, 0.2), u, v)]]


def _swipe(x: float, y: float, degrees: float, rng: np.random.Generator) -> Path:
    length, seconds, bow = rng.uniform(0.15, 0.8), rng.uniform(0.08, 0.4), rng.uniform(-0.12, 0.12)
    along = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
    across = np.array([-along[1], along[0]])
    at = np.linspace(0, 1, 50)
    eased = at**2 * (3 - 2 * at)  # a finger speeds up and slows down
    points = np.array([x, y]) + length * (eased[:, None] * along + bow * np.sin(np.pi * eased)[:, None] * across)
    return [(t * seconds, px, py) for t, (px, py) in zip(at.tolist(), points.tolist(), strict=True)]


def _wander(x: float, y: float, rng: np.random.Generator) -> Path:
    """A circle, there and back, or a slow drag: something, but nothing that has a name."""
    at = np.linspace(0, 1, 80)
    kind, size = rng.integers(3), rng.uniform(0.15, 0.3)
    if kind == 0:
        xs, ys, seconds = size * (np.cos(2 * np.pi * at) - 1), size * np.sin(2 * np.pi * at), 0.8
    elif kind == 1:
        xs, ys, seconds = size * np.sin(np.pi * at), 0.02 * at, 0.6
    else:
        xs, ys, seconds = size * at, 0 * at, size / 0.15
    return list(zip((at * seconds).tolist(), (x + xs).tolist(), (y + ys).tolist(), strict=True))


def samples(paths: list[Path], rng: np.random.Generator) -> Iterator[Sample]:
    """What a pad of some rate (30 to 240 Hz) and noise (up to 1/250 of its width) makes of the paths."""
    rate_hz, noise, number = rng.uniform(30, 240), rng.uniform(0, 0.004), 0
    for path in paths:
        times, xs, ys = (np.array(column) for column in zip(*path, strict=True))
        at = np.append(np.arange(times[0], times[-1], 1 / rate_hz), times[-1])
        for i, t in enumerate(at):
            phase = TouchPhase.DOWN if i == 0 else TouchPhase.UP if i == len(at) - 1 else TouchPhase.MOVE
            x, y = (float(np.interp(t, times, axis) + rng.normal(0, noise)) for axis in (xs, ys))
            yield Sample(Modality.HAPTIC, "pad", number, int(t * 1e9), Touch(0, phase, x, y))
            number += 1


def understood(given: Iterator[Sample]) -> list[str]:
    """The labels of the events, None as "none"."""
    perceiver = TouchPerceiver(EventStream("s", Modality.HAPTIC))
    events = [event for sample in given for event in perceiver.perceive(sample)]
    return [event.label or "none" for event in [*events, *perceiver.finish(0)]]


def wilson(right: int, of: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z, share = 1.96, right / of
    centre, spread = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (centre - spread) / (1 + z * z / of), (centre + spread) / (1 + z * z / of)


def main() -> None:
    """Print the share of each kind that was understood as exactly that one event."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=500, help="strokes of each kind")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    total = 0
    for meant in MEANT:
        answers = Counter("+".join(understood(samples(stroke(meant, rng), rng))) for _ in range(options.each))
        right = answers.pop(meant, 0)
        total += right
        low, high = wilson(right, options.each)
        print(f"{meant:<12} {right / options.each:.3f} [{low:.3f}, {high:.3f}]  else: {dict(answers.most_common(4))}")
    low, high = wilson(total, options.each * len(MEANT))
    print(f"{'all':<12} {total / options.each / len(MEANT):.3f} [{low:.3f}, {high:.3f}] of {options.each * len(MEANT)}")


if __name__ == "__main__":
    main()
