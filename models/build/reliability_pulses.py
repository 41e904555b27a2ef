"""Pulses of hearts that do not exist, shaken, noisy and faint: was the rate right, and how good was the pulse?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from reliability_looks import Look

from sensorium.event import EventStream, Modality, Pulse, Sample
from sensorium_agent.infer.biometric import BiometricPerceiver
from sensorium_agent.infer.biometric.perceive import Limits

Floats = npt.NDArray[np.float64]
Rng = np.random.Generator
Spoil = Callable[[Floats, float, Rng], Floats]

WITHIN_BPM: Final = 5.0
"""As far off as a heart rate meter may be (ANSI/AAMI EC13: 5 beats a minute or a tenth)."""
MEASURES: Final = ("periodic", "alike", "steady", "still", "plausible")
_LEAST: Final = 0.1
"""Less than what is told, so that there is something to be wrong about."""
_SPAN_S: Final = 8.0
_SECONDS: Final = 40


def beats(rng: Rng) -> Floats:
    """The instants of the beats of a heart at 45 to 150 a minute, that breathes and wanders; s."""
    bpm, breath, wander = rng.uniform(45, 150), rng.uniform(0.0, 0.05), rng.uniform(0.0, 0.06)
    at, slow, found = -1.0, 0.0, []
    while at < _SECONDS + 1:
        slow = 0.9 * slow + rng.normal(0, 0.3)
        at += 60 / bpm * (1 + breath * np.sin(2 * np.pi * 0.25 * at) + wander * 0.3 * slow + rng.normal(0, 0.008))
        found.append(at)
    return np.array(found)


def curve(at: Floats, rate_hz: float, rng: Rng) -> Floats:
    """The pulse of those beats, of deviation 1: a steep wave and its echo (two Gaussians), no two quite alike."""
    times = np.arange(int(_SECONDS * rate_hz)) / rate_hz
    values = np.zeros_like(times)
    echo, late, width = rng.uniform(0.1, 0.55), rng.uniform(0.28, 0.4), rng.uniform(0.07, 0.11)
    unlike = rng.uniform(0.02, 0.2)
    for begin, end in itertools.pairwise(at.tolist()):
        period, (size, soft, shift) = end - begin, np.exp(unlike * rng.normal(0, 1, 3))
        for height, place, spread in ((size, 0.15, width), (soft * echo, 0.15 + shift * late, 1.7 * width)):
            values += height * np.exp(-0.5 * ((times - begin - place * period) / (spread * min(period, 1.0))) ** 2)
    return np.asarray((values - values.mean()) / values.std())


# --- spoiling ----------------------------------------------------------------------------


def _stretches(count: int, rate_hz: float, rng: Rng) -> npt.NDArray[np.bool_]:
    """Some stretches of 2 to 10 s."""
    chosen = np.zeros(count, bool)
    for _ in range(rng.integers(1, 4)):
        begin = rng.integers(count)
        chosen[begin : begin + int(rng.uniform(2, 10) * rate_hz)] = True
    return chosen


def as_it_is(values: Floats, rate_hz: float, rng: Rng) -> Floats:
    """With a usual sensor's noise and a slow drift only."""
    drift = np.sin(2 * np.pi * 0.1 * np.arange(len(values)) / rate_hz + rng.uniform(0, 6))
    return values + rng.normal(0, rng.uniform(0.01, 0.12), len(values)) + rng.uniform(0, 1.5) * drift


def noisy(values: Floats, rate_hz: float, rng: Rng) -> Floats:
    """A weak pulse in white noise."""
    return as_it_is(values, rate_hz, rng) + rng.normal(0, np.exp(rng.uniform(-1.5, 1.0)), len(values))


def shaken(values: Floats, rate_hz: float, rng: Rng) -> Floats:
    """Steps or runs: a rhythm of its own, of 1 to 3.5 Hz, now and then."""
    times, hz = np.arange(len(values)) / rate_hz, rng.uniform(1.0, 3.5)
    stride = np.sin(2 * np.pi * hz * times) + 0.5 * np.sin(4 * np.pi * hz * times + rng.uniform(0, 6))
    stride *= 1 + 0.3 * rng.normal(0, 1, len(values))
    much = np.exp(rng.uniform(-1.0, 2.0))
    return as_it_is(values, rate_hz, rng) + much * stride * _stretches(len(values), rate_hz, rng)


def fumbled(values: Floats, rate_hz: float, rng: Rng) -> Floats:
    """Pulled about: low, irregular noise, now and then."""
    rough = np.convolve(rng.normal(0, 1, len(values)), np.hanning(max(int(0.4 * rate_hz), 3)), "same")
    much = np.exp(rng.uniform(-1.0, 2.5))
    moved = much * rough / rough.std() * _stretches(len(values), rate_hz, rng)
    return as_it_is(values, rate_hz, rng) + moved


def clipped(values: Floats, rate_hz: float, rng: Rng) -> Floats:
    """Pressed too hard: the curve is cut off above or below, and noisy."""
    loud = as_it_is(values, rate_hz, rng) + rng.normal(0, rng.uniform(0, 0.5), len(values))
    low, high = np.quantile(loud, (rng.uniform(0.0, 0.45), rng.uniform(0.55, 1.0)))
    return np.clip(loud, low, high)


def loose(values: Floats, rate_hz: float, rng: Rng) -> Floats:
    """Faint or gone now and then, as under a strap that slips."""
    gain = np.where(_stretches(len(values), rate_hz, rng), np.exp(rng.uniform(-3.5, -0.7)), 1.0)
    hum = rng.uniform(0.05, 0.5) * np.sin(2 * np.pi * rng.uniform(0.5, 4) * np.arange(len(values)) / rate_hz)
    return as_it_is(values * gain, rate_hz, rng) + hum


PRACTICE: tuple[Spoil, ...] = (as_it_is, noisy, shaken, clipped)
EXAM: tuple[Spoil, ...] = (as_it_is, fumbled, loose)
"""Other ways, of other hearts."""


def looks(spoils: tuple[Spoil, ...], rng: Rng, *, most: int) -> Iterator[Look]:
    """Every heart rate told of ``most`` recordings of 40 s: right within `WITHIN_BPM` of the beats of those seconds."""
    for number in range(most):
        at, rate_hz = beats(rng), float(rng.choice([25, 50, 64, 100]))
        values = 100 * spoils[number % len(spoils)](curve(at, rate_hz, rng), rate_hz, rng) + 500
        perceiver, run = (
            BiometricPerceiver(EventStream("s", Modality.BIOMETRIC), limits=Limits(least_quality=_LEAST)),
            round(rate_hz / 5),
        )
        for place, begin in enumerate(range(0, len(values), run)):
            part = values[begin : begin + run].astype(np.float32)
            end_s = (begin + len(part)) / rate_hz
            pulse = Pulse(part, rate_hz)
            for event in perceiver.perceive(Sample(Modality.BIOMETRIC, "p", place, round(end_s * 1e9), pulse)):
                if "periodic" in event.metadata:
                    own = at[(at > end_s - min(_SPAN_S, end_s)) & (at <= end_s)]
                    off = abs(float(event.metadata["bpm"]) - 60 / float(np.mean(np.diff(own))))
                    told = {name: float(event.metadata[name]) for name in MEASURES}
                    yield Look(told, float(np.prod(list(told.values()))), off <= WITHIN_BPM, str(number))
