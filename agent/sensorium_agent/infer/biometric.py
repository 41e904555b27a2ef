"""A raw pulse to events: the heart rate, about once a second."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sensorium.event import Event, EventStream, Pulse, Sample, Tensor
from sensorium_agent.infer.pulse import Band, Beats, Floats, beats

_NS: Final = 1_000_000_000
_TORN_NS: Final = 500_000_000  # wireless sensors come in batches whose stamps jitter
_LEAST_ERROR_BPM: Final = 1.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What counts as a normal rate at rest, in beats a minute."""

    low_bpm: float = 50.0
    high_bpm: float = 100.0


NORMAL: Final = Bounds()


def name(bpm: float, error_bpm: float, bounds: Bounds = NORMAL) -> tuple[str, float]:
    """The label of a rate and its probability, if the true rate is normally distributed around ``bpm``."""
    error = max(error_bpm, _LEAST_ERROR_BPM)
    low, high = _below(bounds.low_bpm, bpm, error), 1 - _below(bounds.high_bpm, bpm, error)
    answers = {"heart_rate_low": low, "heart_rate_normal": 1 - low - high, "heart_rate_high": high}
    return max(answers.items(), key=lambda answer: answer[1])


def _below(limit: float, mean: float, deviation: float) -> float:
    return 0.5 * (1 + math.erf((limit - mean) / deviation / math.sqrt(2)))


class HeartPerceiver:
    """Finds the heart rate in raw photoplethysmogram of any rate, over the last ``span_s`` seconds.

    Emits ``heart_rate_low``, ``heart_rate_normal`` or ``heart_rate_high`` about every ``every_s`` with the
    rate in its metadata and the 32 numbers of `pulse.beats`. Where there is no rhythm to find (no skin,
    too much movement: quality below ``least_quality``) it says nothing.
    """

    def __init__(
        self,
        stream: EventStream,
        *,
        bounds: Bounds = NORMAL,
        span_s: float = 8.0,
        every_s: float = 1.0,
        least_quality: float = 0.3,
    ) -> None:
        self._stream = stream
        self._bounds = bounds
        self._span_s = span_s
        self._every_s = every_s
        self._least_quality = least_quality
        self._rate_hz = 0.0
        self._end_ns: int | None = None
        self._curve: Floats = np.zeros(0)
        self._waiting = 0

    def perceive(self, sample: Sample) -> Sequence[Event]:
        """The rate, where a second has passed since the last one."""
        pulse = sample.data
        assert isinstance(pulse, Pulse)
        if self._torn(sample.at_ns, pulse):
            self._begin(pulse.rate_hz)
        self._end_ns = sample.at_ns
        self._curve = np.concatenate([self._curve, self._band.run(pulse.values)])[
            -round(self._span_s * pulse.rate_hz) :
        ]
        self._waiting += len(pulse.values)
        if self._waiting < self._every_s * pulse.rate_hz:
            return ()
        self._waiting = 0
        found = beats(self._curve, pulse.rate_hz) if float(np.ptp(self._curve)) > self._band.grain else None
        return (self._event(found, sample),) if found and found.quality >= self._least_quality else ()

    def finish(self, now_ns: int) -> Sequence[Event]:  # noqa: ARG002 - the protocol's
        """Nothing is pending; what comes next is another recording."""
        self._end_ns = None
        return ()

    def _torn(self, at_ns: int, pulse: Pulse) -> bool:
        if self._end_ns is None or pulse.rate_hz != self._rate_hz:
            return True
        begins_ns = at_ns - round(len(pulse.values) * _NS / pulse.rate_hz)
        return abs(begins_ns - self._end_ns) > _TORN_NS

    def _begin(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._band = Band(rate_hz)
        self._curve = np.zeros(0)
        self._waiting = 0

    def _event(self, found: Beats, sample: Sample) -> Event:
        label, score = name(found.bpm, found.bpm_error, self._bounds)
        return self._stream.event(
            sample.at_ns,
            at_error_ns=sample.at_error_ns,
            span_ns=round(found.span_s * _NS),
            label=label,
            score=score,
            quality=found.quality,
            features=Tensor.of(found.features),
            metadata={"bpm": f"{found.bpm:.1f}"},
        )
