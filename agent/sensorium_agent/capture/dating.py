"""Dates runs of samples by their count: a sound card's clock is steadier than anyone's arrival."""

from __future__ import annotations

from collections import deque
from math import inf
from statistics import median

_SETTLE_S = 10.0
_JUMP_NS = 150_000_000
_STRIKES = 3
_FLOOR_NS = 1_000_000
_WINDOW = 25
"""Measurements whose median is believed; half a second of sound."""
_FEW = 3
_FAR_NS = 5_000_000.0
_DOUBT_NS = 100_000_000
"""By so much a sound server was seen to misjudge its own delay when it began."""
_LEAST_STEP = 0.05
"""Share of a run's length by which its end follows the one before, at least: dates never go back."""


class RunDater:
    """When each run of a source with a constant rate ended, on our clock.

    The end of a run is the end of the one before plus its length. Measured ends correct that slowly, so
    that their jitter is averaged away while the drift of the source's crystal (some 100 ppm) is followed.
    Where the median of the last measurements is far from the dates, they were wrong - most often the
    first one - and are set right at once; so they are when samples are known to be lost, or three
    measurements in a row are very far off.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._anchor_ns = 0.0
        """Where the source's count began: the end of a run is this plus the length of all runs."""
        self._counted_ns = 0.0
        self._end_ns = 0.0
        self._begins: deque[float] = deque(maxlen=_WINDOW)
        """Where it began, by each of the last measurements."""
        self._runs = 0
        self._strikes = 0

    def end_ns(self, samples: int, measured_ns: int, *, lost: bool = False) -> int:
        """The end of a run of ``samples``, measured as ``measured_ns``; ``lost``: some are missing before it."""
        span_ns = samples / self._rate_hz * 1e9
        self._counted_ns += span_ns
        begin_ns = measured_ns - self._counted_ns
        off_ns = begin_ns - self._anchor_ns
        self._strikes = self._strikes + 1 if abs(off_ns) > _JUMP_NS else 0
        if self._runs == 0 or lost or self._strikes >= _STRIKES:
            self._restart(begin_ns)
        elif not self._strikes:
            self._follow(begin_ns, off_ns, span_ns)
        before_ns = self._end_ns or -inf
        self._end_ns = max(self._anchor_ns + self._counted_ns, before_ns + _LEAST_STEP * span_ns)
        return round(self._end_ns)

    def _restart(self, begin_ns: float) -> None:
        self._anchor_ns, self._runs, self._strikes = begin_ns, 1, 0
        self._begins.clear()
        self._begins.append(begin_ns)

    def _follow(self, begin_ns: float, off_ns: float, span_ns: float) -> None:
        self._runs += 1
        self._begins.append(begin_ns)
        middle_ns, far_ns = median(self._begins), _FAR_NS + 4 * self._scatter_ns
        if len(self._begins) >= _FEW and abs(middle_ns - self._anchor_ns) > far_ns:
            self._anchor_ns = middle_ns
            return
        slow = min(1.0, span_ns / (_SETTLE_S * 1e9))
        gain = slow if abs(off_ns) > far_ns else max(slow, 1.0 / self._runs)
        self._anchor_ns += gain * off_ns

    @property
    def _scatter_ns(self) -> float:
        """Median distance of the last measurements from their median."""
        middle_ns = median(self._begins)
        return median(abs(begin_ns - middle_ns) for begin_ns in self._begins)

    @property
    def error_ns(self) -> int:
        """Half width of the interval of `end_ns`: four times the measurements' scatter, at least 1 ms.

        Wide until the first measurements agree, and while dates wait for time to catch up with them.
        """
        ahead_ns = self._end_ns - (self._anchor_ns + self._counted_ns)
        doubt_ns = _DOUBT_NS if len(self._begins) < _FEW else 0
        return round(4 * self._scatter_ns + ahead_ns) + doubt_ns + _FLOOR_NS


class ClockOffset:
    """Another clock of this machine on ours: what is added to its time.

    A pair of readings can only be too far apart, by whatever ran between them (another thread may hold
    the interpreter for a second): the smallest difference of the last pairs is the truest.
    """

    def __init__(self, pairs: int = 512) -> None:
        self._differences: deque[int] = deque(maxlen=pairs)

    def observe(self, theirs_ns: int, ours_later_ns: int) -> int:
        """The offset after reading ``theirs_ns`` and then ``ours_later_ns``."""
        self._differences.append(ours_later_ns - theirs_ns)
        return min(self._differences)
