"""What a body says to events: the heart's rate about once a second, the skin's responses, and arousal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.event import Conductance, Event, EventStream, Intervals, Modality, Pulse, Sample, Tensor
from sensorium.reliability import reliability
from sensorium_agent.infer.biometric import pulse, rhythm
from sensorium_agent.infer.biometric.arousal import Arousal, Baseline, log_scr, verdict
from sensorium_agent.infer.biometric.contact import Contact, Grip, GripWatch
from sensorium_agent.infer.biometric.features import Body, features
from sensorium_agent.infer.biometric.rate import NORMAL, Bounds, name, plausible
from sensorium_agent.infer.biometric.skin import LEAST_RISE_US, Response, Skin

_NS: Final = 1_000_000_000
_TORN_NS: Final = 500_000_000  # wireless sensors come in batches whose stamps jitter
_JUDGED_S: Final = 60.0
"""Variability is that of the last minute."""
_RATE_S: Final = 30.0
_GRIP_S: Final = 2.0
_SETTLE_S: Final = 0.7
"""A beat so near the edge of a look may still move."""
_AROUSAL_EVERY_S: Final = 5.0
_STALE_S: Final = 15.0
_SITS_WELL: Final = Grip(Contact.GOOD, 0.0)
"""What is said of a sensor that gives beats alone."""
_WELL: Final = {Contact.GOOD: 1.0, Contact.POOR: 0.5, Contact.LOST: 0.0}


@dataclass(frozen=True, slots=True)
class Limits:
    """When something is said.

    Attributes:
        bounds: of a normal rate.
        span_s: seconds of pulse that are looked at.
        every_s: how often they are.
        least_quality: of the measures of a pulse, multiplied; below it nothing is said.
        sure: how probable arousal, or its absence, has to be to become an event.
    """

    bounds: Bounds = NORMAL
    span_s: float = 8.0
    every_s: float = 1.0
    least_quality: float = 0.3
    sure: float = 0.7


USUAL: Final = Limits()


class BiometricPerceiver:
    """Feels heart and skin of one person: raw pulse, intervals between beats and skin conductance, in any mixture.

    Emits ``heart_rate_low``, ``heart_rate_normal`` or ``heart_rate_high`` about once a second, ``skin_response`` for
    each response of the skin, ``arousal_high`` or ``arousal_low`` every 5 s from when it is sure until the opposite is
    more probable, and ``contact_lost`` once where a sensor that felt a pulse no longer does. Where there is no rhythm
    to trust it says nothing.
    """

    def __init__(
        self, stream: EventStream, *, limits: Limits = USUAL, baseline: Callable[[], Baseline] = Baseline
    ) -> None:
        """``baseline`` makes that of each new person."""
        self._stream = stream
        self._limits = limits
        self._new_baseline = baseline
        self._begin_person()

    def _begin_person(self) -> None:
        self._curve: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self._rate_hz = 0.0
        self._end_ns: int | None = None
        self._looked_s = -math.inf
        self._grip, self._sits, self._lost = GripWatch(), _SITS_WELL, True
        self._history, self._skin, self._baseline = rhythm.History(2 * _JUDGED_S), Skin(), self._new_baseline()
        self._skin_s = self._heart_s = self._judged_s = self._begun_s = -math.inf
        self._bpm = ""
        self._arousal: Arousal | None = None
        self._said: str | None = None

    @property
    def arousal(self) -> Arousal | None:
        """The newest judgement, another object every 5 s, told or not; None where there is nothing to judge by yet."""
        return self._arousal if self._arousal and self._arousal.settled else None

    def perceive(self, sample: Sample) -> Sequence[Event]:
        """What this run says, after those before it."""
        match sample.data:
            case Pulse():
                heard = self._pulse(sample, sample.data)
            case Intervals():
                heard = self._intervals(sample, sample.data)
            case Conductance():
                heard = self._conductance(sample, sample.data)
            case _:
                raise AssertionError(sample.data)
        return [*heard, *self._aroused(sample)]

    def finish(self, now_ns: int) -> Sequence[Event]:  # noqa: ARG002 - the protocol's
        """Nothing is pending; what comes next is another recording, and perhaps another person."""
        self._begin_person()
        return ()

    # --- the heart -------------------------------------------------------------------------

    def _pulse(self, sample: Sample, data: Pulse) -> list[Event]:
        if self._torn(sample.at_ns, data):
            self._rate_hz, self._curve = data.rate_hz, data.values[:0]
            self._history.tear()
            self._looked_s = sample.at_ns / _NS - len(data.values) / data.rate_hz
        self._end_ns = sample.at_ns
        self._curve = np.concatenate([self._curve, data.values])[-round(self._limits.span_s * data.rate_hz) :]
        if sample.at_ns / _NS < self._looked_s + self._limits.every_s - 1e-6:
            return []
        self._looked_s = sample.at_ns / _NS
        return self._look(sample)

    def _torn(self, at_ns: int, data: Pulse) -> bool:
        if self._end_ns is None or data.rate_hz != self._rate_hz:
            return True
        begins_ns = at_ns - round(len(data.values) * _NS / data.rate_hz)
        return abs(begins_ns - self._end_ns) > _TORN_NS

    def _look(self, sample: Sample) -> list[Event]:
        newest = self._curve[-round(_GRIP_S * self._rate_hz) :]
        self._sits = grip = self._grip.judge(newest, self._rate_hz)
        if grip.contact is Contact.LOST:
            return self._let_go(sample)
        found = pulse.find(self._curve, self._rate_hz)
        rate = rhythm.rate_of(np.diff(found.at) / self._rate_hz) if found else None
        if not found or not rate:
            return []
        recent = rhythm.rate_of(self._history.since(sample.at_ns / _NS - _RATE_S))
        believed = plausible(rate.bpm, recent.bpm if recent else None)
        measures = {
            "periodic": found.periodic,
            "alike": found.alike,
            "steady": rate.share,
            "still": 1 - grip.motion,
            "plausible": believed,
        }
        if math.prod(measures.values()) < self._limits.least_quality:
            return []
        self._grip.learn(newest)
        self._lost = False
        begin_s = sample.at_ns / _NS - len(self._curve) / self._rate_hz
        beats_s = begin_s + found.at / self._rate_hz
        self._history.beats(beats_s[beats_s < sample.at_ns / _NS - _SETTLE_S].tolist())
        return [self._heart(sample, rate, found, measures)]

    def _let_go(self, sample: Sample) -> list[Event]:
        """No skin: what was felt before does not count any more."""
        self._curve = self._curve[:0]
        self._history.tear()
        if self._lost:
            return []
        self._lost = True
        held_ns = round(_GRIP_S * _NS)
        return [self._event(sample, "contact_lost", 1.0, span_ns=held_ns)]

    def _intervals(self, sample: Sample, data: Intervals) -> list[Event]:
        end_s = sample.at_ns / _NS
        self._history.intervals(end_s, (data.ms / 1e3).tolist())
        if end_s < self._looked_s + self._limits.every_s - 1e-6:
            return []
        rate = rhythm.rate_of(self._history.since(end_s - self._limits.span_s))
        if rate is None or rate.share < self._limits.least_quality:
            return []
        self._looked_s = end_s
        self._sits = _SITS_WELL
        return [self._heart(sample, rate, None, {"steady": rate.share})]

    def _heart(
        self, sample: Sample, rate: rhythm.Rate, found: pulse.Beats | None, measures: Mapping[str, float]
    ) -> Event:
        self._heart_s = sample.at_ns / _NS
        label, score = name(rate.bpm, rate.error_bpm, self._limits.bounds)
        self._bpm = f"{rate.bpm:.1f}"
        fits = math.prod(measures.values())
        told = {"bpm": self._bpm, **{name: f"{value:.2f}" for name, value in measures.items()}}
        told |= self._varies(self._heart_s)
        span_s = len(self._curve) / self._rate_hz - found.at[0] / self._rate_hz if found else float(rate.steady_s.sum())
        numbers = features(rate, found, fits, self._body())
        trust = reliability(Modality.BIOMETRIC, measures)
        return self._event(sample, label, score, quality=trust, span_ns=round(span_s * _NS), told=told, numbers=numbers)

    def _varies(self, now_s: float) -> dict[str, str]:
        found = rhythm.variability(self._history.since(now_s - _JUDGED_S))
        if found is None:
            return {}
        told = {"rmssd_ms": found.rmssd_ms, "sdnn_ms": found.sdnn_ms, "pnn50": 100 * found.pnn50}
        return {key: f"{value:.1f}" for key, value in told.items()}

    # --- the skin --------------------------------------------------------------------------

    def _conductance(self, sample: Sample, data: Conductance) -> list[Event]:
        responses = self._skin.feed(data.values, data.rate_hz, sample.at_ns / _NS)
        if self._skin.touches:
            self._skin_s = sample.at_ns / _NS
        return [self._responded(sample, response) for response in responses]

    def _responded(self, sample: Sample, response: Response) -> Event:
        """The score is 0.5 for the smallest that counts, and nearer to 1 the larger it is."""
        score = 1 - 0.5 * LEAST_RISE_US / response.rise_us
        told = {"scr_us": f"{response.rise_us:.3f}"}
        span_ns = round((sample.at_ns / _NS - response.onset_s) * _NS)
        return self._event(sample, "skin_response", score, span_ns=span_ns, told=told)

    # --- arousal ---------------------------------------------------------------------------

    def _aroused(self, sample: Sample) -> list[Event]:
        """Judge every 5 s from whatever is felt; say it where it is sure."""
        now_s = sample.at_ns / _NS
        if self._begun_s == -math.inf:
            self._begun_s = self._judged_s = now_s
        if now_s < self._judged_s + _AROUSAL_EVERY_S - 1e-6:
            return []
        seconds = min(now_s - self._judged_s, 2 * _AROUSAL_EVERY_S)
        self._judged_s = now_s
        measures = self._measures(now_s)
        self._arousal = self._baseline.judge(measures, seconds) if measures else None
        if self._arousal is None or not self._arousal.settled:
            self._said = None
            return []
        probability = self._arousal.probability
        self._said = verdict(self._said, probability, self._limits.sure)
        if self._said is None:
            return []
        return [self._event(sample, self._said, max(probability, 1 - probability), span_ns=round(_RATE_S * _NS))]

    def _measures(self, now_s: float) -> dict[str, float]:
        found: dict[str, float] = {}
        if now_s - self._heart_s < _STALE_S:
            rate = rhythm.rate_of(self._history.since(now_s - _RATE_S))
            varies = rhythm.variability(self._history.since(now_s - _JUDGED_S))
            found |= {"bpm": rate.bpm} if rate else {}
            found |= {"log_rmssd": math.log(max(varies.rmssd_ms, 1.0))} if varies else {}
        if now_s - self._skin_s < _STALE_S and self._skin.level_us is not None:
            found["log_scl"] = math.log(self._skin.level_us)
            risen_us = self._skin.rise_us_per_min
            found |= {} if risen_us is None else {"log_scr": log_scr(risen_us)}
        return found

    # --- events ----------------------------------------------------------------------------

    def _body(self) -> Body:
        known = self._arousal
        return Body(
            self._skin.level_us or 0.0,
            self._skin.responses_per_min or 0.0,
            known.differences if known else {},
            known.probability if known and known.settled else 0.5,
            _WELL[self._sits.contact],
        )

    def _event(
        self,
        sample: Sample,
        label: str,
        score: float,
        *,
        span_ns: int,
        quality: float = 1.0,
        told: Mapping[str, str] | None = None,
        numbers: npt.NDArray[np.float32] | None = None,
    ) -> Event:
        if numbers is None:
            numbers = features(None, None, quality, self._body())
        return self._stream.event(
            sample.at_ns,
            at_error_ns=sample.at_error_ns,
            span_ns=span_ns,
            label=label,
            score=score,
            quality=quality,
            features=Tensor.of(numbers),
            metadata={**self._state(sample.at_ns / _NS), **(told or {})},
        )

    def _state(self, now_s: float) -> dict[str, str]:
        """What is known of heart, skin and arousal, and how the sensor sits, for every event."""
        level, per_min = self._skin.level_us, self._skin.responses_per_min
        told = {"contact": self._sits.contact.value, "motion": f"{self._sits.motion:.2f}"}
        told |= {"bpm": self._bpm} if now_s - self._heart_s < _STALE_S else {}
        told |= {} if level is None else {"scl_us": f"{level:.3f}"}
        told |= {} if per_min is None else {"scr_per_min": f"{per_min:.1f}"}
        if self._arousal and self._arousal.settled:
            told["arousal"] = f"{self._arousal.probability:.3f}"
        return told
