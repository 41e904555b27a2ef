"""What a heart rate is called."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_LEAST_ERROR_BPM: Final = 1.0
_LEAP: Final = 0.3
_DOUBT: Final = 0.6


@dataclass(frozen=True, slots=True)
class Bounds:
    """What counts as a normal rate at rest, in beats a minute."""

    low_bpm: float = 50.0
    high_bpm: float = 100.0


NORMAL: Final = Bounds()


def plausible(bpm: float, recent_bpm: float | None) -> float:
    """How far a found rate can be believed, 0.3 to 1: slow waves of movement look like a slow heart.

    Rates below 50 are rare, and a heart does not leap by a third within seconds.
    """
    slow = min(max((bpm - 30) / 20, 0.5), 1.0)
    leap = abs(math.log(bpm / recent_bpm)) if recent_bpm else 0.0
    return slow * (1.0 if leap < _LEAP else _DOUBT)


def name(bpm: float, error_bpm: float, bounds: Bounds = NORMAL) -> tuple[str, float]:
    """The label of a rate and its probability, if the true rate is normally distributed around ``bpm``."""
    error = max(error_bpm, _LEAST_ERROR_BPM)
    low, high = _below(bounds.low_bpm, bpm, error), 1 - _below(bounds.high_bpm, bpm, error)
    answers = {"heart_rate_low": low, "heart_rate_normal": 1 - low - high, "heart_rate_high": high}
    return max(answers.items(), key=lambda answer: answer[1])


def _below(limit: float, mean: float, deviation: float) -> float:
    return 0.5 * (1 + math.erf((limit - mean) / deviation / math.sqrt(2)))
