"""Dates runs of samples by their count: a sound card's clock is steadier than anyone's arrival."""

from __future__ import annotations

from collections import deque

_SETTLE_S = 10.0
_JUMP_NS = 150_000_000
_STRIKES = 3
_FLOOR_NS = 1_000_000


class RunDater:
    """When each run of a source with a constant rate ended, on our clock.

    The end of a run is the end of the one before plus its length. Measured ends correct that slowly, so
    that their jitter is averaged away while the drift of the source's crystal (some 100 ppm) is followed.
    Measurements that stay far off for three runs in a row, or samples known to be lost, set it anew.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._end_ns = 0.0
        self._runs = 0
        self._strikes = 0
        self._spread_ns = 0.0

    def end_ns(self, samples: int, measured_ns: int, *, lost: bool = False) -> int:
        """The end of a run of ``samples``, measured as ``measured_ns``; ``lost``: some are missing before it."""
        span_ns = samples / self._rate_hz * 1e9
        predicted = self._end_ns + span_ns
        off_ns = measured_ns - predicted
        self._strikes = self._strikes + 1 if abs(off_ns) > _JUMP_NS else 0
        if self._runs == 0 or lost or self._strikes >= _STRIKES:
            self._end_ns, self._runs, self._strikes = max(float(measured_ns), self._end_ns), 1, 0
        elif self._strikes:
            self._end_ns = predicted
        else:
            self._runs += 1
            gain = max(1.0 / self._runs, min(1.0, span_ns / (_SETTLE_S * 1e9)))
            self._end_ns = predicted + gain * off_ns
            self._spread_ns += gain * (abs(off_ns) - self._spread_ns)
        return round(self._end_ns)

    @property
    def error_ns(self) -> int:
        """Half width of the interval of `end_ns`: twice the mean deviation of the measurements, at least 1 ms."""
        return round(2 * self._spread_ns) + _FLOOR_NS


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
