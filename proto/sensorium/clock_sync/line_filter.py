"""A line that is followed as it bends: the two-state Kalman filter behind clocks and sample grids."""

from __future__ import annotations

import math
from copy import copy
from typing import Self


class LineFilter:
    """Value and slope of something that grows steadily, from noisy readings.

    The state is [value, slope] at ``x``; the value walks by ``value_walk`` and the slope by ``slope_walk``
    (variances for each unit of ``x``). Source: R. E. Kalman 1960; the continuous white-noise
    acceleration model of Bar-Shalom, Li & Kirubarajan, Estimation with Applications, ch. 6.

    Args:
        x: where the first reading stands.
        value: the reading.
        variance: of the reading.
        slope: what the slope is taken to be.
        slope_variance: how far that may be wrong, squared.
        value_walk: see above.
        slope_walk: see above.
    """

    __slots__ = ("_cross", "_slope_variance", "_slope_walk", "_value_walk", "slope", "value", "variance", "x")

    def __init__(
        self,
        x: float,
        value: float,
        variance: float,
        *,
        slope: float,
        slope_variance: float,
        value_walk: float,
        slope_walk: float,
    ) -> None:
        self.x, self.value, self.slope = x, value, slope
        self.variance, self._cross, self._slope_variance = variance, 0.0, slope_variance
        self._value_walk, self._slope_walk = value_walk, slope_walk

    def at(self, x: float) -> tuple[float, float]:
        """Value and its variance at ``x``, before or after the newest reading."""
        d = x - self.x
        variance = self.variance + d * (2 * self._cross + d * self._slope_variance)
        walked = abs(d) * (self._value_walk + d * d * self._slope_walk / 3)
        return self.value + d * self.slope, max(variance + walked, 0.0)

    @property
    def slope_deviation(self) -> float:
        """How far the slope may be wrong: one standard deviation."""
        return math.sqrt(max(self._slope_variance, 0.0))

    def update(self, x: float, value: float, variance: float) -> None:
        """Take a reading in; one from before the newest counts as if it stood beside it, on the same line."""
        if x > self.x:
            self._move(x)
        else:
            value += (self.x - x) * self.slope
        off, spread = value - self.value, self.variance + variance
        gain, slope_gain = self.variance / spread, self._cross / spread
        self.value += gain * off
        self.slope += slope_gain * off
        self._slope_variance -= slope_gain * self._cross
        self._cross -= gain * self._cross
        self.variance -= gain * self.variance

    def shift(self, by: float, variance: float) -> None:
        """The whole line jumps; ``variance`` is that of the jump's size."""
        self.value += by
        self.variance += variance

    def copy(self) -> Self:
        """As it is now, to come back to."""
        return copy(self)

    def _move(self, x: float) -> None:
        d = x - self.x
        self.value, self.variance = self.at(x)
        self._cross += d * (self._slope_variance + d * self._slope_walk / 2)
        self._slope_variance += d * self._slope_walk
        self.x = x
