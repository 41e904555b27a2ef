"""From the times between beats to the heart's rate and how it varies."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SHORTEST_S: Final = 0.27
LONGEST_S: Final = 2.2
_FITS: Final = 0.3
"""An interval farther than this share from the median is a missed or an extra beat."""
_NEIGHBOURS: Final = 5
_STRICT: Final = 0.2
"""For variability the limit is Malik's, against the neighbours (Malik et al. 1989)."""
_LEAST: Final = 3
_LEAST_FOR_VARIABILITY: Final = 15


@dataclass(frozen=True, slots=True, eq=False)
class Rate:
    """Beats a minute of the intervals that fit the rhythm, its standard error, the share that fit, and those."""

    bpm: float
    error_bpm: float
    share: float
    steady_s: Floats


def rate_of(intervals_s: npt.ArrayLike) -> Rate | None:
    """The rate in some seconds of intervals; None where fewer than three fit a rhythm."""
    intervals = np.asarray(intervals_s, np.float64)
    fits = (intervals >= SHORTEST_S) & (intervals <= LONGEST_S)
    if fits.sum() < _LEAST:
        return None
    fits &= np.abs(intervals / np.median(intervals[fits]) - 1) <= _FITS
    steady = intervals[fits]
    if len(steady) < _LEAST:
        return None
    mean = float(steady.mean())
    return Rate(60 / mean, 60 / mean**2 * float(steady.std()) / math.sqrt(len(steady)), float(fits.mean()), steady)


@dataclass(frozen=True, slots=True)
class Variability:
    """How the heart's rhythm varies; the definitions are those of the Task Force (European Heart Journal 17, 1996).

    Attributes:
        rmssd_ms: root mean square of successive differences.
        sdnn_ms: standard deviation of the intervals.
        pnn50: share of successive differences above 50 ms.
        count: intervals that were counted.
    """

    rmssd_ms: float
    sdnn_ms: float
    pnn50: float
    count: int


def variability(intervals_s: npt.ArrayLike) -> Variability | None:
    """Of a minute or so of intervals; extra and missed beats and their neighbours are left out.

    None where fewer than 15 are left, or less than two thirds.
    """
    intervals = np.asarray(intervals_s, np.float64)
    good = normal(intervals)
    if good.sum() < max(_LEAST_FOR_VARIABILITY, 2 / 3 * len(intervals)):
        return None
    both = good[1:] & good[:-1]
    change = np.diff(intervals)[both]
    if len(change) < 2:
        return None
    rmssd = math.sqrt(float(np.mean(change**2)))
    sdnn = float(intervals[good].std(ddof=1))
    return Variability(rmssd * 1e3, sdnn * 1e3, float(np.mean(np.abs(change) > 0.05)), int(good.sum()))


def normal(intervals: Floats) -> npt.NDArray[np.bool_]:
    """Which intervals are between two normal beats: within a fifth of the median of their neighbours."""
    if not len(intervals):
        return np.zeros(0, np.bool_)
    padded = np.pad(intervals, _NEIGHBOURS // 2, mode="reflect" if len(intervals) > _NEIGHBOURS else "edge")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, _NEIGHBOURS), axis=1)
    possible = (intervals >= SHORTEST_S) & (intervals <= LONGEST_S)
    return np.asarray(possible & (np.abs(intervals / around - 1) <= _STRICT))


class History:
    """The beats of the last minutes: their times, and which followed one another without a gap."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._intervals: deque[tuple[float, float]] = deque()
        self._last_s: float | None = None

    def beats(self, at_s: Iterable[float]) -> None:
        """The times of the next beats; what lies before the last known one is known already."""
        for beat_s in at_s:
            if self._last_s is not None:
                if beat_s <= self._last_s + SHORTEST_S:
                    continue
                self._add(beat_s, beat_s - self._last_s)
            self._last_s = beat_s

    def intervals(self, end_s: float, lengths_s: Sequence[float]) -> None:
        """The next intervals, the last of which ended at ``end_s``."""
        left_s = sum(lengths_s)
        for length_s in lengths_s:
            left_s -= length_s
            self._add(end_s - left_s, length_s)
        self._last_s = end_s

    def tear(self) -> None:
        """What comes next does not follow from what was: no interval spans the gap."""
        self._last_s = None

    def since(self, begin_s: float) -> Floats:
        """The intervals that ended after ``begin_s``, oldest first."""
        return np.asarray([length for end, length in self._intervals if end > begin_s], np.float64)

    def _add(self, end_s: float, length_s: float) -> None:
        if length_s <= 2 * LONGEST_S:
            self._intervals.append((end_s, length_s))
        while self._intervals and self._intervals[0][0] < end_s - self._keep_s:
            self._intervals.popleft()
