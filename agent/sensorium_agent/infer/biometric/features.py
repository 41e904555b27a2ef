"""The 32 numbers of a biometric event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.biometric.arousal import MEASURES
from sensorium_agent.infer.biometric.pulse import Beats, Floats
from sensorium_agent.infer.biometric.rhythm import Rate

FEATURES: Final = 32
_RECENT: Final = 8


@dataclass(frozen=True, slots=True)
class Body:
    """What is known of the person beside the newest beats; 0 where it is not.

    Attributes:
        level_us: skin conductance.
        responses_per_min: of the skin.
        differences: of `arousal.MEASURES` from what is usual.
        arousal: its probability; 0.5 where nobody knows.
        contact: how well the sensor sits, 0 to 1.
    """

    level_us: float = 0.0
    responses_per_min: float = 0.0
    differences: Mapping[str, float] = field(default_factory=dict)
    arousal: float = 0.5
    contact: float = 1.0


def features(rate: Rate | None, beats: Beats | None, quality: float, body: Body) -> npt.NDArray[np.float32]:
    """The 32 numbers; what was not measured is 0.

    [0] bpm / 200; [1] mean interval in s; [2] its standard deviation and [3] root mean square of successive
    differences, in 100 ms; [4], [5] share of successive differences above 20 and 50 ms; [6] shortest and [7] longest
    interval in s; [8] trend of the intervals, s a beat, times 10; [9] share of intervals that fit the rhythm; [10]
    periodicity; [11] quality; [12] deviation of the beats' heights over the usual one; [13] trend of the heights; [14]
    skewness and [15] kurtosis / 10 of the curve; [16] log (1 + skin conductance level) / 3; [17] responses of the skin
    a minute / 10; [18:22] the differences of rate, log RMSSD, log level and log rise of the responses from this
    person's usual, over what is usual within a person, / 4; [22] probability of arousal; [23] contact; [24:32] the last
    8 intervals over their mean, minus 1, newest last, 0 where there were fewer.
    """
    heart = _rhythm(rate) if rate else [0.0] * 10
    curve = _curve(beats) if beats else [0.0] * 4
    periodic = beats.periodic if beats else float(rate is not None)
    apart = [body.differences.get(name, 0.0) / 4 for name in MEASURES]
    known = [float(np.log1p(body.level_us)) / 3, body.responses_per_min / 10, *apart, body.arousal, body.contact]
    numbers = [*heart, periodic, quality, *curve, *known, *(_newest(rate.steady_s) if rate else [0.0] * _RECENT)]
    return np.asarray(numbers, np.float32)


def _rhythm(rate: Rate) -> list[float]:
    steady = rate.steady_s
    change = np.diff(steady)
    return [
        rate.bpm / 200,
        float(steady.mean()),
        10 * float(steady.std()),
        10 * float(np.sqrt(np.mean(change**2))),
        float(np.mean(np.abs(change) > 0.02)),
        float(np.mean(np.abs(change) > 0.05)),
        float(steady.min()),
        float(steady.max()),
        10 * _trend(steady),
        rate.share,
    ]


def _curve(beats: Beats) -> list[float]:
    spread = float(beats.curve.std()) or 1.0
    normal = np.clip((beats.curve - beats.curve.mean()) / spread, -10, 10)
    shape = [float(np.mean(normal**3)), float(np.mean(normal**4)) / 10]
    return [float(beats.heights.std()), _trend(beats.heights), *shape]


def _newest(steady: Floats) -> list[float]:
    newest = steady[-_RECENT:] / steady.mean() - 1
    return [*[0.0] * (_RECENT - len(newest)), *map(float, newest)]


def _trend(values: Floats) -> float:
    """Slope of the straight line through ``values`` (at least 2), per step."""
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    return float(steps @ values / (steps @ steps))
