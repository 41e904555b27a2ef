"""Stamps of a source that measures at a constant rate, made smooth by their numbers.

A source that takes 100 samples a second stamps them to the millisecond, or when its radio had time. Its
numbers say better when they were taken: sample n lies on a line over n. Gaps, losses and reordering do
not touch the line, since the number tells how many are missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from sensorium.clock_sync.line_filter import LineFilter

_S: Final = 1_000_000_000
_FIRST_NOISE_NS: Final = 3_000_000.0
"""What stamps are taken to scatter by, until that is known."""
_LEAST_NOISE_NS: Final = 50_000.0
_MEMORY: Final = 300
"""Samples over which the scatter is averaged."""
_PRIOR: Final = 8
_YOUNG: Final = 100
"""Samples the first guess of it counts for."""
_WALK: Final = 20_000.0**2
"""Variance (ns^2) by which the line may walk each second: as the clock it is read on."""
_RATE_ERROR: Final = 0.01
"""How far a declared rate may be off, as a share of it."""
_KNOWN_RATE_ERROR: Final = 20e-6
_RATE_WALK: Final = 10.0**2
"""Variance ((ns/s)^2) by which a rate walks each second."""
_SIGMAS: Final = 6.0
_BOUND_SIGMAS: Final = 4.0
_STRIKES: Final = 6
_FAR_NS: Final = 3_600 * _S
"""Farther than this from the line there is no telling how many were lost."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A sample's stamp, smoothed.

    Attributes:
        at_ns: when it was taken.
        error_ns: half width of the interval that holds the true instant, if the clock is right.
        off_ns: how far the stamp is off the line, where that is more than noise; then ``at_ns`` is the
            line's. Either the clock was set, or the source has paused without counting.
        jump_ns: the same, averaged, once six stamps in a row are equally far off: time to decide.
    """

    at_ns: int
    error_ns: int
    off_ns: int = 0
    jump_ns: int = 0


class Dejitter:
    """One source's line.

    Args:
        period_ns: from one sample to the next; 0 for a source that is not periodic: its stamps are
            left as they are.
        regularity: how far samples are taken beside the line, as a share of the period (one deviation).
            What stamps scatter beyond that is noise and goes.
        resolution_ns: the stamps' unit.
    """

    def __init__(self, period_ns: int, *, regularity: float = 0.02, resolution_ns: int = 1_000_000) -> None:
        self._period_ns = period_ns
        self._own_variance = (regularity * period_ns) ** 2
        self._resolution_ns = resolution_ns
        self._line: LineFilter | None = None
        self._origin = self._base_ns = 0
        self._newest = 0
        self._variance, self._count = _FIRST_NOISE_NS**2 + self._own_variance, 0
        self._off: list[float] = []
        self._slope: float | None = None
        """The period, as a line that was followed for long has shown it."""
        self._followed = 0

    @property
    def young(self) -> bool:
        """Whether the line has begun again lately: it may have begun at stamps of a clock just set."""
        return self._followed < _YOUNG

    def place(self, sequence: int, stamp_ns: int) -> Placed:
        """Where sample ``sequence``, stamped ``stamp_ns`` on our clock, belongs."""
        if self._period_ns == 0:
            return Placed(stamp_ns, self._resolution_ns)
        if self._line is None:
            return self._begin(sequence, stamp_ns)
        x = float(sequence - self._origin)
        value, variance = self._line.at(x)
        off = stamp_ns - self._base_ns - value
        if abs(off) > _SIGMAS * (variance + self._variance) ** 0.5 + self._resolution_ns:
            return self._outlier(value, variance, off)
        self._off.clear()
        placed = self._smooth(value, variance, off)
        if sequence != self._newest:  # twice the same says nothing new
            self._learn(x, stamp_ns, off)
            self._newest = max(self._newest, sequence)
        return placed

    def restart(self, sequence: int, stamp_ns: int) -> Placed:
        """The line begins again at this sample: the source has paused, or counts anew."""
        return self._begin(sequence, stamp_ns)

    def shift(self, by_ns: int) -> None:
        """The clock the stamps were read on was wrong all the time, and is corrected."""
        self._base_ns += by_ns

    # --- one stamp ---------------------------------------------------------------------------

    def _begin(self, sequence: int, stamp_ns: int) -> Placed:
        self._origin, self._base_ns, self._newest = sequence, stamp_ns, sequence
        self._off.clear()
        self._followed = 0
        period_s = self._period_ns / _S
        slope = self._period_ns if self._slope is None else self._slope
        rate_error = _RATE_ERROR if self._slope is None else _KNOWN_RATE_ERROR
        self._line = LineFilter(
            0.0,
            0.0,
            self._variance,
            slope=slope,
            slope_variance=(rate_error * self._period_ns) ** 2,
            value_walk=_WALK * period_s,
            slope_walk=_RATE_WALK * period_s**3,
        )
        return Placed(stamp_ns, self._error_ns(self._variance))

    def _smooth(self, value: float, variance: float, off: float) -> Placed:
        """Between line and stamp, nearer to the one that is known better."""
        noise = max(self._variance - self._own_variance, _LEAST_NOISE_NS**2)
        beside = self._own_variance + variance
        trust = beside / (beside + noise)
        return Placed(self._base_ns + round(value + trust * off), self._error_ns(trust * noise))

    def _learn(self, x: float, stamp_ns: int, off: float) -> None:
        assert self._line is not None
        self._count += 1
        self._followed += 1
        self._line.update(x, float(stamp_ns - self._base_ns), self._variance)
        self._variance += (off * off - self._variance) / min(self._count + _PRIOR, _MEMORY)
        if self._followed >= _MEMORY:
            self._slope = self._line.slope

    def _outlier(self, value: float, variance: float, off: float) -> Placed:
        """A stamp far off: the line is believed, until six in a row say the same."""
        if self._off and abs(off - self._off[-1]) > 2 * _SIGMAS * self._variance**0.5:
            self._off.clear()
        self._off.append(off)
        jump = 0
        if len(self._off) >= _STRIKES:
            jump = round(sum(self._off) / len(self._off))
            self._off.clear()
        error_ns = self._error_ns(self._own_variance + variance)
        return Placed(self._base_ns + round(value), error_ns, round(off), jump)

    def _error_ns(self, variance: float) -> int:
        return round(_BOUND_SIGMAS * math.sqrt(variance)) + self._resolution_ns // 2
