"""How aroused a person is, against how this person usually is.

A person's baseline is learned from the past alone, quickly at first and slowly later, and hardly from what looks like
arousal. The differences from it (rate of the heart, level and responses of the skin) go through one logistic model;
`models/build/biometric.py` fits and measures it. That of the heart's variability is measured too and not heeded: people
who talk under stress vary more, and the pulse of a wrist varies by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MEASURES: Final = ("bpm", "log_rmssd", "log_scl", "log_scr")


@dataclass(frozen=True, slots=True)
class Prior:
    """How a measure is at rest in people one does not know, and how far it wanders in one who is calm."""

    mean: float
    between: float
    within: float


# Rates and variability at rest: Nunan et al., A quantitative systematic review of normal values for short-term heart
# rate variability in healthy adults, PACE 33, 2010. Skin: 2 to 20 uS, 1 to 3 responses a minute at rest (Dawson,
# Schell and Filion, The electrodermal system, in: Handbook of Psychophysiology, 2007).
PRIORS: Final[Mapping[str, Prior]] = {
    "bpm": Prior(70.0, 10.0, 3.0),
    "log_rmssd": Prior(3.6, 0.45, 0.4),
    "log_scl": Prior(1.1, 0.9, 0.15),
    "log_scr": Prior(-1.5, 1.0, 0.7),
}
_LEAST_RISE_US: Final = 0.05
"""A minute without a response counts as if it rose so far."""
_LEARN_S: Final = 60.0
"""The prior counts as so many seconds of this person, times its uncertainty."""
_MEMORY_S: Final = 600.0
_LEAST_WEIGHT: Final = 0.1
_SETTLED_S: Final = 30.0
_LARGEST: Final = 4.0


@dataclass(frozen=True, slots=True)
class Model:
    """A logistic model of the differences, in units of what is usual within a person.

    Attributes:
        weights: of each difference.
        offsets: of each measure that is there: what is missing adds nothing.
        constant: of all.
    """

    weights: Mapping[str, float]
    offsets: Mapping[str, float]
    constant: float

    def probability(self, differences: Mapping[str, float]) -> float:
        """Of arousal; 0 to 1."""
        parts = (self.weights[name] * value + self.offsets[name] for name, value in differences.items())
        return 1 / (1 + math.exp(-(self.constant + sum(parts))))


FITTED: Final = Model(
    {"bpm": 0.571, "log_rmssd": 0.0, "log_scl": 0.428, "log_scr": 0.261},
    {"bpm": -0.391, "log_rmssd": 0.0, "log_scl": -0.261, "log_scr": -0.261},
    -0.181,
)


def log_scr(rise_us_per_min: float) -> float:
    """Responses of the skin as a measure: what they rose within a minute tells more than how many they were."""
    return math.log(_LEAST_RISE_US + rise_us_per_min)


def verdict(before: str | None, probability: float, sure: float) -> str | None:
    """What is said of a probability of arousal: only what is ``sure``, but once said it holds while it is the likelier.

    Without this the answer would flicker with a probability that wavers around ``sure``.
    """
    likelier = "arousal_high" if probability >= 0.5 else "arousal_low"
    return likelier if likelier == before or max(probability, 1 - probability) >= sure else None


@dataclass(slots=True)
class Usual:
    """One measure's running mean in one person; seconds are its weight."""

    mean: float
    weight_s: float = 0.0

    def learn(self, value: float, weight_s: float) -> None:
        """Move towards ``value``: the mean of all at first, then a memory of ten minutes."""
        self.weight_s = min(self.weight_s + weight_s, _MEMORY_S)
        if self.weight_s > 0:
            self.mean += (value - self.mean) * weight_s / self.weight_s


@dataclass(frozen=True, slots=True)
class Arousal:
    """How probably the person is aroused, and by which differences (in what is usual within a person)."""

    probability: float
    differences: Mapping[str, float]
    settled: bool


@dataclass(slots=True)
class Baseline:
    """One person's usual measures."""

    model: Model = FITTED
    _usual: dict[str, Usual] = field(default_factory=dict)

    def judge(self, measures: Mapping[str, float], seconds: float) -> Arousal:
        """How aroused these measures are, before they are learned from for the ``seconds`` they stand for."""
        differences = {name: self._difference(name, value) for name, value in measures.items()}
        probability = self.model.probability(differences)
        heeded = [name for name in measures if self.model.weights[name] != 0.0]
        settled = bool(heeded) and all(self._weight_s(name) >= _SETTLED_S for name in heeded)
        self._learn(measures, seconds, probability if settled else 0.0)
        return Arousal(probability, differences, settled)

    def _difference(self, name: str, value: float) -> float:
        prior, known = PRIORS[name], self._usual.get(name)
        seconds = known.weight_s if known else 0.0
        trust = seconds / (seconds + _LEARN_S * (prior.within / prior.between) ** 2)
        usual = trust * (known.mean if known else 0.0) + (1 - trust) * prior.mean
        unsure = math.hypot(prior.within, prior.between * (1 - trust))
        return max(min((value - usual) / unsure, _LARGEST), -_LARGEST)

    def _learn(self, measures: Mapping[str, float], seconds: float, probability: float) -> None:
        weight_s = seconds * max(1 - probability, _LEAST_WEIGHT)
        for name, value in measures.items():
            self._usual.setdefault(name, Usual(value)).learn(value, weight_s)

    def _weight_s(self, name: str) -> float:
        return self._usual[name].weight_s if name in self._usual else 0.0
