"""Watermarks: up to where a source has certainly been heard, and how long to wait where that is not known.

A perceiver that says how far it has looked makes a promise, and a promise is a watermark. A stream that
only sends events is watched instead: it has been heard up to its newest event less the disorder it showed
lately, and what is missing after that is awaited for as long as its events have lately been on their way.
(Punctuated and heuristic watermarks, idle sources: Akidau et al., The Dataflow Model, 2015.)
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final, Protocol

import numpy as np

from sensorium.windowing.run import Int64s

QUANTILE: Final = 0.99
"""How many of its recent delays a stream is waited for; the rest amends."""
SPORADIC_QUANTILE: Final = 0.9
SPORADIC_IDLE_NS: Final = 10_000_000_000
"""Someone who has said nothing for so long is not in the middle of saying something."""
_DISORDER_OF: Final = 64
_DELAYS_OF: Final = 512
_LESSON: Final = 32
"""After so many events what they taught is summed up; until the first time the cap holds."""
_SPORADIC_LESSON: Final = 8
_BINS: Final = 128
"""Steps in which delays are told apart, up to the cap; one more holds all that are longer."""
_NEVER_NS: Final = -(1 << 62)


class Holder(Protocol):
    """Someone a window may wait for."""

    sign_ns: int
    """When it last gave a sign."""
    patience_ns: int
    """How long after its end a window waits for what is missing of it."""
    idle_ns: int
    """After this much silence it is not waited for."""

    @property
    def reached_ns(self) -> int:
        """Up to where it has been heard."""


class Promise:
    """A modality whose perceiver says how far it has looked; its streams are not guessed about."""

    __slots__ = ("idle_ns", "patience_ns", "reached_ns", "sign_ns")

    def __init__(self, cap_ns: int, idle_ns: int) -> None:
        self.patience_ns, self.idle_ns = cap_ns, idle_ns
        self.reached_ns = self.sign_ns = _NEVER_NS

    def keep(self, at_ns: int, now_ns: int) -> None:
        """It has looked up to ``at_ns``."""
        self.reached_ns = max(self.reached_ns, at_ns)
        self.sign_ns = max(self.sign_ns, now_ns)


class Habits:
    """How a stream's events have come lately: in what disorder, and with what delay.

    Both are kept over two generations of events, so that what was long ago is forgotten at a fixed cost.

    A sporadic stream holds nothing until its delays are known, and then only if the cap leaves it the time its
    events usually take: to wait for words up to a cap that is over before they come would be in vain.
    """

    __slots__ = (
        "_bin_ns", "_cap_ns", "_delays", "_disorder", "_events", "_former", "_lesson", "_sporadic",
        "idle_ns", "newest_ns", "patience_ns", "sign_ns",
    )  # fmt: skip

    def __init__(self, first_ns: int, cap_ns: int, idle_ns: int, *, sporadic: bool = False) -> None:
        self.newest_ns, self.sign_ns = first_ns, _NEVER_NS
        self.patience_ns = 0 if sporadic else cap_ns
        self.idle_ns = max(idle_ns, SPORADIC_IDLE_NS) if sporadic else idle_ns
        self._cap_ns, self._sporadic = cap_ns, sporadic
        self._lesson = _SPORADIC_LESSON if sporadic else _LESSON
        self._bin_ns = max(-(-cap_ns // _BINS), 1)
        self._events = 0
        self._disorder = [0, 0]
        self._delays, self._former = _no_delays(), _no_delays()

    def observe(self, at_ns: int, now_ns: int) -> bool:
        """An event has come at ``now_ns``; returns whether it is older than one that came before it."""
        behind_ns = self.newest_ns - at_ns
        if self._events % _DISORDER_OF == 0:
            self._disorder = [0, self._disorder[0]]
        if self._events % _DELAYS_OF == 0:
            self._delays, self._former = _no_delays(), self._delays
        self._disorder[0] = max(self._disorder[0], behind_ns)
        self._delays[min(max((now_ns - at_ns) // self._bin_ns, 0), _BINS)] += 1
        self._events += 1
        if self._events % self._lesson == 0:
            self._learn()
        # A stamp from the future moves the mark to now and no further: what is to come is not there yet.
        self.newest_ns = max(self.newest_ns, min(at_ns, now_ns))
        self.sign_ns = max(self.sign_ns, now_ns)
        return behind_ns > 0

    def observe_run(self, at_ns: Int64s, now_ns: int) -> int:
        """`observe` of one event after the other; returns how many are older than one before them."""
        newest = np.maximum.accumulate(np.minimum(at_ns, now_ns))
        before = np.append(self.newest_ns, np.maximum(newest[:-1], self.newest_ns))
        behind = np.maximum(before - at_ns, 0)
        bins = np.clip((now_ns - at_ns) // self._bin_ns, 0, _BINS)
        self._note_disorder(behind)
        taught = max(len(bins) - (self._events + len(bins)) % self._lesson, 0)
        self._note_delays(bins[:taught])
        if taught:
            self._learn()
        self._note_delays(bins[taught:])
        self.newest_ns = max(self.newest_ns, int(newest[-1]))
        self.sign_ns = max(self.sign_ns, now_ns)
        return int(np.count_nonzero(behind))

    def _note_disorder(self, behind: Int64s) -> None:
        for begins, part in _generations(behind, self._events, _DISORDER_OF):
            if begins:
                self._disorder = [0, self._disorder[0]]
            self._disorder[0] = max(self._disorder[0], int(part.max()))

    def _note_delays(self, bins: Int64s) -> None:
        for begins, part in _generations(bins, self._events, _DELAYS_OF):
            if begins:
                self._delays, self._former = _no_delays(), self._delays
            counted = np.frombuffer(self._delays, np.int64)
            counted += np.bincount(part, minlength=_BINS + 1)
        self._events += len(bins)

    @property
    def reached_ns(self) -> int:
        """Its newest event less its disorder."""
        return self.newest_ns - max(self._disorder)

    def _learn(self) -> None:
        """Be as patient as the delays want it, rounded up to a 128th of the cap."""
        reached = np.cumsum(np.frombuffer(self._delays, np.int64) + np.frombuffer(self._former, np.int64))
        share = SPORADIC_QUANTILE if self._sporadic else QUANTILE
        steps = int(np.searchsorted(reached, share * reached[-1]))
        self.patience_ns = min((steps + 1) * self._bin_ns, self._cap_ns)
        if self._sporadic and not 0 < steps < _BINS:
            self.patience_ns = 0  # at once, as what is typed, or later than the cap


class Wait:
    """Whom a window that ends at ``end_ns`` still waits for, and until when.

    Who is no longer waited for is not looked at again: a window costs each holder one look.
    """

    __slots__ = ("_end_ns", "_holders")

    def __init__(self, end_ns: int, holders: Iterable[Holder]) -> None:
        self._end_ns, self._holders = end_ns, list(holders)

    def is_over(self, now_ns: int) -> bool:
        """Whether the window may close."""
        if now_ns < self._end_ns:
            return False
        while self._holders and self._until_ns(self._holders[-1]) <= now_ns:
            self._holders.pop()
        return not self._holders

    def over_ns(self) -> int:
        """When it is over if nothing more is heard."""
        return max([self._end_ns, *map(self._until_ns, self._holders)])

    def _until_ns(self, holder: Holder) -> int:
        return max(awaited_until_ns(holder, self._end_ns), self._end_ns)


def awaited_until_ns(holder: Holder, at_ns: int) -> int:
    """Until when something from before ``at_ns`` may still come from ``holder``; long ago if it cannot."""
    if holder.reached_ns >= at_ns:
        return _NEVER_NS
    return min(at_ns + holder.patience_ns, holder.sign_ns + holder.idle_ns)


def _no_delays() -> array[int]:
    return array("q", bytes(8 * (_BINS + 1)))


def _generations(values: Int64s, before: int, size: int) -> Iterable[tuple[bool, Int64s]]:
    """``values`` cut where a generation of ``size`` begins; only the last two generations can matter."""
    begins = -before % size
    if begins:
        cut = min(begins, len(values))
        yield False, values[:cut]
        values = values[cut:]
    skipped = max(len(values) - 1, 0) // size - 1
    for start in range(max(skipped, 0) * size, len(values), size):
        yield True, values[start : start + size]
