"""The beats in a raw photoplethysmogram, of any rate and either way up. Pure numpy.

Nothing is filtered as it comes: each look at the newest seconds filters them whole, without delay, so that what
happened before them (a slipped sensor, a step of its level) leaves no trace.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LOWEST_HZ: Final = 0.5
_HIGHEST_HZ: Final = 8.0
_ORDER: Final = 3
_SHORTEST_S: Final = 0.27
_LONGEST_S: Final = 1.8
"""220 and 33 beats a minute."""
_FIRST: Final = 0.8
"""A shorter period that repeats so nearly as well as the best one is the period itself."""
_APART: Final = 0.55
"""Of a period: what is closer to a beat is part of it, not another beat."""
_LOW: Final = 0.35
"""Of the usual height: what is lower is no beat."""
_CLEAR: Final = 0.75
_OVERTONES: Final = 2.5
_ROUNDING: Final = 1e-6
"""A few units in the last place of float32."""
_GAIN_S: Final = 2.5
_LEAST_HZ: Final = 9.5
"""Below, a beat falls between the values: what repeats is not the heart."""


@dataclass(frozen=True, slots=True, eq=False)
class Beats:
    """The beats of a stretch.

    Attributes:
        at: their places in samples, with fractions, in order.
        heights: of each, over the usual one.
        periodic: how alike the curve is one beat later: 0 to 1.
        alike: how alike the beats are to their average: 0 to 1.
        period: samples from one to the next.
        curve: the filtered stretch, upside up, of about constant height.
    """

    at: Floats
    heights: Floats
    periodic: float
    alike: float
    period: float
    curve: Floats


def find(values: npt.NDArray[np.floating], rate_hz: float) -> Beats | None:
    """The beats in a raw stretch of some seconds; None where nothing repeats as a heart does, or below 10 Hz."""
    if rate_hz < _LEAST_HZ or len(values) < 2 * _SHORTEST_S * rate_hz or flat(values):
        return None
    curve = levelled(band(values.astype(np.float64), rate_hz), rate_hz)
    curve = curve * (1.0 if upright(curve) >= 0 else -1.0)
    period, periodic = fundamental(curve, rate_hz)
    if period <= 0:
        return None
    fine = curve if periodic > _CLEAR else band(curve, rate_hz, highest_hz=_OVERTONES * rate_hz / period)
    at = _peaks(fine, period)
    if len(at) < 2:
        return None
    heights = fine[np.rint(at).astype(np.int64)]
    return Beats(at, heights / max(float(np.median(heights)), 1e-9), periodic, _alike(curve, at, period), period, fine)


def flat(values: npt.NDArray[np.floating]) -> bool:
    """Whether there is nothing in ``values`` but the rounding of float32."""
    return float(np.ptp(values)) <= _ROUNDING * float(np.abs(values).max(initial=0.0))


def band(values: Floats, rate_hz: float, *, highest_hz: float = _HIGHEST_HZ) -> Floats:
    """What a heart can do of ``values`` [n]: 0.5 to 8 Hz, or to 0.4 of the rate; without delay.

    The gain is that of Butterworth's filters, of third order at each end; the ends are mirrored.
    """
    level = values - values.mean()
    mirrored = np.concatenate([2 * level[0] - level[:0:-1], level, 2 * level[-1] - level[-2::-1]])
    frequencies = np.fft.rfftfreq(len(mirrored), 1 / rate_hz)
    high = 1 / np.sqrt(1 + (_LOWEST_HZ / np.maximum(frequencies, 1e-9)) ** (2 * _ORDER))
    low = 1 / np.sqrt(1 + (frequencies / min(highest_hz, 0.4 * rate_hz)) ** (2 * _ORDER))
    filtered = np.fft.irfft(np.fft.rfft(mirrored) * high * low, len(mirrored))
    return np.asarray(filtered[len(values) - 1 : 2 * len(values) - 1], np.float64)


def levelled(curve: Floats, rate_hz: float) -> Floats:
    """``curve`` over its own size within 2.5 s: a finger that presses harder changes no rhythm."""
    width = min(round(_GAIN_S * rate_hz) | 1, len(curve) // 2 * 2 - 1)
    power = np.pad(curve**2, width // 2, mode="reflect")
    sums = np.cumsum(np.concatenate([[0.0], power]))
    size = np.sqrt(np.maximum(sums[width:] - sums[:-width], 0.0) / width)
    return np.asarray(curve / np.maximum(size, 0.2 * float(np.median(size)) + 1e-12), np.float64)


def upright(curve: Floats) -> float:
    """The skewness of ``curve``: its beats are its narrow side, whichever way the sensor counts."""
    return float(np.mean(curve**3)) / max(math.pow(float(np.mean(curve**2)), 1.5), 1e-12)


def fundamental(curve: Floats, rate_hz: float) -> tuple[float, float]:
    """The period of ``curve`` in samples and how well it repeats after one (0 to 1); 0, 0 where nothing does.

    The normalised autocorrelation's first summit that is nearly as high as its highest.
    """
    size = 1 << (2 * len(curve) - 1).bit_length()
    spectrum = np.fft.rfft(curve, size)
    products = np.fft.irfft(spectrum * spectrum.conj(), size)[: len(curve)]
    sums = np.cumsum(np.concatenate([[0.0], curve**2]))
    lags = np.arange(len(curve))
    norm = np.sqrt(np.maximum(sums[len(curve) - lags] * (sums[-1] - sums[lags]), 1e-12))
    alike = products / norm
    least, most = round(_SHORTEST_S * rate_hz), min(round(_LONGEST_S * rate_hz), len(curve) * 2 // 3)
    summits = [k for k in range(max(least, 1), most) if alike[k - 1] < alike[k] >= alike[k + 1] and alike[k] > 0]
    if not summits:
        return 0.0, 0.0
    best = max(float(alike[k]) for k in summits)
    first = next(k for k in summits if alike[k] >= _FIRST * best)
    return _summit(alike, first), float(min(alike[first], 1.0))


def _summit(values: Floats, at: int) -> float:
    """The place of a summit, refined by the parabola through its neighbours."""
    before, here, after = map(float, values[at - 1 : at + 2])
    bend = before - 2 * here + after
    return at + min(max((before - after) / (2 * bend), -0.5), 0.5) if bend < 0 else float(at)


def _peaks(curve: Floats, period: float) -> Floats:
    """The summits that are beats: the highest within half a period, high enough, none at the very edge."""
    summits = np.flatnonzero((curve[1:-1] > curve[:-2]) & (curve[1:-1] >= curve[2:])) + 1
    summits = summits[curve[summits] > 0]
    kept: list[int] = []
    for at in sorted(summits.tolist(), key=lambda k: -float(curve[k])):
        if all(abs(at - other) >= _APART * period for other in kept):
            kept.append(at)
    usual = float(np.median(curve[kept])) if kept else 0.0
    return np.asarray(sorted(_summit(curve, k) for k in kept if curve[k] >= _LOW * usual), np.float64)


def _alike(curve: Floats, at: Floats, period: float) -> float:
    """Mean correlation of the beats with their average (Orphanidou et al. 2015), 0 to 1."""
    half = max(round(period * 0.45), 2)
    places = [k for k in np.rint(at).astype(int).tolist() if half <= k < len(curve) - half]
    if len(places) < 2:
        return 0.0
    shapes = np.stack([curve[k - half : k + half] for k in places])
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    shapes = shapes / np.maximum(np.linalg.norm(shapes, axis=1, keepdims=True), 1e-12)
    average = shapes.mean(axis=0)
    return float(np.clip((shapes @ average).mean() / max(float(np.linalg.norm(average)), 1e-12), 0.0, 1.0))


def clipped_share(values: npt.NDArray[np.floating]) -> float:
    """The share of ``values`` that sits at the very top or bottom of them, beyond what one summit explains."""
    if flat(values):
        return 1.0
    edges = (values >= values.max()).sum(), (values <= values.min()).sum()
    return float(max(max(edges) - 2, 0)) / len(values)


def held_share(values: npt.NDArray[np.floating]) -> float:
    """The share of ``values`` that repeat the one before: a sensor that holds its last value."""
    return float(np.mean(np.diff(values) == 0)) if len(values) > 1 else 1.0
