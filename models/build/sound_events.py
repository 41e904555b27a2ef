"""Sounds that are no speech, made up: knocks, claps, whistles, beeps, scratches. Every kind from its own numbers.

A *kind* is what one person would teach: this knock on this door. Its takes differ as one's own do: a little in pitch,
tempo and strength. Modes of struck things decay exponentially; hands and paper are bursts of coloured noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float32]
Rng = np.random.Generator

RATE_HZ: Final = 16_000


@dataclass(frozen=True, slots=True)
class Kind:
    """How one sound is made: ``make`` gives a take with the generator it is handed."""

    name: str
    make: Callable[[Rng], Sound]


def kind(rng: Rng) -> Kind:
    """A sound nobody has made before."""
    name = str(rng.choice(list(_MAKERS)))
    once = _MAKERS[name](rng)
    count = int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))
    gap_s = float(rng.uniform(0.1, 0.3))

    def make(take: Rng) -> Sound:
        parts = []
        for number in range(count):
            parts.append(once(take) * take.uniform(0.7, 1.3))
            if number < count - 1:
                parts.append(np.zeros(int(gap_s * take.normal(1, 0.08) * RATE_HZ), np.float32))
        return np.concatenate(parts).astype(np.float32)

    return Kind(name, make)


def _near(rng: Rng, value: float, part: float) -> float:
    return value * float(np.exp(rng.normal(0, part)))


def _struck(rng: Rng) -> Callable[[Rng], Sound]:
    """Wood, metal, glass: a few modes and the noise of the blow."""
    base_hz, count = float(np.exp(rng.uniform(np.log(90), np.log(2500)))), int(rng.integers(2, 8))
    ratios = np.concatenate([[1.0], np.sort(rng.uniform(1.3, 7, count - 1))])
    decays_s = np.exp(rng.uniform(np.log(0.008), np.log(0.3))) / ratios ** rng.uniform(0.2, 1)
    levels, blow = rng.uniform(0.2, 1, count), rng.uniform(0, 1)

    def once(take: Rng) -> Sound:
        at_s = np.arange(int(min(6 * float(decays_s.max()) + 0.02, 0.9) * RATE_HZ)) / RATE_HZ
        hz = _near(take, base_hz, 0.01) * ratios
        amplitudes = levels * np.exp(take.normal(0, 0.25, count))
        rings = [
            a * np.sin(2 * np.pi * min(f, 7500.0) * at_s) * np.exp(-at_s / d)
            for a, f, d in zip(amplitudes, hz, decays_s, strict=True)
        ]
        return np.asarray(sum(rings) + blow * take.normal(0, 1, len(at_s)) * np.exp(-at_s / 0.004), np.float32)

    return once


def _burst(rng: Rng) -> Callable[[Rng], Sound]:
    """Hands, fingers, paper: noise of some colour that dies away."""
    middle_hz, octaves = float(np.exp(rng.uniform(np.log(300), np.log(5000)))), float(rng.uniform(0.4, 2))
    decay_s, echoes = float(np.exp(rng.uniform(np.log(0.006), np.log(0.15)))), int(rng.integers(1, 4))

    def once(take: Rng) -> Sound:
        length = int(min(7 * decay_s + 0.03, 0.9) * RATE_HZ)
        at_s = np.arange(length) / RATE_HZ
        envelope = sum(
            (at_s >= n * 0.008) * np.exp(-np.maximum(at_s - n * 0.008, 0) / _near(take, decay_s, 0.1))
            for n in range(echoes)
        )
        return _coloured(take, length, _near(take, middle_hz, 0.05), octaves) * np.asarray(envelope, np.float32)

    return once


def _coloured(rng: Rng, length: int, middle_hz: float, octaves: float) -> Sound:
    hz = np.fft.rfftfreq(length, 1 / RATE_HZ)
    gain = np.exp(-0.5 * (np.log2(np.maximum(hz, 20) / middle_hz) / octaves) ** 2)
    noise = np.fft.irfft(np.fft.rfft(rng.normal(0, 1, length)) * gain, length)
    return (noise / max(float(noise.std()), 1e-9)).astype(np.float32)


def _tone(rng: Rng) -> Callable[[Rng], Sound]:
    """Whistles, hums and beeps: a pitch that goes somewhere."""
    points = int(rng.integers(1, 5))
    start_hz = float(np.exp(rng.uniform(np.log(250), np.log(3200))))
    contour = np.concatenate([[0.0], np.cumsum(rng.normal(0, 0.4, points))])
    length_s, harmonics = float(rng.uniform(0.08, 0.9)), int(rng.choice([1, 1, 1, 3, 6]))
    breath, vibrato = float(rng.uniform(0, 0.3)), float(rng.choice([0, 0, 0.03]))

    def once(take: Rng) -> Sound:
        length = int(_near(take, length_s, 0.08) * RATE_HZ)
        part = np.linspace(0, points, length)
        octave = np.interp(part, np.arange(points + 1), contour + take.normal(0, 0.03, points + 1))
        octave += vibrato * np.sin(2 * np.pi * 6 * np.arange(length) / RATE_HZ)
        phase = 2 * np.pi * np.cumsum(np.clip(_near(take, start_hz, 0.04) * 2**octave, 60, 7000)) / RATE_HZ
        tone = sum(np.sin(k * phase) / k for k in range(1, harmonics + 1))
        edge = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.012 * RATE_HZ))
        return np.asarray((tone + breath * take.normal(0, 1, length)) * edge, np.float32)

    return once


def _scratch(rng: Rng) -> Callable[[Rng], Sound]:
    """Rattles, shakes and scratches: noise that swells and goes, several times a second."""
    middle_hz, octaves = float(np.exp(rng.uniform(np.log(500), np.log(5000)))), float(rng.uniform(0.3, 1.5))
    length_s, swells_hz = float(rng.uniform(0.15, 0.9)), float(rng.uniform(3, 25))
    depth = float(rng.uniform(0.3, 1))

    def once(take: Rng) -> Sound:
        length = int(_near(take, length_s, 0.1) * RATE_HZ)
        at_s = np.arange(length) / RATE_HZ
        swell = 1 - depth + depth * np.abs(np.sin(np.pi * _near(take, swells_hz, 0.06) * at_s))
        fade = np.minimum(1, np.minimum(at_s, at_s[::-1]) / 0.03)
        return (_coloured(take, length, _near(take, middle_hz, 0.05), octaves) * swell * fade).astype(np.float32)

    return once


_MAKERS: Final[dict[str, Callable[[Rng], Callable[[Rng], Sound]]]] = {
    "struck": _struck,
    "burst": _burst,
    "tone": _tone,
    "scratch": _scratch,
}
