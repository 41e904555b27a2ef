"""How far a sense can be trusted, from how good its signal is: learnt tables that device and cloud read alike.

    log odds of r = log odds of the prior + sum over the measures that were taken of f(measure)

r is the chance that what the sense says by itself is right, given the measures of its signal (blur, light, the hand's
presence; signal to noise, clipping; how a pulse repeats). Each f is linear between a few knots, level beyond them, and
never falls where a better signal is a larger number. What was not measured adds nothing: without any measure r is the
prior. ``reliability.toml`` beside this module has the numbers; ``models/build/reliability.py`` learns them, and
``models/cards/reliability.md`` says from what and how well they hold.
"""

from __future__ import annotations

import math
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final

from sensorium.event import Modality

_FILE: Final = Path(__file__).with_name("reliability.toml")


@dataclass(frozen=True, slots=True)
class Curve:
    """What one measure adds to the log odds.

    Attributes:
        at: its knots, rising.
        adds: at each of them, nats; linear between, level beyond.
    """

    at: tuple[float, ...]
    adds: tuple[float, ...]

    def __post_init__(self) -> None:
        assert len(self.at) == len(self.adds) > 0, "a curve has one value for each knot"
        assert all(a < b for a, b in pairwise(self.at)), "knots rise"

    def __call__(self, measure: float) -> float:
        """What ``measure`` adds; 0 if it is not a number, as if it had not been taken."""
        if math.isnan(measure):
            return 0.0
        after = bisect_right(self.at, measure)
        if after == 0:
            return self.adds[0]
        if after == len(self.at):
            return self.adds[-1]
        low, high = self.at[after - 1], self.at[after]
        return self.adds[after - 1] + (self.adds[after] - self.adds[after - 1]) * (measure - low) / (high - low)


@dataclass(frozen=True, slots=True)
class Table:
    """One sense's.

    Attributes:
        prior: r where nothing is known of the signal; in (0, 1).
        curves: by measure.
    """

    prior: float
    curves: Mapping[str, Curve]

    def __post_init__(self) -> None:
        assert 0.0 < self.prior < 1.0, "a prior is no certainty"

    def of(self, measures: Mapping[str, float]) -> float:
        """r, in (0, 1); a measure that is NaN, or of which nothing was learnt, counts as not taken."""
        odds = math.log(self.prior / (1.0 - self.prior))
        odds += math.fsum(self.curves[name](value) for name, value in measures.items() if name in self.curves)
        return 1.0 / (1.0 + math.exp(-odds))


def parsed(text: str) -> Mapping[Modality, Table]:
    """The tables in a TOML text: a section for each sense, its ``prior``, and ``at`` and ``adds`` of each measure."""
    found = {}
    for sense, section in tomllib.loads(text).items():
        own = {name: value for name, value in section.items() if name != "prior"}
        curves = {name: Curve(tuple(map(float, c["at"])), tuple(map(float, c["adds"]))) for name, c in own.items()}
        found[Modality(sense)] = Table(float(section["prior"]), MappingProxyType(curves))
    return MappingProxyType(found)


@cache
def tables() -> Mapping[Modality, Table]:
    """Those that were learnt."""
    return parsed(_FILE.read_text(encoding="utf-8"))


def reliability(modality: Modality, measures: Mapping[str, float] = MappingProxyType({})) -> float:
    """How likely what ``modality`` says is right with a signal of these measures; 1 for words, which have no signal."""
    table = tables().get(modality)
    return 1.0 if table is None else table.of(measures)
