"""Event-time windows: which events belong together, decided by when things happened.

Pure and deterministic: the aligner holds no clock and does no I/O. It is told the time with every
call, and the same calls give the same windows. When a window closes:

- as soon as every active source has been heard up to the window's end (`sensorium.windowing.watermark` says what that
  means). Only what a source usually takes is waited for; a source that has shown no sign for ``idle_ns``,
  and a person who types when they like, hold nothing up;
- else ``cap_ns`` after its end, whatever is missing.

What comes after that, within ``lateness_ns``, gives a revision of the same window id; what comes later
still is counted and left out. (Akidau et al., The Dataflow Model, 2015.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from sensorium.event import Event, Modality
from sensorium.limits import EVENTS_PER_SLOT
from sensorium.window import Window
from sensorium.windowing.intake import Counts, Intake
from sensorium.windowing.run import Gathered, Int64s, Places, Run
from sensorium.windowing.slots import SlotMaker
from sensorium.windowing.watermark import Wait

_MS: Final = 1_000_000
_SKIP: Final = 240
"""Empty windows in a row that are given out after a gap; the rest are counted as skipped."""
_IN_TIME: Final = 1
_AMENDS: Final = 2
_FULL: Final = 4


class Windower(Protocol):
    """What joins events into windows, of whatever kind."""

    @property
    def skipped(self) -> int:
        """Empty windows that were not given out."""

    def start(self, now_ns: int) -> None:
        """Begin at ``now_ns``; otherwise the first sign of life begins."""

    def push(self, event: Event, now_ns: int) -> None:
        """Take one event, in any order."""

    def push_run(self, run: Run, now_ns: int) -> None:
        """Take the events of a run, as if they were pushed one after the other."""

    def reached(self, modality: Modality, at_ns: int, now_ns: int) -> None:
        """``modality`` has been looked at up to ``at_ns``, whether or not there was anything to say."""

    def advance(self, now_ns: int) -> tuple[Window, ...]:
        """The windows that close, and the closed ones that are amended, by ``now_ns``."""

    def finish(self, now_ns: int) -> tuple[Window, ...]:
        """Close everything that has begun by ``now_ns``: nothing more will come."""

    def next_due_ns(self) -> int | None:
        """When to call `advance` next if nothing happens; None if there is nothing to wait for."""

    def counts(self) -> dict[str, Counts]:
        """What became of the events, by stream."""


@dataclass(slots=True)
class _Closed:
    """A window that was given out, what it was made of, and what has come since."""

    window: Window
    rows: dict[Modality, Gathered]
    late: set[Modality]


class Aligner:
    """Hop windows over one session's events.

    Args:
        session_id: the session; events of others are a mistake of the caller.
        modalities: those every window has a slot for.
        span_ns: length of a window.
        hop_ns: from one window's start to the next; the span if None. At most the span.
        cap_ns: how long after its end a window may wait.
        lateness_ns: how long after its end an event may still amend it.
        stale_ns: how long a modality's last event still counts.
        idle_ns: after this much silence a source holds nothing up.
        sporadic: modalities that speak when they like and hold nothing up, or only for the little they usually take.
        slot_events: how many events a slot holds; more are dropped and counted. The wire takes no more than 256.
    """

    def __init__(
        self,
        session_id: str,
        modalities: Collection[Modality],
        *,
        span_ns: int = 500 * _MS,
        hop_ns: int | None = None,
        cap_ns: int = 300 * _MS,
        lateness_ns: int = 2000 * _MS,
        stale_ns: int = 2000 * _MS,
        idle_ns: int = 1000 * _MS,
        sporadic: Collection[Modality] = (Modality.TEXT,),
        slot_events: int = EVENTS_PER_SLOT,
    ) -> None:
        self.session_id, self.skipped = session_id, 0
        self._span_ns, self._hop_ns = span_ns, hop_ns or span_ns
        if not 0 < self._hop_ns <= span_ns:
            raise ValueError(f"hop_ns must be above 0 and at most span_ns={span_ns}, not {self._hop_ns}")
        self._lateness_ns, self._slot_events = lateness_ns, slot_events
        self._intake = Intake(session_id, modalities, cap_ns=cap_ns, idle_ns=idle_ns, sporadic=sporadic)
        self._make = SlotMaker(modalities, stale_ns)
        self._open: dict[int, dict[Modality, Gathered]] = {}
        self._closed: OrderedDict[int, _Closed] = OrderedDict()
        self._amended: set[int] = set()
        self._next: int | None = None
        self._wait: Wait | None = None

    # --- what comes in ------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        """Begin with the window that holds ``now_ns``; otherwise the first sign of life begins."""
        if self._next is None:
            self._next = now_ns // self._hop_ns

    def push(self, event: Event, now_ns: int) -> None:
        """Take one event, in any order.

        Raises:
            ValueError: the event is of another session or of a modality without a slot.
        """
        source = self._intake.admit(event, now_ns)
        if source is None:
            return
        self.start(event.at_ns)
        self._place(event, source.counts)

    def push_run(self, run: Run, now_ns: int) -> None:
        """Take the events of a run, as if they were pushed one after the other.

        Raises:
            ValueError: the run is of another session or of a modality without a slot.
        """
        source, chosen = self._intake.admit_run(run, now_ns)
        if not len(chosen):
            return
        self.start(int(run.at_ns[chosen[0]]))
        self._place_run(run, chosen, source.counts)

    def reached(self, modality: Modality, at_ns: int, now_ns: int) -> None:
        """``modality`` has been looked at up to ``at_ns``, whether or not there was anything to say."""
        self._intake.reached(modality, at_ns, now_ns)
        self.start(at_ns)

    def _place(self, event: Event, counts: Counts) -> None:
        fate = 0
        oldest = -((self._span_ns - 1 - event.at_ns) // self._hop_ns)
        for index in range(oldest, event.at_ns // self._hop_ns + 1):
            if (room := self._room(index, event.modality)) is None:
                continue
            if len(room) >= self._slot_events:
                fate |= _FULL
                continue
            room.add(event)
            fate |= self._taken(index, event.modality)
        counts.placed += fate & (_IN_TIME | _AMENDS) != 0
        counts.amended += fate & (_IN_TIME | _AMENDS) == _AMENDS
        counts.dropped += fate == _FULL
        counts.late += fate == 0

    def _place_run(self, run: Run, rows: Places, counts: Counts) -> None:
        fate = np.zeros(len(rows), np.uint8)
        for index, members in self._by_window(run.at_ns[rows]):
            fate[members] |= self._place_rows(index, run, rows[members])
        taken = fate & (_IN_TIME | _AMENDS)
        counts.placed += int(np.count_nonzero(taken))
        counts.amended += int(np.count_nonzero(taken == _AMENDS))
        counts.dropped += int(np.count_nonzero(fate == _FULL))
        counts.late += int(np.count_nonzero(fate == 0))

    def _by_window(self, at_ns: Int64s) -> Iterator[tuple[int, Places]]:
        """For each window of ``at_ns``: its number, and who belongs in it, in the order in which they came."""
        overlap = -(-self._span_ns // self._hop_ns)
        numbers = (at_ns // self._hop_ns)[:, None] - np.arange(overlap)
        inside = np.flatnonzero(at_ns[:, None] - numbers * self._hop_ns < self._span_ns)
        numbers = numbers.ravel()[inside]
        if (numbers[1:] < numbers[:-1]).any():
            order = np.argsort(numbers, kind="stable")
            inside, numbers = inside[order], numbers[order]
        cuts = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
        yield from zip(numbers[np.append(0, cuts)].tolist(), np.split(inside // overlap, cuts), strict=True)

    def _place_rows(self, index: int, run: Run, rows: Places) -> npt.NDArray[np.uint8] | int:
        """Place ``rows``, in the order in which they came, in one window; returns what became of each."""
        modality = run.like.modality
        if (room := self._room(index, modality)) is None:
            return 0
        fit = min(max(self._slot_events - len(room), 0), len(rows))
        if fit:
            room.add_rows(run, rows[:fit])
            taken = self._taken(index, modality)
        if fit == len(rows):
            return taken
        fate = np.full(len(rows), _FULL, np.uint8)
        fate[:fit] = taken if fit else _FULL
        return fate

    def _room(self, index: int, modality: Modality) -> Gathered | None:
        """Where a window keeps the rows of a modality; None if it is too late for that."""
        closed = self._closed.get(index)
        if closed is not None:
            return closed.rows.setdefault(modality, Gathered())
        if self._next is None or index < self._next:
            return None
        return self._open.setdefault(index, {}).setdefault(modality, Gathered())

    def _taken(self, index: int, modality: Modality) -> int:
        closed = self._closed.get(index)
        if closed is None:
            return _IN_TIME
        closed.late.add(modality)
        self._amended.add(index)
        return _AMENDS

    # --- what comes out -----------------------------------------------------------------

    def advance(self, now_ns: int) -> tuple[Window, ...]:
        """The windows that close, and the closed ones that are amended, by ``now_ns``, oldest first."""
        amended = tuple(self._amend(now_ns)) if self._amended else ()
        closed = tuple(self._close(now_ns))
        self._forget(now_ns)
        return amended + closed

    def finish(self, now_ns: int) -> tuple[Window, ...]:
        """Close everything that has begun by ``now_ns``: nothing more will come."""
        given = list(self.advance(now_ns))
        while self._next is not None and (self._next * self._hop_ns < now_ns or self._open):
            given.append(self._give(self._next, now_ns))
        return tuple(given)

    def next_due_ns(self) -> int | None:
        """When to call `advance` next if nothing happens; None before the first sign of life."""
        if self._next is None:
            return None
        if self._amended:
            return 0
        wait = self._wait or self._intake.wait(self._end_ns(self._next))
        return wait.over_ns()

    def counts(self) -> dict[str, Counts]:
        """What became of the events, by stream."""
        return self._intake.counts()

    def _end_ns(self, index: int) -> int:
        return index * self._hop_ns + self._span_ns

    def _close(self, now_ns: int) -> Iterator[Window]:
        if self._next is None:
            return
        self._skip_ahead(now_ns)
        while now_ns >= self._end_ns(self._next):
            self._wait = self._wait or self._intake.wait(self._end_ns(self._next))
            if not self._wait.is_over(now_ns):
                return
            yield self._give(self._next, now_ns)

    def _skip_ahead(self, now_ns: int) -> None:
        """After a long gap (suspend, a stopped recording) do not give out hours of empty windows."""
        assert self._next is not None
        if (first := now_ns // self._hop_ns - _SKIP) <= self._next:
            return
        if (first := min([first, *self._open])) > self._next:
            self.skipped += first - self._next
            self._next, self._wait = first, None

    def _give(self, index: int, now_ns: int) -> Window:
        rows, start_ns, end_ns = self._open.pop(index, {}), index * self._hop_ns, self._end_ns(index)
        slots = self._make.slots(rows, end_ns)
        window = Window(f"{self.session_id}.{index}", self.session_id, index, 0, start_ns, end_ns, now_ns, slots)
        self._closed[index] = _Closed(window, rows, set())
        self._next, self._wait = index + 1, None
        return window

    def _amend(self, now_ns: int) -> Iterator[Window]:
        for index in sorted(self._amended):
            closed, before = self._closed[index], self._closed[index].window
            slots = self._make.amended(before.slots, closed.rows, closed.late, before.end_ns)
            closed.window = replace(before, revision=before.revision + 1, closed_at_ns=now_ns, slots=slots)
            closed.late.clear()
            yield closed.window
        self._amended.clear()

    def _forget(self, now_ns: int) -> None:
        while self._closed:
            index = next(iter(self._closed))
            if self._end_ns(index) + self._lateness_ns >= now_ns:
                return
            del self._closed[index]
