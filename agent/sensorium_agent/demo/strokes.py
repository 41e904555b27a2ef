"""Makes the touch strokes of the demo; they are simulated, since nobody's finger was recorded.

    python -m sensorium_agent.demo.strokes > strokes.jsonl

A finger lands, moves with minimum jerk along a slight arc, trembles, and lifts; a touch screen samples it at
about 100 Hz. The same seed gives the same file.
Source of the movement: T. Flash and N. Hogan, The Coordination of Arm Movements, 1985 (minimum jerk); of
the tremor: 8 to 12 Hz in healthy hands (Elble and Koller, Tremor, 1990).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

SEED: Final = 20_261_123
_RATE_HZ: Final = 100.0
_TREMOR_HZ: Final = 10.0
_TREMOR: Final = 0.002
"""Of the pad's width."""
_NOISE: Final = 0.0006


@dataclass(frozen=True, slots=True)
class Stroke:
    """One finger from landing to lifting; places in pad widths.

    Attributes:
        at_s: when it lands.
        for_s: until it lifts.
        begin, end: where.
    """

    at_s: float
    for_s: float
    begin: tuple[float, float]
    end: tuple[float, float]


def still(at_s: float, for_s: float, x: float, y: float) -> Stroke:
    """A finger that does not mean to move."""
    return Stroke(at_s, for_s, (x, y), (x + 0.002, y + 0.003))


STORY: Final = (
    Stroke(17.0, 0.24, (0.78, 0.33), (0.31, 0.36)),  # swipe left
    still(19.5, 0.09, 0.52, 0.30),  # double tap
    still(19.72, 0.08, 0.525, 0.305),
    still(21.5, 0.10, 0.30, 0.42),  # tap
    still(41.0, 0.95, 0.60, 0.25),  # long press
)


def points(stroke: Stroke, random: np.random.Generator) -> Iterator[dict[str, object]]:
    """The samples of one stroke."""
    steps = max(2, round(stroke.for_s * _RATE_HZ))
    jitter = random.normal(0, 0.0004, steps + 1)
    begin, end = np.array(stroke.begin), np.array(stroke.end)
    across = np.array([begin[1] - end[1], end[0] - begin[0]])
    bow, phase = random.normal(0, 0.03), random.uniform(0, 2 * np.pi, 2)
    for step in range(steps + 1):
        part = step / steps
        at_s = stroke.at_s + part * stroke.for_s + (jitter[step] if 0 < step < steps else 0.0)
        way = 10 * part**3 - 15 * part**4 + 6 * part**5
        place = begin + way * (end - begin) + bow * np.sin(np.pi * way) * across
        place = place + _TREMOR * np.sin(2 * np.pi * _TREMOR_HZ * at_s + phase) + random.normal(0, _NOISE, 2)
        phase_name = "down" if step == 0 else "up" if step == steps else "move"
        x, y = (round(float(v), 4) for v in place)
        yield {"t_s": round(float(at_s), 4), "pointer": 0, "phase": phase_name, "x": x, "y": y}


def lines(seed: int = SEED) -> bytes:
    """The whole file."""
    random = np.random.default_rng(seed)
    return b"".join(msgspec.json.encode(point) + b"\n" for stroke in STORY for point in points(stroke, random))


if __name__ == "__main__":
    sys.stdout.buffer.write(lines())
