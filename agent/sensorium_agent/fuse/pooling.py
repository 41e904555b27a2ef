"""What the senses of a window say together, by rules alone: the answer where no network can be had.

A modality's answer is the mean of its events' readings, believed as far as its signal and its age allow:

    p_m = t_m mean(readings) + (1 - t_m) uniform        t_m = reliability x 2^(-age / half-life)

and the answers are pooled log-linearly, log p = sum_m log p_m / T + const (Genest & Zidek 1986), over
the concepts and "none of them".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sensorium import symbol as formulas
from sensorium.assemble import Distribution
from sensorium.event import Modality
from sensorium_agent.fuse.readings import Sense

_UNKNOWN_MASS: Final = 0.6
"""What evidence that nobody understands says for "none of them"; the rest is spread evenly."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """What some senses say over K concepts and "none of them".

    Attributes:
        together: K + 1 probabilities; uniform where nobody speaks.
        alone: what each sense that speaks says by itself.
        without: what the others say without it.
    """

    together: Distribution
    alone: Mapping[Modality, Distribution]
    without: Mapping[Modality, Distribution]


class Pool(Protocol):
    """A way to come from what senses say to what they say together."""

    def __call__(self, senses: Sequence[Sense], concepts: int, temperature: float) -> Pooled:
        """The answer of ``senses`` over so many ``concepts``; a ``temperature`` above 1 makes it less sure."""


def by_rules(senses: Sequence[Sense], concepts: int, temperature: float) -> Pooled:
    """Pool log-linearly; well under a millisecond."""
    alone = {sense.modality: _said(sense, concepts) for sense in senses if sense.speaks}
    logs = {m: [math.log(p) for p in said] for m, said in alone.items()}
    pooled = [math.fsum(column) for column in zip(*logs.values(), strict=True)] or [0.0] * (concepts + 1)
    without = {m: _less(pooled, own, temperature) for m, own in logs.items()}
    return Pooled(formulas.softmax(pooled, temperature), alone, without)


def _said(sense: Sense, concepts: int) -> Distribution:
    """The mean of what is heard, believed as far as trust and the sense's other events allow; the rest is even."""
    backed = sense.trust * sense.support
    claims = sense.claims() if sense.understood else {concepts: _UNKNOWN_MASS}
    said = {index: backed * mass for index, mass in claims.items()}
    even = (1.0 - math.fsum(said.values())) / (concepts + 1)
    return tuple(said.get(index, 0.0) + even for index in range(concepts + 1))


def _less(pooled: Sequence[float], own: Sequence[float], temperature: float) -> Distribution:
    """The posterior of all but one."""
    return formulas.softmax([a - b for a, b in zip(pooled, own, strict=True)], temperature)
