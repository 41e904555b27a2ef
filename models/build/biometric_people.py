"""People who do not exist: hearts and skins at rest and under stress, from published effect sizes.

Rest: rates and variability of healthy adults (Nunan et al. 2010), skin conductance of 2 to 20 uS with 1 to 3 responses
a minute (Dawson, Schell and Filion 2007). Stress: a faster heart, by 5 to 25 beats a minute in speech and mental
arithmetic tasks; less variability (Castaldo et al. 2015; Kim et al. 2018); more and larger responses of the skin and a
higher level (Boucsein 2012). One person in ten has a skin that hardly responds (Braithwaite et al. 2013).

Two kinds of people share these figures and nothing else. `practice`: responses are gamma-shaped and come at random,
the heart breathes in a sine, stress begins at once. `exam`: two-exponential responses in bursts, a heart rhythm of
noise of its own colours, stress that comes and goes over half a minute, and stretches of talking and walking about
that are no stress.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from sensorium.event import Conductance, Intervals, Modality, Sample

Floats = npt.NDArray[np.float64]
Kind = Literal["practice", "exam"]
SKIN_HZ: Final = 4.0
_PLAN: Final = ((False, 240.0), (True, 180.0), (False, 180.0), (True, 180.0))


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One person's ten minutes or so: intervals, skin at 4 Hz, and when there was stress (one value a second)."""

    intervals_ms: Floats
    skin_us: Floats
    stress: npt.NDArray[np.bool_]

    def samples(self) -> Iterator[Sample]:
        """What two sensors give, second by second."""
        ends = np.cumsum(self.intervals_ms) / 1e3
        for second in range(len(self.stress)):
            at_ns = (second + 1) * 1_000_000_000
            run = self.skin_us[int(second * SKIN_HZ) : int((second + 1) * SKIN_HZ)].astype(np.float32)
            yield Sample(Modality.BIOMETRIC, "skin", second, at_ns, Conductance(run, SKIN_HZ))
            beats = self.intervals_ms[(ends > second) & (ends <= second + 1)].astype(np.float32)
            if len(beats):
                yield Sample(Modality.BIOMETRIC, "heart", second, at_ns, Intervals(beats))


def session(kind: Kind, rng: np.random.Generator) -> Session:
    """One person, never the same twice."""
    truth = np.concatenate([np.full(int(seconds), stressed) for stressed, seconds in _PLAN])
    felt = truth.astype(np.float64)
    if kind == "exam":
        felt = np.convolve(np.pad(felt, 15, mode="edge"), np.full(31, 1 / 31), "valid")
    reacts = np.exp(rng.normal(0, 0.35))
    return Session(_heart(kind, felt * reacts, rng), _skin(kind, felt * reacts, rng), truth)


def _heart(kind: Kind, felt: Floats, rng: np.random.Generator) -> Floats:
    rest_bpm, rise_bpm = rng.normal(70, 9), max(rng.normal(11, 6), 1.0)
    rmssd_ms, loss = np.exp(rng.normal(3.6, 0.45)), max(rng.normal(0.35, 0.2), 0.0)
    wander = _slow(len(felt), 60, rng) * 2.5 + (_errands(len(felt), rng) * 8 if kind == "exam" else 0.0)
    found, at_s, phase, coloured = [], 0.0, 0.0, 0.0
    while at_s < len(felt):
        now = min(int(at_s), len(felt) - 1)
        mean_ms = 60_000 / (rest_bpm + rise_bpm * felt[now] + wander[now])
        size_ms = rmssd_ms * np.exp(-loss * felt[now])
        if kind == "practice":
            phase += 2 * np.pi * 0.25 * mean_ms / 1e3
            varied = size_ms * (0.9 * np.sin(phase) + 0.6 * rng.normal())
        else:
            coloured = 0.6 * coloured + rng.normal()
            varied = size_ms * 0.9 * coloured
        ectopic = kind == "exam" and rng.random() < 0.004
        found.append(max(mean_ms + varied, 330.0) * (0.65 if ectopic else 1.0))
        at_s += found[-1] / 1e3
    return np.asarray(found)


def _skin(kind: Kind, felt: Floats, rng: np.random.Generator) -> Floats:
    level_us = np.exp(rng.normal(1.4, 0.6))
    per_min, more = rng.gamma(2.0, 1.0), max(rng.normal(6, 3), 0.5)
    stiff = rng.random() < 0.1
    rise = max(rng.normal(0.25, 0.15), 0.0) * (0.2 if stiff else 1.0)
    steps = np.repeat(felt, int(SKIN_HZ))
    lagged = np.convolve(steps, np.exp(-np.arange(240) / 60) / 60.5, "full")[: len(steps)]
    tonic = level_us * np.exp(
        rise * lagged + 0.06 * _slow(len(steps), 400, rng) - rng.uniform(0, 2e-4) * np.arange(len(steps)) / 4
    )
    rate = (per_min + more * steps) * (0.15 if stiff else 1.0) / 60 / SKIN_HZ
    onsets = rng.random(len(steps)) < rate
    if kind == "exam":
        onsets &= np.repeat(rng.random(len(felt) // 10 + 1) < 0.75, int(10 * SKIN_HZ))[: len(steps)]
        onsets |= rng.random(len(steps)) < np.repeat(_errands(len(felt), rng), int(SKIN_HZ)) * 2 / 60 / SKIN_HZ
    sizes = onsets * rng.gamma(1.5, 0.08, len(steps)) * np.sqrt(level_us) * (1 + 0.5 * steps)
    return np.asarray(
        tonic + np.convolve(sizes, _response(kind), "full")[: len(steps)] + rng.normal(0, 0.003, len(steps))
    )


def _response(kind: Kind) -> Floats:
    """The shape of one response at 4 Hz, 1 high."""
    at = np.arange(0, 30, 1 / SKIN_HZ)
    shape = at**2 * np.exp(-at / 1.2) if kind == "practice" else np.exp(-at / 4.0) - np.exp(-at / 0.9)
    return np.asarray(shape / shape.max())


def _slow(count: int, width: int, rng: np.random.Generator) -> Floats:
    """Noise of deviation 1 that changes over ``width`` steps."""
    rough = np.convolve(rng.normal(0, 1, count + width), np.hanning(width), "valid")[:count]
    return np.asarray(rough / max(float(rough.std()), 1e-9))


def _errands(count: int, rng: np.random.Generator) -> Floats:
    """1 while the person talks or walks about: two times half a minute, at any moment."""
    busy = np.zeros(count)
    for begin in rng.integers(0, max(count - 30, 1), 2):
        busy[begin : begin + 30] = 1.0
    return busy
