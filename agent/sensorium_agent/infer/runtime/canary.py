"""Whether a new version of a model may take over: decided from numbers alone.

The new version runs beside the old one on the same inputs, and only the old one is listened to. `Comparison` counts
how often both say the same, `judge` says what follows. Two wake words that are silent in silence prove nothing: runs
in which one of them leaves its rest are *telling*, and have to agree among themselves too. Nor does agreement tell of
what never came up: outputs that never left their rest and classes that neither named are listed as *unused*.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_FEW: Final = 32
"""An output of up to so many numbers from 0 to 1 is taken for probabilities."""
_WHOLE: Final = 0.05
"""How far from 1 the sum of int8 probabilities may be."""


class Verdict(StrEnum):
    """What becomes of the new version."""

    KEEP = "keep"
    """Go on comparing."""
    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and, for people, the numbers behind it."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a new version has to reach.

    Attributes:
        runs: compared before it may take over; the same number is watched after it did.
        telling: of these, in which one of the two said something else than at the beginning.
        warm_up: runs that are not compared: streaming networks have to hear 1.5 s first.
        agreement: least share of runs in which both say the same.
        telling_agreement: least share of the telling ones.
        tolerance: largest `Comparison.difference` that still is the same.
        slowdown: largest ratio of the median times of a run, new to old.
        proof_s: for so long a version runs in an agent before it is proven not to kill it.
    """

    runs: int = 200
    telling: int = 20
    warm_up: int = 50
    agreement: float = 0.97
    telling_agreement: float = 0.9
    tolerance: float = 0.1
    slowdown: float = 1.5
    proof_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a comparison has found: runs compared, those alike, the worst difference, median ms of a run of each.

    ``worst_in`` is the output that differs most, ``unused`` are the outputs and classes of which it says nothing.
    """

    runs: int
    agreed: int
    telling: int
    telling_agreed: int
    worst: float
    old_ms: float
    new_ms: float
    worst_in: str = field(default="", compare=False)
    unused: tuple[str, ...] = field(default=(), compare=False)

    @property
    def agreement(self) -> float:
        """Share of the runs that were alike; 1 before the first."""
        return self.agreed / self.runs if self.runs else 1.0

    @property
    def slowdown(self) -> float:
        """Time of a run, new to old; 1 where it cannot be told."""
        return self.new_ms / self.old_ms if self.old_ms > 0 else 1.0

    def __str__(self) -> str:
        return (
            f"alike in {self.agreed} of {self.runs} runs ({self.agreement:.1%}) and in {self.telling_agreed} of "
            f"{self.telling} telling ones, worst difference {self.worst:.3f}"
            + (f" ({self.worst_in})" if self.worst_in else "")
            + f", {self.new_ms:.3f} ms against {self.old_ms:.3f} ({self.slowdown:.2f} times)"
            + (f"; never came up: {', '.join(self.unused)}" if self.unused else "")
        )


def judge(seen: Seen, limits: Limits) -> Decision:
    """What follows from a comparison: roll back as soon as it is lost, promote only when it is complete."""
    forgiven = math.floor((1 - limits.agreement) * limits.runs + 1e-9)
    if not math.isfinite(seen.worst):
        return Decision(Verdict.ROLLBACK, f"its answers are no numbers, or of another shape: {seen}")
    if seen.runs - seen.agreed > forgiven:
        return Decision(Verdict.ROLLBACK, f"it disagrees: {seen}; wanted {limits.agreement:.0%}")
    if seen.telling >= limits.telling and seen.telling_agreed < limits.telling_agreement * seen.telling:
        return Decision(Verdict.ROLLBACK, f"it disagrees where it matters: {seen}")
    if seen.runs < limits.runs or seen.telling < limits.telling:
        lacking = max(limits.runs - seen.runs, 0), max(limits.telling - seen.telling, 0)
        return Decision(Verdict.KEEP, f"{seen}; {lacking[0]} runs and {lacking[1]} telling ones to go")
    if seen.slowdown > limits.slowdown:
        return Decision(Verdict.ROLLBACK, f"it is slow: {seen}; allowed {limits.slowdown} times")
    return Decision(Verdict.PROMOTE, str(seen))


def is_proven(runs: int, ran_s: float, limits: Limits, *, ended: bool) -> bool:
    """Whether a version is known not to kill its agent: it ran so often, and so long or until an end in order."""
    return runs >= limits.runs and (ended or ran_s >= limits.proof_s)


@dataclass(slots=True)
class Comparison:
    """Counts how alike the answers of two versions are, and what they cost.

    Attributes:
        limits: what the new one has to reach.
        labels: the names of the classes.
        outputs: what the outputs are called, in order.
        unheeded: the numbers of outputs that nobody looks at; they may be as they like.
    """

    limits: Limits
    labels: Sequence[str] = ()
    outputs: Sequence[str] = ()
    unheeded: Collection[int] = ()
    _used: list[set[int]] = field(default_factory=list)
    _moved: set[int] = field(default_factory=set)
    _skipped: int = 0
    _agreed: int = 0
    _telling: int = 0
    _telling_agreed: int = 0
    _rest: Sequence[Array] = ()
    _worst: float = 0.0
    _worst_in: int | None = None
    _sizes: list[float] = field(default_factory=list)
    _old_ms: list[float] = field(default_factory=list)
    _new_ms: list[float] = field(default_factory=list)

    def add(self, old: Sequence[Array], new: Sequence[Array], old_ms: float, new_ms: float) -> None:
        """The answers of both to the same inputs, and the times they took."""
        differences = self._differences(old, new)
        difference = max(differences.values(), default=0.0)
        if self._skipped < self.limits.warm_up and math.isfinite(difference):
            self._skipped += 1
            return
        self._count(old, new, alike=difference <= self.limits.tolerance)
        if difference > self._worst:
            self._worst = difference
            self._worst_in = max(differences, key=differences.__getitem__)
        self._old_ms.append(old_ms)
        self._new_ms.append(new_ms)

    def _count(self, old: Sequence[Array], new: Sequence[Array], *, alike: bool) -> None:
        self._rest = self._rest or [values.copy() for values in old]
        telling = any(self.difference(self._rest, now) > self.limits.tolerance for now in (old, new))
        self._note(old)
        self._note(new)
        self._agreed += alike
        self._telling += telling
        self._telling_agreed += alike and telling

    def _note(self, answer: Sequence[Array]) -> None:
        """Which outputs left their rest, and which classes were named."""
        self._used = self._used or [set() for _ in answer]
        for number, (rest, now) in enumerate(zip(self._rest, answer, strict=False)):
            if now.shape != rest.shape or not finite([now]):
                continue
            apart = _size(now.astype(np.float64) - rest.astype(np.float64))
            if apart > self.limits.tolerance * max(self._sizes[number], _least(rest)):
                self._moved.add(number)
            if _is_shared_out(rest):
                self._used[number].add(int(now.argmax()))

    def _unused(self) -> tuple[str, ...]:
        found = []
        for number, rest in enumerate(self._rest):
            if _is_shared_out(rest):
                names = self.labels if len(self.labels) == rest.size else [f"class {k}" for k in range(rest.size)]
                found += [name for k, name in enumerate(names) if k not in self._used[number]]
            elif number not in self._moved and number not in self.unheeded:
                found.append(self._called(number))
        return tuple(found)

    def _called(self, number: int) -> str:
        return self.outputs[number] if number < len(self.outputs) else f"output {number}"

    def difference(self, old: Sequence[Array], new: Sequence[Array]) -> float:
        """Root mean square of what differs, by the largest root mean square the old one gave up to now.

        The worst of all outputs that are heeded; infinite where one is of another shape or no number. Probabilities
        are taken by at least one half: 0.02 against 0.01 is no doubling.
        """
        return max(self._differences(old, new).values(), default=0.0)

    def _differences(self, old: Sequence[Array], new: Sequence[Array]) -> dict[int, float]:
        """The difference of each output that is heeded."""
        if [a.shape for a in old] != [b.shape for b in new]:
            return {0: math.inf}
        self._sizes = self._sizes or [0.0] * len(old)
        differences = {}
        for number, (a, b) in enumerate(zip(old, new, strict=True)):
            self._sizes[number] = max(self._sizes[number], _size(a), _least(a))
            if number in self.unheeded:
                continue
            apart = _size(b.astype(np.float64) - a.astype(np.float64))
            difference = apart / self._sizes[number] if self._sizes[number] else float(apart > 0)
            differences[number] = difference if math.isfinite(difference) else math.inf
        return differences

    def seen(self) -> Seen:
        """What was found up to now."""
        old_ms, new_ms = (statistics.median(ms) if ms else 0.0 for ms in (self._old_ms, self._new_ms))
        counts = (len(self._old_ms), self._agreed, self._telling, self._telling_agreed)
        worst_in = "" if self._worst_in is None else self._called(self._worst_in)
        return Seen(*counts, self._worst, old_ms, new_ms, worst_in, self._unused())


def _size(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def _is_shared_out(answer: Array) -> bool:
    """Whether an output is one probability for each class: up to 32 that add up to 1."""
    if not 1 < answer.size <= _FEW or answer.ndim > 2:
        return False
    return answer.dtype.kind == "f" and answer.min() >= 0 and abs(float(answer.sum()) - 1) < _WHOLE


def _least(old: Array) -> float:
    if old.dtype.kind in "iu":
        return float(np.iinfo(old.dtype).max) / 2
    if old.size <= _FEW and old.size and old.min() >= 0 and old.max() <= 1:
        return 0.5
    return 0.0


def finite(outputs: Sequence[Array]) -> bool:
    """Whether every number is one."""
    return all(bool(np.isfinite(values).all()) for values in outputs if values.dtype.kind == "f")
