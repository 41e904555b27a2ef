"""Session windows: a span of activity, opened by its first event and over when all is quiet.

A session goes on while its events are less than ``gap_ns`` apart, and at most for ``longest_ns``; then the next
event opens another one. It is given out as soon as every active source has been heard up to its end, or when
what the sources usually take, or the cap, is over: as hop windows are.

What comes late can do more here than amend a window: it can join two sessions, or open one earlier. Sessions
are always those that the events make, whatever order they came in. A session keeps its id as long as the event
lives in it that first opened it; one that was swallowed by another gets a last revision without events.

Pure and deterministic, as `sensorium.align`.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from sensorium.event import Event, Modality
from sensorium.limits import EVENTS_PER_SLOT
from sensorium.window import Presence, Slot, Window
from sensorium.windowing.intake import Counts, Intake
from sensorium.windowing.run import Gathered, Places, Run, by_time, event_of
from sensorium.windowing.slots import SlotMaker
from sensorium.windowing.watermark import Wait

_MS: Final = 1_000_000
_HELD: Final = 4096
"""Sessions that are held; what would open another one is dropped."""


@dataclass(slots=True)
class _Session:
    """The events of one span of activity, and what was given out of it."""

    start_ns: int
    last_ns: int
    index: int
    inside: dict[Modality, Gathered] = field(default_factory=dict)
    window: Window | None = None
    late: set[Modality] = field(default_factory=set)

    def events(self) -> Iterator[Event]:
        """All of them; made for this, since joining sessions is rare."""
        for gathered in self.inside.values():
            yield from map(event_of, gathered.refs())


def _start(session: _Session) -> int:
    return session.start_ns


class SessionAligner:
    """Session windows over one session's events; a window's index is the time of the event that opened it.

    Args:
        session_id: the session; events of others are a mistake of the caller.
        modalities: those every window has a slot for.
        gap_ns: silence that ends a session of activity.
        longest_ns: after this long a session ends, however much is going on.
        cap_ns: how long after its end a window may wait.
        lateness_ns: how long after its end an event may still amend it.
        stale_ns: how long a modality's last event still counts.
        idle_ns: after this much silence a source holds nothing up.
        sporadic: modalities that speak when they like and hold nothing up, or only for the little they usually take.
        slot_events: how many events a slot holds; more are dropped and counted.
    """

    def __init__(
        self,
        session_id: str,
        modalities: Collection[Modality],
        *,
        gap_ns: int = 1000 * _MS,
        longest_ns: int = 5000 * _MS,
        cap_ns: int = 300 * _MS,
        lateness_ns: int = 2000 * _MS,
        stale_ns: int = 2000 * _MS,
        idle_ns: int = 1000 * _MS,
        sporadic: Collection[Modality] = (Modality.TEXT,),
        slot_events: int = EVENTS_PER_SLOT,
    ) -> None:
        if not 0 < gap_ns <= longest_ns:
            raise ValueError(f"gap_ns must be above 0 and at most longest_ns={longest_ns}, not {gap_ns}")
        self.session_id, self.skipped = session_id, 0
        self._gap_ns, self._longest_ns = gap_ns, longest_ns
        self._lateness_ns, self._slot_events = lateness_ns, slot_events
        self._intake = Intake(session_id, modalities, cap_ns=cap_ns, idle_ns=idle_ns, sporadic=sporadic)
        self._make = SlotMaker(modalities, stale_ns)
        self._sessions: list[_Session] = []
        """All that can still change, by time; they never overlap."""
        self._waiting: list[_Session] = []
        """Those of them that were not given out yet, by time."""
        self._changed: dict[int, _Session] = {}
        self._swallowed: dict[int, Window] = {}
        self._withdrawn: list[int] = []
        self._wait: tuple[int, Wait] | None = None
        self._floor_ns = -1 << 62

    # --- what comes in ------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        """Nothing begins before something happens."""

    def push(self, event: Event, now_ns: int) -> None:
        """Take one event, in any order.

        Raises:
            ValueError: the event is of another session or of a modality without a slot.
        """
        source = self._intake.admit(event, now_ns)
        if source is not None:
            self._place(event, now_ns, source.counts)

    def push_run(self, run: Run, now_ns: int) -> None:
        """Take the events of a run, as if they were pushed one after the other.

        Raises:
            ValueError: the run is of another session or of a modality without a slot.
        """
        source, rows = self._intake.admit_run(run, now_ns)
        at_ns = run.at_ns[rows]
        if (at_ns[1:] < at_ns[:-1]).any():
            for row in rows.tolist():
                self._place(run.event(row), now_ns, source.counts)
            return
        breaks = np.append(np.flatnonzero(np.diff(at_ns) >= self._gap_ns) + 1, len(rows))
        place = 0
        while place < len(rows):
            session = self._place(run.event(int(rows[place])), now_ns, source.counts)
            place += 1
            if session is not None:
                quiet = breaks[np.searchsorted(breaks, place)] if place < len(rows) else place
                within, open_to = np.searchsorted(at_ns, [session.last_ns + 1, self._open_to_ns(session)])
                stop = max(int(within), int(min(quiet, open_to)))
                if stop > place:
                    self._add_rows(session, run, rows[place:stop], source.counts)
                    place = stop

    def reached(self, modality: Modality, at_ns: int, now_ns: int) -> None:
        """``modality`` has been looked at up to ``at_ns``, whether or not there was anything to say."""
        self._intake.reached(modality, at_ns, now_ns)

    def _place(self, event: Event, now_ns: int, counts: Counts) -> _Session | None:
        """Put an event where it belongs; its session, unless sessions had to be made anew for it, or it is late."""
        at_ns = event.at_ns
        if at_ns < max(self._floor_ns, now_ns - self._lateness_ns - self._gap_ns):
            counts.late += 1
            return None
        after = bisect_right(self._sessions, at_ns, key=_start)
        before = self._sessions[after - 1] if after else None
        if before is not None and self._goes_on(before, at_ns):
            self._add(before, event, counts)
            return before
        if len(self._sessions) >= _HELD:
            counts.dropped += 1
            return None
        alone = _Session(at_ns, at_ns, at_ns)
        self._sessions.insert(after, alone)
        insort(self._waiting, alone, key=_start)
        self._add(alone, event, counts)
        torn = before is not None and at_ns < min(before.last_ns + self._gap_ns, before.start_ns + self._longest_ns)
        stop = self._chain(after)
        if torn or stop > after + 1:
            self._make_anew(after - torn, stop)
            return None
        return alone

    def _goes_on(self, session: _Session, at_ns: int) -> bool:
        """Whether an event is just one more of a session, with nothing to change around it."""
        return at_ns <= session.last_ns or at_ns < min(session.last_ns + self._gap_ns, self._open_to_ns(session))

    def _open_to_ns(self, session: _Session) -> int:
        """Before this a session may go on without touching the next one."""
        full_ns = session.start_ns + self._longest_ns
        after = bisect_right(self._sessions, session.start_ns, key=_start)
        following_ns = self._sessions[after].start_ns if after < len(self._sessions) else full_ns
        return full_ns if following_ns >= full_ns else following_ns - self._gap_ns + 1

    def _add(self, session: _Session, event: Event, counts: Counts) -> None:
        room = session.inside.setdefault(event.modality, Gathered())
        session.last_ns = max(session.last_ns, event.at_ns)
        if len(room) >= self._slot_events:
            counts.dropped += 1
            return
        room.add(event)
        self._count(session, event.modality, 1, counts)

    def _add_rows(self, session: _Session, run: Run, rows: Places, counts: Counts) -> None:
        room = session.inside.setdefault(run.like.modality, Gathered())
        session.last_ns = max(session.last_ns, int(run.at_ns[rows[-1]]))
        fit = rows[: max(self._slot_events - len(room), 0)]
        counts.dropped += len(rows) - len(fit)
        if len(fit):
            room.add_rows(run, fit)
            self._count(session, run.like.modality, len(fit), counts)

    def _count(self, session: _Session, modality: Modality, events: int, counts: Counts) -> None:
        counts.placed += events
        if session.window is not None:
            counts.amended += events
            session.late.add(modality)
            self._changed[session.index] = session

    # --- what late events do to sessions --------------------------------------------------

    def _chain(self, place: int) -> int:
        """Where the sessions end that follow the one at ``place`` without a gap."""
        stop = place + 1
        while stop < len(self._sessions):
            if self._sessions[stop].start_ns - self._sessions[stop - 1].last_ns >= self._gap_ns:
                break
            stop += 1
        return stop

    def _make_anew(self, first: int, stop: int) -> None:
        """Cut the events of some sessions into sessions again, in order of time."""
        old = self._sessions[first:stop]
        events = sorted((event for session in old for event in session.events()), key=by_time)
        new = self._cut(events)
        for session in old:
            self._changed.pop(session.index, None)
            if session.window is not None:
                self._bequeath(session, new)
        for session in new:
            if session.window is None and session.start_ns in self._swallowed:
                session.window = self._swallowed.pop(session.start_ns)
                session.late |= session.inside.keys()
                self._changed[session.index] = session
        self._sessions[first:stop] = new
        self._waiting = [session for session in self._sessions if session.window is None]

    def _cut(self, events: Iterable[Event]) -> list[_Session]:
        sessions: list[_Session] = []
        for event in events:
            at_ns = event.at_ns
            if not sessions or at_ns >= min(
                sessions[-1].last_ns + self._gap_ns, sessions[-1].start_ns + self._longest_ns
            ):
                sessions.append(_Session(at_ns, at_ns, at_ns))
            sessions[-1].last_ns = at_ns
            room = sessions[-1].inside.setdefault(event.modality, Gathered())
            if len(room) < self._slot_events:
                room.add(event)
            else:
                self._intake.take_back(event.stream_id)
        return sessions

    def _bequeath(self, given: _Session, new: Sequence[_Session]) -> None:
        """The session that holds the event that opened ``given`` takes its id, unless it has an older one."""
        assert given.window is not None
        heir = new[bisect_right(new, given.index, key=_start) - 1]
        if heir.window is not None:
            self._swallowed[given.index] = given.window
            self._withdrawn.append(given.index)
            return
        heir.index, heir.window, heir.late = given.index, given.window, given.late
        for modality, gathered in heir.inside.items():
            slot = given.window.slot(modality)
            if len(gathered) > (len(slot.events) if slot.here else 0):
                heir.late.add(modality)
        self._changed[heir.index] = heir

    # --- what comes out -----------------------------------------------------------------

    def advance(self, now_ns: int) -> tuple[Window, ...]:
        """The sessions that are over, and the given ones that changed, by ``now_ns``, oldest first."""
        given = [self._withdraw(index, now_ns) for index in self._withdrawn if index in self._swallowed]
        given += [self._amend(session, now_ns) for session in sorted(self._changed.values(), key=_start)]
        self._withdrawn.clear()
        self._changed.clear()
        while self._waiting and self._is_over(self._waiting[0], now_ns):
            given.append(self._give(self._waiting.pop(0), now_ns))
        self._forget(now_ns)
        return tuple(given)

    def finish(self, now_ns: int) -> tuple[Window, ...]:
        """Give out every session that has begun: nothing more will come."""
        given = self.advance(now_ns)
        rest, self._waiting = self._waiting, []
        return (*given, *(self._give(session, now_ns) for session in rest))

    def next_due_ns(self) -> int | None:
        """When to call `advance` next if nothing happens; None if nothing is going on."""
        if self._changed or self._withdrawn:
            return 0
        return self._wait_for(self._end_ns(self._waiting[0])).over_ns() if self._waiting else None

    def counts(self) -> dict[str, Counts]:
        """What became of the events, by stream."""
        return self._intake.counts()

    def _end_ns(self, session: _Session) -> int:
        return min(session.last_ns + self._gap_ns, session.start_ns + self._longest_ns)

    def _is_over(self, session: _Session, now_ns: int) -> bool:
        end_ns = self._end_ns(session)
        if now_ns < end_ns:
            return False
        if self._wait is None or self._wait[0] != end_ns:
            self._wait = end_ns, self._intake.wait(end_ns)
        return self._wait[1].is_over(now_ns)

    def _wait_for(self, end_ns: int) -> Wait:
        return self._wait[1] if self._wait and self._wait[0] == end_ns else self._intake.wait(end_ns)

    def _give(self, session: _Session, now_ns: int) -> Window:
        end_ns, name = self._end_ns(session), f"{self.session_id}.{session.index}"
        slots = self._make.slots(session.inside, end_ns)
        start_ns, index = session.start_ns, session.index
        session.window = Window(name, self.session_id, index, 0, start_ns, end_ns, now_ns, slots)
        return session.window

    def _amend(self, session: _Session, now_ns: int) -> Window:
        before, end_ns = session.window, self._end_ns(session)
        assert before is not None
        slots = self._make.amended(before.slots, session.inside, session.late, end_ns)
        session.window = replace(
            before,
            revision=before.revision + 1,
            start_ns=session.start_ns,
            end_ns=end_ns,
            closed_at_ns=now_ns,
            slots=slots,
        )
        session.late.clear()
        return session.window

    def _withdraw(self, index: int, now_ns: int) -> Window:
        before = self._swallowed[index]
        slots = tuple(Slot(slot.modality, Presence.ABSENT) for slot in before.slots)
        window = replace(before, revision=before.revision + 1, closed_at_ns=now_ns, slots=slots)
        self._swallowed[index] = window
        return window

    def _forget(self, now_ns: int) -> None:
        while self._sessions and self._sessions[0].window is not None:
            end_ns = self._end_ns(self._sessions[0])
            if end_ns + self._lateness_ns >= now_ns:
                break
            self._floor_ns = end_ns
            del self._sessions[0]
        for index in [i for i, w in self._swallowed.items() if w.end_ns + self._lateness_ns < now_ns]:
            del self._swallowed[index]
