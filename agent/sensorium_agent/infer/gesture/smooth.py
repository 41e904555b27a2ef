"""Joints without jitter and nearly without lag: a low-pass filter that opens as the hand moves.

The one-euro filter of G. Casiez, N. Roussel, D. Vogel, "1 Euro Filter: a simple speed-based low-pass filter for noisy
input in interactive systems", CHI 2012, with speeds counted in hands a second, so that it treats a hand far away as it
treats a near one. ``bench/tracking.py`` prints what its two constants cost and bring.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Softness:
    """How much is smoothed.

    Attributes:
        still_hz: cutoff for a hand at rest: lower is calmer.
        opening: how many hertz the cutoff rises for each hand's size a second: higher lags less.
        speed_hz: cutoff of the speed itself.
    """

    still_hz: float = 1.5
    opening: float = 12.0
    speed_hz: float = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Smoothed:
    """Joints after smoothing, and how fast they go: float32 [21, 3], pixels and pixels a second."""

    joints: Floats
    speed: Floats
    at_ns: int

    @classmethod
    def start(cls, joints: Floats, at_ns: int) -> Smoothed:
        """The first sight of a hand is believed."""
        return cls(joints, np.zeros_like(joints), at_ns)

    def then(self, joints: Floats, at_ns: int, size: float, softness: Softness | None = None) -> Smoothed:
        """With the joints measured at ``at_ns``, of a hand ``size`` pixels large."""
        softness = softness or Softness()
        past_s = max((at_ns - self.at_ns) / 1e9, 1e-6)
        speed = self.speed + _share(softness.speed_hz, past_s) * ((joints - self.joints) / past_s - self.speed)
        # One cutoff for the whole hand: fingers that lag behind their palm would bend.
        pace = float(np.linalg.norm(speed[:, :2], axis=1).mean()) / max(size, 1.0)
        share = _share(softness.still_hz + softness.opening * pace, past_s)
        return Smoothed((self.joints + share * (joints - self.joints)).astype(np.float32), speed, at_ns)


def _share(cutoff_hz: float, past_s: float) -> np.float32:
    """How much of a new value counts after ``past_s``."""
    return np.float32(1 / (1 + 1 / (2 * math.pi * cutoff_hz * past_s)))
