"""Is the service good enough? Each symbol against its objectives, and error budgets over time. Pure.

An answer within 100 ms of the end of a window that lasts 500 cannot be: windows are aligned first. So the latency is
counted from when the window was here, and each objective has a budget of its own: all must hold, not their mean
(Beyer et al., The Site Reliability Workbook, 2018, chapter 5: burn rates).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sensorium.symbol import Reason, Symbol
from sensorium.value import Value
from sensorium.window import Presence

_BUCKET_S: Final = 10
_KEPT_S: Final = 6 * 3600
# Held here, for Python 3.11 looks a member up in its enum by code of its own.
_PRESENT, _LATE, _STALE, _NOTHING = Presence.PRESENT, Presence.LATE, Presence.STALE, Reason.NOTHING


class Objective(StrEnum):
    """What is promised."""

    LATENCY = "latency"
    """The symbol is there soon after its window."""
    CONFIDENCE = "confidence"
    """What is named is named surely: the calibrated probability."""
    COVERAGE = "coverage"
    """The senses that are active took part."""


_LATENCY, _CONFIDENCE, _COVERAGE = Objective.LATENCY, Objective.CONFIDENCE, Objective.COVERAGE


@dataclass(frozen=True, slots=True)
class Targets:
    """When a symbol is good, and how many have to be.

    Attributes:
        latency_ms: at most, from the window's arrival to its symbol.
        confidence: at least, of a named concept.
        coverage: at least, of the modalities that are active.
        share: of all symbols that must meet each objective; the rest is the error budget.
    """

    latency_ms: float = 100.0
    confidence: float = 0.8
    coverage: float = 0.6
    share: float = 0.99


class Quality(Value, frozen=True):
    """How good one symbol is; None where an objective says nothing about it.

    Attributes:
        latency_ms: from the window's arrival to its symbol.
        confidence: calibrated probability of the concept; None where nothing was perceived.
        coverage: modalities that are here, of those that are here or were until just now (stale); one that has been
            silent for longer is not expected.
    """

    latency_ms: float
    confidence: float | None
    coverage: float | None

    def meets(self, targets: Targets) -> dict[Objective, bool]:
        """Which objectives are met, of those that apply."""
        found = {_LATENCY: self.latency_ms <= targets.latency_ms}
        if self.confidence is not None:
            found[_CONFIDENCE] = self.confidence >= targets.confidence
        if self.coverage is not None:
            found[_COVERAGE] = self.coverage >= targets.coverage
        return found


def judged(symbol: Symbol) -> Quality:
    """The quality of a symbol that the service has timed."""
    latency_ms = 0.0
    for stage in symbol.latency:
        if stage.name == "total":
            latency_ms = stage.ms
    presences = [share.presence for share in symbol.shares]
    here = presences.count(_PRESENT) + presences.count(_LATE)
    active = here + presences.count(_STALE)
    confidence = None if symbol.abstained is _NOTHING else symbol.confidence
    return Quality(latency_ms, confidence, here / active if active else None)


@dataclass(slots=True)
class _Bucket:
    """Ten seconds: symbols that met an objective, and all it applied to."""

    index: int
    good: dict[Objective, int] = field(default_factory=lambda: dict.fromkeys(Objective, 0))
    all: dict[Objective, int] = field(default_factory=lambda: dict.fromkeys(Objective, 0))


class Budget:
    """How fast the error budgets are spent; told the time, keeps six hours."""

    def __init__(self, targets: Targets | None = None) -> None:
        self.targets = targets or Targets()
        self._buckets: deque[_Bucket] = deque()

    def observe(self, quality: Quality, now_s: float) -> None:
        """Count a symbol."""
        self.observe_all([quality], now_s)

    def observe_all(self, qualities: Sequence[Quality], now_s: float) -> Mapping[tuple[Objective, bool], int]:
        """Count symbols that were made together; how many met each objective, and did not."""
        met = Counter(pair for quality in qualities for pair in quality.meets(self.targets).items())
        bucket = self._bucket(int(now_s // _BUCKET_S))
        for (objective, good), many in met.items():
            bucket.good[objective] += good * many
            bucket.all[objective] += many
        return met

    def burn(self, over_s: float, now_s: float) -> dict[Objective, float]:
        """Burn rate of each budget over the last ``over_s``: 1 spends exactly what there is, 0 nothing."""
        since = (now_s - over_s) // _BUCKET_S
        recent = [bucket for bucket in self._buckets if bucket.index > since]
        rates = {}
        for objective in Objective:
            counted = sum(bucket.all[objective] for bucket in recent)
            good = sum(bucket.good[objective] for bucket in recent)
            rates[objective] = (1 - good / counted) / (1 - self.targets.share) if counted else 0.0
        return rates

    def holds(self, over_s: float, now_s: float) -> bool:
        """Whether every objective was kept over the last ``over_s``."""
        return all(rate <= 1.0 + 1e-9 for rate in self.burn(over_s, now_s).values())

    def _bucket(self, index: int) -> _Bucket:
        if not self._buckets or self._buckets[-1].index < index:
            self._buckets.append(_Bucket(index))
            while self._buckets[0].index <= index - _KEPT_S // _BUCKET_S:
                self._buckets.popleft()
        return self._buckets[-1]
