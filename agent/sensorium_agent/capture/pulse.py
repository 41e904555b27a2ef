"""A sensor of heart or skin that writes text: one value a line, or time and value."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from sensorium.clock import Clock
from sensorium.event import Conductance, Intervals, Modality, Pulse, Sample
from sensorium_agent.capture.dating import RunDater
from sensorium_agent.capture.tail import POLL_S, follow

Values = npt.NDArray[np.float32]
Signal = Literal["pulse", "rr", "skin"]


class UniformSeries:
    """Values at uneven times to values at a constant rate, by straight lines between them.

    A gap longer than ``longest_gap_s`` is left open: a straight line over it would be an invention.
    """

    def __init__(self, rate_hz: float, *, longest_gap_s: float = 0.5) -> None:
        self._period_s = 1.0 / rate_hz
        self._longest_gap_s = longest_gap_s
        self._last: tuple[float, float] | None = None
        self._next_s = 0.0

    def feed(self, times_s: Sequence[float], values: Sequence[float]) -> tuple[float, Values]:
        """The values due up to the newest time, and when the last of them was (in the source's time)."""
        known_t, known_v = self._known(times_s, values)
        count = max(0, math.floor((known_t[-1] - self._next_s) / self._period_s + 1e-9) + 1)
        due = self._next_s + np.arange(count) * self._period_s
        self._next_s += count * self._period_s
        return float(self._next_s - self._period_s), np.interp(due, known_t, known_v).astype(np.float32)

    def _known(self, times_s: Sequence[float], values: Sequence[float]) -> tuple[list[float], list[float]]:
        times, levels = list(times_s), list(values)
        begins_anew = self._last is None or not 0 <= times[0] - self._last[0] <= self._longest_gap_s
        if begins_anew:
            self._next_s = times[0]
        else:
            assert self._last is not None
            times, levels = [self._last[0], *times], [self._last[1], *levels]
        self._last = (times[-1], levels[-1])
        return times, levels


def parse(line: str) -> tuple[float | None, float] | None:
    """Time in seconds (None if the line has none) and value; None for a header or a damaged line."""
    fields = line.replace(";", ",").replace("\t", ",").split(",")
    try:
        numbers = [float(f) for f in fields]
    except ValueError:
        return None
    if not 1 <= len(numbers) <= 2 or not all(map(math.isfinite, numbers)):
        return None
    return (None, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


class PulseSource:
    """A photoplethysmogram, intervals between beats or skin conductance from a file or pipe that grows.

    Args:
        source: the file, named pipe or serial line. Lines are ``value`` at ``rate_hz``, or
            ``seconds,value`` at any times; other lines are passed over.
        rate_hz: rate of the samples' runs; of the lines, where they have no times. Intervals have none.
        signal: what a value is: a raw pulse, an interval ("rr") in milliseconds, or microsiemens ("skin").
        name: the source of the samples.
    """

    modality: Final = Modality.BIOMETRIC

    def __init__(self, source: str, *, rate_hz: float = 100.0, signal: Signal = "pulse", name: str = "pulse") -> None:
        self.name: Final = name
        self._source = source
        self._rate_hz = rate_hz
        self._signal = signal

    async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
        """A run for each batch of lines; ``at_ns`` is the time of its last value, by count from the first."""
        dater, series, number = RunDater(self._rate_hz), UniformSeries(self._rate_hz), 0
        async with aclosing(follow(self._source)) as batches:
            async for lines in batches:
                now_ns = clock.now_ns()
                values = self._values([found for line in lines if (found := parse(line))], series)
                if len(values) == 0:
                    continue
                # An interval says itself how long it was; nothing can be counted from the first one.
                beats = self._signal == "rr"
                at_ns = now_ns if beats else dater.end_ns(len(values), now_ns)
                error_ns = (0 if beats else dater.error_ns) + round(POLL_S * 1e9)
                yield Sample(self.modality, self.name, number, at_ns, self._data(values), error_ns)
                number += 1

    def _data(self, values: Values) -> Pulse | Intervals | Conductance:
        if self._signal == "rr":
            return Intervals(values)
        return (Conductance if self._signal == "skin" else Pulse)(values, self._rate_hz)

    def _values(self, found: Sequence[tuple[float | None, float]], series: UniformSeries) -> Values:
        timed = [(t, v) for t, v in found if t is not None]
        if timed and self._signal != "rr":
            return series.feed([t for t, _ in timed], [v for _, v in timed])[1]
        return np.array([v for _, v in found], np.float32)
