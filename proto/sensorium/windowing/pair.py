"""Pairs: for each event of a pivot modality, what of every other modality is nearest to it.

A pair is given out as soon as no neighbour can be beaten any more: its stream has been heard as far beyond the
pivot as the neighbour is away from it, or the neighbour is nearer than half the time from one of its stream's
events to the next. Where that cannot be known it is given out, as hop windows are, when the stream's usual
delay or the cap is over. Something nearer that comes later, within ``lateness_ns``, gives a revision.

Pure and deterministic, as `sensorium.align`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import chain
from typing import Final

from sensorium.event import Event, Modality
from sensorium.limits import EVENTS_PER_SLOT
from sensorium.window import Presence, Slot, Window
from sensorium.windowing.intake import Counts, Intake
from sensorium.windowing.run import Places, Ref, Run, event_of
from sensorium.windowing.track import HELD, Track
from sensorium.windowing.watermark import awaited_until_ns

_MS: Final = 1_000_000
_SURE: Final = 0.45
"""Of a stream's period: what is nearer than this is not beaten by the event before it or after it."""


@dataclass(slots=True)
class _Pair:
    """One pivot instant, and what is known of it."""

    pivots: list[Event]
    until_ns: dict[Modality, int] = field(default_factory=dict)
    """The modalities that are still waited for, and until when."""
    chosen: dict[Modality, Ref] = field(default_factory=dict)
    late: set[Modality] = field(default_factory=set)
    window: Window | None = None


class PairAligner:
    """Pairs over one session's events; a window's index is its pivot's time.

    Args:
        session_id: the session; events of others are a mistake of the caller.
        modalities: those every window has a slot for; the pivot is one of them.
        pivot: whose events are paired.
        tolerance_ns: how far a neighbour may be.
        cap_ns: how long after the pivot and the tolerance a pair may wait.
        lateness_ns: how long after that instant an event may still amend it.
        stale_ns: how long a modality's last event still counts.
        idle_ns: after this much silence a source holds nothing up.
        sporadic: modalities that speak when they like and hold nothing up, or only for the little they usually take.
    """

    def __init__(
        self,
        session_id: str,
        modalities: Collection[Modality],
        *,
        pivot: Modality,
        tolerance_ns: int = 20 * _MS,
        cap_ns: int = 300 * _MS,
        lateness_ns: int = 2000 * _MS,
        stale_ns: int = 2000 * _MS,
        idle_ns: int = 1000 * _MS,
        sporadic: Collection[Modality] = (Modality.TEXT,),
    ) -> None:
        if pivot not in modalities:
            raise ValueError(f"pivot must be one of {list(modalities)}, not {pivot}")
        self.session_id, self.skipped = session_id, 0
        self._pivot, self._tolerance_ns = pivot, tolerance_ns
        self._lateness_ns, self._stale_ns = max(lateness_ns, cap_ns), stale_ns
        self._intake = Intake(session_id, modalities, cap_ns=cap_ns, idle_ns=idle_ns, sporadic=sporadic)
        self._tracks = {m: Track() for m in self._intake.modalities if m is not pivot}
        self._pairs: dict[int, _Pair] = {}
        self._instants: list[int] = []
        self._new: set[int] = set()
        self._waiting: list[int] = []
        """Those of them whose pairs were not given out yet."""
        self._heard: dict[Modality, tuple[int, int]] = {}
        """Modalities heard since the last look, and the times of their first and last event."""
        self._moved: dict[Modality, tuple[int, int]] = {}
        """Modalities that were heard further since then: from where, and up to where."""
        self._due: list[tuple[int, int, Modality]] = []
        self._last_given_ns = -1 << 62

    # --- what comes in ------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        """Nothing begins before a pivot does."""

    def push(self, event: Event, now_ns: int) -> None:
        """Take one event, in any order.

        Raises:
            ValueError: the event is of another session or of a modality without a slot.
        """
        before_ns = self._reached_ns(event.modality)
        source = self._intake.admit(event, now_ns)
        if source is not None:
            self._take(event, now_ns, source.counts)
            self._note(event.modality, event.at_ns, event.at_ns, before_ns)

    def push_run(self, run: Run, now_ns: int) -> None:
        """Take the events of a run, as if they were pushed one after the other.

        Raises:
            ValueError: the run is of another session or of a modality without a slot.
        """
        modality = run.like.modality
        before_ns = self._reached_ns(modality)
        source, rows = self._intake.admit_run(run, now_ns)
        if modality is self._pivot:
            for row in rows.tolist():
                self._take(run.event(row), now_ns, source.counts)
        elif len(rows):
            self._take_rows(run, rows, now_ns, source.counts)
            at_ns = run.at_ns[rows]
            self._note(modality, int(at_ns.min()), int(at_ns.max()), before_ns)

    def reached(self, modality: Modality, at_ns: int, now_ns: int) -> None:
        """``modality`` has been looked at up to ``at_ns``, whether or not there was anything to say."""
        before_ns = self._reached_ns(modality)
        self._intake.reached(modality, at_ns, now_ns)
        self._note_progress(modality, before_ns)

    def _take(self, event: Event, now_ns: int, counts: Counts) -> None:
        if self._is_late(event.at_ns, now_ns):
            counts.late += 1
        elif event.modality is self._pivot:
            self._take_pivot(event, counts)
        elif len(track := self._tracks[event.modality]) >= HELD:
            counts.dropped += 1
        else:
            track.add(event)
            counts.placed += 1
            counts.amended += self._comes_after(event.modality, event.at_ns)

    def _take_rows(self, run: Run, rows: Places, now_ns: int, counts: Counts) -> None:
        in_time = rows[run.at_ns[rows] >= self._oldest_ns(now_ns)]
        counts.late += len(rows) - len(in_time)
        fit = in_time[: HELD - len(self._tracks[run.like.modality])]
        counts.dropped += len(in_time) - len(fit)
        if len(fit):
            self._tracks[run.like.modality].add_rows(run, fit)
            counts.placed += len(fit)
            after = run.at_ns[fit[run.at_ns[fit] <= self._last_given_ns + self._tolerance_ns]].tolist()
            counts.amended += sum(self._comes_after(run.like.modality, at_ns) for at_ns in after)

    def _take_pivot(self, event: Event, counts: Counts) -> None:
        pair = self._pairs.get(event.at_ns)
        if len(self._pairs) >= HELD or (pair and len(pair.pivots) >= EVENTS_PER_SLOT):
            counts.dropped += 1
            return
        if pair is None:
            pair = self._pairs[event.at_ns] = _Pair([])
            insort(self._instants, event.at_ns)
            insort(self._waiting, event.at_ns)
        pair.pivots.append(event)
        self._new.add(event.at_ns)
        counts.placed += 1
        if pair.window is not None:
            counts.amended += 1
            pair.late.add(self._pivot)

    def _comes_after(self, modality: Modality, at_ns: int) -> bool:
        """Whether an event is nearer to a pivot whose pair was given out than what it was given out with."""
        for instant in self._near(self._instants, at_ns, at_ns):
            pair = self._pairs[instant]
            if pair.window is None:
                continue
            slot = pair.window.slot(modality)
            if not slot.here or abs(slot.events[0].at_ns - instant) > abs(at_ns - instant):
                return True
        return False

    def _oldest_ns(self, now_ns: int) -> int:
        """What is older can be of no pair that may still be given out or amended."""
        return now_ns - self._lateness_ns - 2 * self._tolerance_ns

    def _is_late(self, at_ns: int, now_ns: int) -> bool:
        return at_ns < self._oldest_ns(now_ns)

    def _reached_ns(self, modality: Modality) -> list[int]:
        return [holder.reached_ns for holder in self._intake.holders_of(modality)]

    def _note(self, modality: Modality, first_ns: int, last_ns: int, before_ns: list[int]) -> None:
        """Events matter to the pivots near them."""
        times = (first_ns, last_ns, *self._heard.get(modality, ()))
        self._heard[modality] = min(times), max(times)
        self._note_progress(modality, before_ns)

    def _note_progress(self, modality: Modality, before_ns: list[int]) -> None:
        """How far a modality was heard matters to the pivots that it has passed."""
        if reached := [*before_ns, *self._reached_ns(modality), *self._moved.get(modality, ())]:
            self._moved[modality] = min(reached), max(reached)

    # --- what comes out -----------------------------------------------------------------

    def advance(self, now_ns: int) -> tuple[Window, ...]:
        """The pairs that are given out, and those that are amended, by ``now_ns``, oldest first."""
        touched = self._look(now_ns)
        given = tuple(w for instant in sorted(touched) if (w := self._give(instant, now_ns)) is not None)
        self._forget(now_ns)
        return given

    def finish(self, now_ns: int) -> tuple[Window, ...]:
        """Give out every pair that is still waiting: nothing more will come."""
        given = list(self.advance(now_ns))
        for instant in [*self._waiting]:
            self._pairs[instant].until_ns.clear()
            if (window := self._give(instant, now_ns)) is not None:
                given.append(window)
        self._due.clear()
        return tuple(given)

    def next_due_ns(self) -> int | None:
        """When to call `advance` next if nothing happens; None if no pair is waiting."""
        if self._new or self._heard or self._moved:
            return 0
        return self._due[0][0] if self._due else None

    def counts(self) -> dict[str, Counts]:
        """What became of the events, by stream."""
        return self._intake.counts()

    def _look(self, now_ns: int) -> set[int]:
        """Choose neighbours where something was heard or a wait is over; returns the instants looked at."""
        touched = set(self._new)
        for instant in self._new:
            for modality in self._tracks:
                self._choose(instant, modality, now_ns)
        near = ((m, self._near(self._instants, *times)) for m, times in self._heard.items())
        passed = ((m, self._near(self._waiting, *times)) for m, times in self._moved.items())
        for modality, instants in chain(near, passed):
            if modality is not self._pivot:
                touched.update(instants)
                for instant in instants:
                    self._choose(instant, modality, now_ns)
        self._new.clear()
        self._heard.clear()
        self._moved.clear()
        while self._due and self._due[0][0] <= now_ns:
            until_ns, instant, modality = heappop(self._due)
            pair = self._pairs.get(instant)
            if pair is not None and pair.until_ns.get(modality) == until_ns:
                del pair.until_ns[modality]
                self._choose(instant, modality, now_ns)
                touched.add(instant)
        return touched

    def _choose(self, instant: int, modality: Modality, now_ns: int) -> None:
        """Note the nearest event of a modality, and until when a nearer one is waited for."""
        pair, distance_ns = self._pairs[instant], self._tolerance_ns
        nearest = self._tracks[modality].nearest(instant)
        if nearest is not None and nearest[0] <= self._tolerance_ns:
            distance_ns, ref = nearest
            if pair.window is not None and pair.chosen.get(modality) != ref:
                pair.late.add(modality)
            pair.chosen[modality] = ref
        if pair.window is not None:
            return
        until_ns = self._until_ns(instant, distance_ns, modality, sure=modality in pair.chosen)
        if until_ns <= now_ns:
            pair.until_ns.pop(modality, None)
        elif pair.until_ns.get(modality) != until_ns:
            pair.until_ns[modality] = until_ns
            heappush(self._due, (until_ns, instant, modality))

    def _until_ns(self, instant: int, distance_ns: int, modality: Modality, *, sure: bool) -> int:
        """Until when something nearer than ``distance_ns`` may come."""
        holders = self._intake.holders_of(modality)
        if sure and len(holders) == 1 and distance_ns <= _SURE * self._tracks[modality].period_ns():
            return -1 << 62
        until_ns = (awaited_until_ns(holder, instant + distance_ns) for holder in holders)
        return max(until_ns, default=-1 << 62)

    def _give(self, instant: int, now_ns: int) -> Window | None:
        """The pair's window, if nothing is waited for; its next revision, if something late has come."""
        pair = self._pairs[instant]
        before = pair.window
        if pair.until_ns or (before is not None and not pair.late):
            return None
        start_ns, end_ns = instant - self._tolerance_ns, instant + self._tolerance_ns + 1
        slots = tuple(self._slots(pair, instant, end_ns))
        if before is None:
            name, session = f"{self.session_id}.{instant}", self.session_id
            pair.window = Window(name, session, instant, 0, start_ns, end_ns, now_ns, slots)
            del self._waiting[bisect_left(self._waiting, instant)]
        else:
            pair.window = replace(before, revision=before.revision + 1, closed_at_ns=now_ns, slots=slots)
        pair.late.clear()
        self._last_given_ns = max(self._last_given_ns, instant)
        return pair.window

    def _slots(self, pair: _Pair, instant: int, end_ns: int) -> Iterator[Slot]:
        events: dict[Modality, tuple[Event, ...]] = {m: (event_of(ref),) for m, ref in pair.chosen.items()}
        events[self._pivot] = tuple(sorted(pair.pivots, key=lambda e: (e.stream_id, e.sequence)))
        earliest_ns = min(some[0].at_ns for some in events.values())
        for modality in self._intake.modalities:
            if (some := events.get(modality)) is not None:
                at_ns = some[0].at_ns
                yield Slot(modality, self._presence(pair, modality), some, end_ns - at_ns, at_ns - earliest_ns)
            else:
                yield self._empty(modality, instant - self._tolerance_ns, end_ns)

    def _presence(self, pair: _Pair, modality: Modality) -> Presence:
        before = pair.window.slot(modality).presence if pair.window else Presence.PRESENT
        return Presence.LATE if modality in pair.late or before is Presence.LATE else Presence.PRESENT

    def _empty(self, modality: Modality, start_ns: int, end_ns: int) -> Slot:
        last = self._tracks[modality].before(start_ns)
        if last is not None and end_ns - last[0] <= self._stale_ns:
            return Slot(modality, Presence.STALE, (event_of(last[1]),), end_ns - last[0])
        return Slot(modality, Presence.ABSENT)

    def _near(self, instants: list[int], first_ns: int, last_ns: int) -> list[int]:
        """Those within the tolerance of an interval."""
        first = bisect_left(instants, first_ns - self._tolerance_ns)
        return instants[first : bisect_right(instants, last_ns + self._tolerance_ns)]

    def _forget(self, now_ns: int) -> None:
        oldest_ns = self._oldest_ns(now_ns)
        for track in self._tracks.values():
            track.forget(oldest_ns - self._stale_ns)
        old = 0
        for instant in self._instants:
            if instant >= oldest_ns or self._pairs[instant].window is None:
                break
            del self._pairs[instant]
            old += 1
        del self._instants[:old]
