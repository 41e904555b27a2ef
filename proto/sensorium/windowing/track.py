"""A modality's recent events in order of time: what is nearest to an instant, and what came before it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise, repeat
from typing import Final

import numpy as np

from sensorium.event import Event
from sensorium.windowing.run import Places, Ref, Run

HELD: Final = 16_384
"""Events that are held; what does not fit is refused."""
_TRIMMED: Final = 256
"""Old events are let go so many at a time: taking them from a list one by one would cost its length each time."""
_PERIODS: Final = 16


class Track:
    """Events by time, of all streams of a modality."""

    __slots__ = ("_at_ns", "_period", "_refs")

    def __init__(self) -> None:
        self._at_ns: list[int] = []
        self._refs: list[Ref] = []
        self._period: int | None = None

    def __len__(self) -> int:
        return len(self._at_ns)

    def add(self, event: Event) -> None:
        """Hold an event."""
        at_ns, self._period = self._at_ns, None
        place = len(at_ns) if not at_ns or event.at_ns >= at_ns[-1] else bisect_right(at_ns, event.at_ns)
        at_ns.insert(place, event.at_ns)
        self._refs.insert(place, (event, 0))

    def add_rows(self, run: Run, rows: Places) -> None:
        """Hold events of a run."""
        rows = rows[np.argsort(run.at_ns[rows], kind="stable")]
        new = run.at_ns[rows].tolist()
        in_order = not self._at_ns or new[0] >= self._at_ns[-1]
        self._at_ns += new
        self._refs += zip(repeat(run), rows.tolist(), strict=False)
        self._period = None
        if not in_order:
            order = sorted(range(len(self._at_ns)), key=self._at_ns.__getitem__)
            self._at_ns = [self._at_ns[place] for place in order]
            self._refs = [self._refs[place] for place in order]

    def nearest(self, at_ns: int) -> tuple[int, Ref] | None:
        """How far the nearest event is, and which it is; of two as near the earlier, None without any."""
        times, after = self._at_ns, bisect_left(self._at_ns, at_ns)
        before_ns = at_ns - times[after - 1] if after else None
        after_ns = times[after] - at_ns if after < len(times) else None
        if before_ns is not None and (after_ns is None or before_ns <= after_ns):
            return before_ns, self._first_of(times[after - 1])
        return None if after_ns is None else (after_ns, self._first_of(times[after]))

    def before(self, at_ns: int) -> tuple[int, Ref] | None:
        """When the newest event before ``at_ns`` was, and which it is."""
        place = bisect_left(self._at_ns, at_ns)
        return (self._at_ns[place - 1], self._refs[place - 1]) if place else None

    def period_ns(self) -> int:
        """The usual time from one event to the next, lately; 0 where that is not known."""
        if self._period is None:
            last = self._at_ns[-_PERIODS - 1 :]
            gaps = sorted(b - a for a, b in pairwise(last))
            self._period = gaps[_PERIODS // 2] if len(gaps) == _PERIODS else 0
        return self._period

    def forget(self, before_ns: int) -> None:
        """Let go of what is older."""
        if len(self._at_ns) < _TRIMMED or self._at_ns[_TRIMMED - 1] >= before_ns:
            return
        old = bisect_left(self._at_ns, before_ns)
        del self._at_ns[:old], self._refs[:old]

    def _first_of(self, at_ns: int) -> Ref:
        """Of the events of one instant, the first by stream and number, whatever order they came in."""
        first = bisect_left(self._at_ns, at_ns)
        if first + 1 == len(self._at_ns) or self._at_ns[first + 1] != at_ns:
            return self._refs[first]
        return min(self._refs[first : bisect_right(self._at_ns, at_ns)], key=_name)


def _name(ref: Ref) -> tuple[str, int]:
    holder, row = ref
    if isinstance(holder, Run):
        return holder.like.stream_id, int(holder.sequences[row])
    return holder.stream_id, holder.sequence
