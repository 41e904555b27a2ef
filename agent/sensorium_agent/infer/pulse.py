"""The beats in a raw photoplethysmogram, and what they say about the heart. Pure numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FEATURES: Final = 32
_RECENT: Final = 16

_LOWEST_HZ: Final = 0.5
_HIGHEST_HZ: Final = 8.0
# Elgendi et al. 2013, "Systolic peak detection in acceleration photoplethysmograms measured from emergency
# responders in tropical conditions", PLoS ONE 8(10): the two moving averages and the offset.
_PEAK_S: Final = 0.111
_BEAT_S: Final = 0.667
_OFFSET: Final = 0.02
_REFRACTORY_S: Final = 0.27  # 220 beats a minute
_RHYTHM: Final = 0.3  # an interval farther than this share from the median is a missed or an extra beat
_LEAST_INTERVALS: Final = 3
_ROUNDING: Final = 1e-6  # a few units in the last place of float32


class Biquad:
    """One second-order section, run sample by sample (direct form II, transposed).

    Coefficients: R. Bristow-Johnson, Cookbook formulae for audio EQ biquad filter coefficients, with
    Q = 1 / sqrt 2 (Butterworth).
    """

    def __init__(self, kind: str, corner_hz: float, rate_hz: float) -> None:
        turn = 2 * math.pi * corner_hz / rate_hz
        alpha, cosine = math.sin(turn) * math.sqrt(0.5), math.cos(turn)
        edge = 1 + cosine if kind == "high" else 1 - cosine
        middle = -edge if kind == "high" else edge
        gain = 1 + alpha
        self._b = (edge / 2 / gain, middle / gain, edge / 2 / gain)
        self._a = (-2 * cosine / gain, (1 - alpha) / gain)
        self._state = (0.0, 0.0)

    def run(self, values: Sequence[float]) -> list[float]:
        """The filtered values; the state goes on in the next call."""
        (b0, b1, b2), (a1, a2), (s1, s2) = self._b, self._a, self._state
        out = []
        for x in values:
            y = b0 * x + s1
            s1 = b1 * x - a1 * y + s2
            s2 = b2 * x - a2 * y
            out.append(y)
        self._state = (s1, s2)
        return out


class Band:
    """Keeps what a heart can do: 0.5 to 8 Hz (or 0.4 of the rate, if that is less)."""

    def __init__(self, rate_hz: float) -> None:
        self._high = Biquad("high", _LOWEST_HZ, rate_hz)
        self._low = Biquad("low", min(_HIGHEST_HZ, 0.4 * rate_hz), rate_hz)
        self._base: float | None = None
        self.grain = 0.0
        """What is smaller than this may be no more than the rounding of float32 input."""

    def run(self, values: npt.NDArray[np.float32]) -> Floats:
        """The filtered values; the first one is taken as level, so that it makes no step."""
        if self._base is None and len(values):
            self._base = float(values[0])
        self.grain = max(self.grain, _ROUNDING * float(np.abs(values).max(initial=0.0)))
        level = (values.astype(np.float64) - (self._base or 0.0)).tolist()
        return np.asarray(self._low.run(self._high.run(level)), np.float64)


def peaks(band: Floats, rate_hz: float) -> Floats:
    """Where the beats are in a filtered stretch: positions in samples, with fractions, in order.

    Elgendi's two moving averages over the squared upper half mark where beats are; the highest point
    of each mark, refined by a parabola through its neighbours, is the beat.
    """
    energy = np.clip(band, 0.0, None) ** 2
    peak = _average(energy, _PEAK_S * rate_hz)
    marked = peak > _average(energy, _BEAT_S * rate_hz) + _OFFSET * energy.mean()
    edges = np.flatnonzero(np.diff(marked.astype(np.int8), prepend=0, append=0))
    least = _PEAK_S * rate_hz
    found = [b + int(np.argmax(band[b:e])) for b, e in zip(edges[::2], edges[1::2], strict=True) if e - b >= least]
    return _refined(band, _apart(band, found, _REFRACTORY_S * rate_hz))


def _average(values: Floats, width: float) -> Floats:
    size = max(2 * round((width - 1) / 2) + 1, 1)
    return np.convolve(values, np.full(size, 1 / size), mode="same")


def _apart(band: Floats, found: Sequence[int], least: float) -> list[int]:
    """Of beats closer than a heart can beat, the higher one."""
    kept: list[int] = []
    for at in found:
        if kept and at - kept[-1] < least:
            kept[-1] = max(kept[-1], at, key=lambda i: float(band[i]))
        else:
            kept.append(at)
    return kept


def _refined(band: Floats, found: Sequence[int]) -> Floats:
    # A beat at the very edge may still rise.
    at = np.asarray([i for i in found if 0 < i < len(band) - 1], np.int64)
    before, here, after = band[at - 1], band[at], band[at + 1]
    curve = before - 2 * here + after
    shift = np.divide(before - after, 2 * curve, out=np.zeros(len(at)), where=curve < 0)
    return np.asarray(at + np.clip(shift, -0.5, 0.5), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Beats:
    """What the last seconds of a pulse say.

    Attributes:
        bpm: beats a minute: 60 / mean of the intervals that fit the rhythm.
        bpm_error: standard error of ``bpm``.
        quality: 0 to 1: how periodic the curve is, times the share of intervals that fit the rhythm.
        span_s: from the first beat to the end of the stretch.
        features: float32 [32], see `beats`.
    """

    bpm: float
    bpm_error: float
    quality: float
    span_s: float
    features: npt.NDArray[np.float32]


def beats(band: Floats, rate_hz: float) -> Beats | None:
    """What a filtered stretch of about 8 s says; None where it holds no rhythm.

    Features: [0] bpm / 200; [1] mean interval in s; [2] its standard deviation and [3] root mean square of
    successive differences, in 100 ms; [4], [5] share of successive differences above 20 and 50 ms;
    [6] shortest and [7] longest interval in s; [8] trend of the intervals, s a beat, times 10; [9] share of
    intervals that fit the rhythm; [10] periodicity; [11] quality; [12] deviation of the peak heights
    over their mean; [13] trend of the heights over their mean; [14] skewness and [15] kurtosis / 10 of the curve;
    [16:32] the last 16 intervals over their mean, minus 1, newest last, 0 where there were fewer.
    """
    at = peaks(band, rate_hz)
    intervals = np.diff(at) / rate_hz
    if len(intervals) < _LEAST_INTERVALS:
        return None
    fits = np.abs(intervals / np.median(intervals) - 1) <= _RHYTHM
    steady = intervals[fits]
    if len(steady) < _LEAST_INTERVALS:
        return None
    share, mean = float(fits.mean()), float(steady.mean())
    periodic = _periodicity(band, mean * rate_hz)
    quality = share * periodic
    error = 60 / mean**2 * float(steady.std()) / math.sqrt(len(steady))
    heights = band[at.astype(np.int64)]
    figures = [*_rhythm(steady), share, periodic, quality, *_height(heights), *_curve(band)]
    features = np.asarray([*figures, *_newest(steady)], np.float32)
    return Beats(60 / mean, error, quality, (len(band) - at[0]) / rate_hz, features)


def _periodicity(band: Floats, period: float) -> float:
    """How alike the curve is one beat later: normalised autocorrelation, 0 to 1, at the best lag within 10 %."""
    lags = range(max(int(period * 0.9), 1), int(period * 1.1) + 2)
    return max((_alike(band[:-lag], band[lag:]) for lag in lags if lag < len(band)), default=0.0)


def _alike(one: Floats, other: Floats) -> float:
    scale = math.sqrt(float(one @ one) * float(other @ other))
    return max(float(one @ other) / scale, 0.0) if scale > 0 else 0.0


def _rhythm(steady: Floats) -> list[float]:
    change = np.diff(steady)
    return [
        60 / float(steady.mean()) / 200,
        float(steady.mean()),
        10 * float(steady.std()),
        10 * math.sqrt(float(np.mean(change**2))),
        float(np.mean(np.abs(change) > 0.02)),
        float(np.mean(np.abs(change) > 0.05)),
        float(steady.min()),
        float(steady.max()),
        10 * _trend(steady),
    ]


def _height(heights: Floats) -> list[float]:
    mean = float(np.abs(heights).mean()) or 1.0
    return [float(heights.std()) / mean, _trend(heights) / mean]


def _curve(band: Floats) -> list[float]:
    spread = float(band.std()) or 1.0
    normal = np.clip((band - band.mean()) / spread, -10, 10)
    return [float(np.mean(normal**3)), float(np.mean(normal**4)) / 10]


def _newest(steady: Floats) -> Floats:
    newest = steady[-_RECENT:] / steady.mean() - 1
    return np.pad(newest, (_RECENT - len(newest), 0))


def _trend(values: Floats) -> float:
    """Slope of the straight line through ``values`` (at least 2), per step."""
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    return float(steps @ values / (steps @ steps))
