"""Event-time windows: which events belong together, decided by when things happened.

Pure and deterministic: the aligner holds no clock and does no I/O. It is told the time with every
call, and the same calls give the same windows. When a window closes:

- as soon as every active modality has *reached* the window's end: on a device each perceiver says up
  to where it has looked (`reached`), so a camera that sees no hand holds nothing up; a stream that
  only sends events reaches its newest event less the disorder seen lately;
- else ``cap_ns`` after its end, whatever is missing. A modality that has shown no sign for ``idle_ns``,
  and a sporadic one (a person types when they like), never holds a window.

What comes after that, within ``lateness_ns``, gives a revision of the same window id; what comes later
still is counted and left out. (Punctuated watermarks, allowed lateness and idle sources: Akidau et
al., The Dataflow Model, 2015.)
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sensorium.event import Event, Modality
from sensorium.limits import EVENTS_PER_SLOT
from sensorium.window import Presence, Slot, Window

_MS = 1_000_000
_SKIP = 240
"""Empty windows in a row that are given out after a gap; the rest are counted as skipped."""
_REMEMBERED = 4096
"""Sequence numbers remembered per stream to find duplicates."""
_AHEAD_NS = 60_000 * _MS
"""An event further in the future than this is a broken clock's, and is dropped."""


@dataclass(slots=True)
class Counts:
    """What became of a stream's events; each is counted once, in ``placed``, ``late``, ``duplicate`` or ``dropped``."""

    placed: int = 0
    amended: int = 0
    """Of the placed ones, those that came after their window had closed."""
    late: int = 0
    duplicate: int = 0
    dropped: int = 0
    reordered: int = 0


@dataclass(slots=True)
class _Stream:
    """How one stream behaves."""

    newest_ns: int
    counts: Counts = field(default_factory=Counts)
    disorder: deque[int] = field(default_factory=lambda: deque([0], maxlen=64))
    seen: OrderedDict[int, None] = field(default_factory=OrderedDict)

    def is_new(self, sequence: int) -> bool:
        if sequence in self.seen:
            return False
        self.seen[sequence] = None
        if len(self.seen) > _REMEMBERED:
            self.seen.popitem(last=False)
        return True

    def observe(self, at_ns: int) -> None:
        behind = self.newest_ns - at_ns
        self.counts.reordered += behind > 0
        self.disorder.append(max(behind, 0))
        self.newest_ns = max(self.newest_ns, at_ns)

    @property
    def reached_ns(self) -> int:
        return self.newest_ns - max(self.disorder)


@dataclass(slots=True)
class _Progress:
    """Up to where a modality has looked, and when it last gave a sign."""

    reached_ns: int
    sign_ns: int
    marked: bool = False
    """Its perceiver says how far it has looked; events alone no longer move it."""


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
        idle_ns: after this much silence a modality holds nothing up.
        sporadic: modalities that never hold a window.
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
    ) -> None:
        self.session_id = session_id
        self.modalities = tuple(m for m in Modality if m in modalities)
        self.span_ns, self.hop_ns = span_ns, hop_ns or span_ns
        if not 0 < self.hop_ns <= self.span_ns:
            raise ValueError(f"hop_ns must be above 0 and at most span_ns={span_ns}, not {self.hop_ns}")
        self.cap_ns, self.lateness_ns = cap_ns, lateness_ns
        self.stale_ns, self.idle_ns = stale_ns, idle_ns
        self.sporadic = frozenset(sporadic)
        self.skipped = 0
        self._streams: dict[str, _Stream] = {}
        self._progress: dict[Modality, _Progress] = {}
        self._open: dict[int, dict[Modality, list[Event]]] = {}
        self._closed: OrderedDict[int, Window] = OrderedDict()
        self._late: dict[int, dict[Modality, list[Event]]] = {}
        self._last: dict[Modality, Event] = {}
        self._next: int | None = None

    # --- what comes in ------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        """Begin with the window that holds ``now_ns``; otherwise the first sign of life begins."""
        if self._next is None:
            self._next = now_ns // self.hop_ns

    def push(self, event: Event, now_ns: int) -> None:
        """Take one event, in any order.

        Raises:
            ValueError: the event is of another session or of a modality without a slot.
        """
        if event.session_id != self.session_id or event.modality not in self.modalities:
            raise ValueError(f"{event.stream_id}: not of session {self.session_id} with {list(self.modalities)}")
        stream = self._streams.setdefault(event.stream_id, _Stream(event.at_ns))
        if not stream.is_new(event.sequence):
            stream.counts.duplicate += 1
            return
        if event.at_ns > now_ns + _AHEAD_NS:
            stream.counts.dropped += 1
            return
        stream.observe(event.at_ns)
        if not (progress := self._sign(event.modality, now_ns)).marked:
            progress.reached_ns = max(progress.reached_ns, stream.reached_ns)
        self.start(event.at_ns)
        self._place(event, stream.counts)

    def reached(self, modality: Modality, at_ns: int, now_ns: int) -> None:
        """``modality`` has been looked at up to ``at_ns``, whether or not there was anything to say."""
        progress = self._sign(modality, now_ns)
        progress.marked = True
        progress.reached_ns = max(progress.reached_ns, at_ns)
        self.start(at_ns)

    def _sign(self, modality: Modality, now_ns: int) -> _Progress:
        progress = self._progress.setdefault(modality, _Progress(-(1 << 62), now_ns))
        progress.sign_ns = max(progress.sign_ns, now_ns)
        return progress

    def _indices(self, at_ns: int) -> range:
        """The windows that hold an instant."""
        return range(-((self.span_ns - 1 - at_ns) // self.hop_ns), at_ns // self.hop_ns + 1)

    def _place(self, event: Event, counts: Counts) -> None:
        in_time = amended = full = False
        for index in self._indices(event.at_ns):
            rooms = self._late if index in self._closed else self._open
            if rooms is self._open and (self._next is None or index < self._next):
                continue
            events = rooms.setdefault(index, {}).setdefault(event.modality, [])
            if len(events) + self._closed_events(index, event.modality) >= EVENTS_PER_SLOT:
                full = True
                continue
            events.append(event)
            in_time |= rooms is self._open
            amended |= rooms is self._late
        counts.placed += in_time or amended
        counts.amended += amended and not in_time
        counts.dropped += full and not (in_time or amended)
        counts.late += not (in_time or amended or full)

    def _closed_events(self, index: int, modality: Modality) -> int:
        window = self._closed.get(index)
        return len(window.slot(modality).events) if window else 0

    # --- what comes out -----------------------------------------------------------------

    def advance(self, now_ns: int) -> tuple[Window, ...]:
        """The windows that close, and the closed ones that are amended, by ``now_ns``, oldest first."""
        amended = tuple(self._amend(now_ns))
        closed = tuple(self._close(now_ns))
        self._forget(now_ns)
        return amended + closed

    def finish(self, now_ns: int) -> tuple[Window, ...]:
        """Close everything that has begun by ``now_ns``: nothing more will come."""
        given = list(self.advance(now_ns))
        while self._next is not None and (self._next * self.hop_ns < now_ns or self._open):
            given.append(self._give(self._next, now_ns))
        return tuple(given)

    def next_due_ns(self) -> int | None:
        """When to call `advance` next if nothing happens; None before the first sign of life."""
        if self._next is None:
            return None
        return min(self._due_ns(self._next), 0 if self._late else 1 << 62)

    def counts(self) -> dict[str, Counts]:
        """What became of the events, by stream."""
        return {name: stream.counts for name, stream in self._streams.items()}

    def _end_ns(self, index: int) -> int:
        return index * self.hop_ns + self.span_ns

    def _due_ns(self, index: int) -> int:
        """When a window closes if nothing more is heard: its end, or later if someone is awaited."""
        end = self._end_ns(index)
        awaited = [
            min(end + self.cap_ns, p.sign_ns + self.idle_ns)
            for modality, p in self._progress.items()
            if modality not in self.sporadic and p.reached_ns < end
        ]
        return max([end, *awaited])

    def _close(self, now_ns: int) -> Iterator[Window]:
        if self._next is None:
            return
        self._skip_ahead(now_ns)
        while now_ns >= self._due_ns(self._next):
            yield self._give(self._next, now_ns)

    def _skip_ahead(self, now_ns: int) -> None:
        """After a long gap (suspend, a stopped recording) do not give out hours of empty windows."""
        assert self._next is not None
        first = min([now_ns // self.hop_ns - _SKIP, *self._open])
        if first > self._next:
            self.skipped += first - self._next
            self._next = first

    def _give(self, index: int, now_ns: int) -> Window:
        window = self._window(index, self._open.pop(index, {}), now_ns)
        self._closed[index] = window
        self._next = index + 1
        return window

    def _window(self, index: int, events: dict[Modality, list[Event]], now_ns: int) -> Window:
        start, end = index * self.hop_ns, self._end_ns(index)
        earliest = min((e.at_ns for some in events.values() for e in some), default=start)
        slots = tuple(
            self._slot(m, tuple(sorted(events.get(m, ()), key=_order)), earliest, end) for m in self.modalities
        )
        window = Window(f"{self.session_id}.{index}", self.session_id, index, 0, start, end, now_ns, slots)
        self._remember(window)
        return window

    def _remember(self, window: Window) -> None:
        """Each modality's newest event so far, for the windows in which it will be stale."""
        for slot in window.slots:
            last = self._last.get(slot.modality)
            if slot.here and (last is None or slot.events[-1].at_ns > last.at_ns):
                self._last[slot.modality] = slot.events[-1]

    def _slot(self, modality: Modality, events: tuple[Event, ...], earliest_ns: int, end_ns: int) -> Slot:
        if events:
            return _filled(modality, Presence.PRESENT, events, earliest_ns, end_ns)
        last = self._last.get(modality)
        if last is not None and 0 <= end_ns - last.at_ns <= self.stale_ns:
            return Slot(modality, Presence.STALE, (last,), end_ns - last.at_ns)
        return Slot(modality, Presence.ABSENT)

    def _amend(self, now_ns: int) -> Iterator[Window]:
        late, self._late = self._late, {}
        for index in sorted(late):
            window = amended(self._closed[index], late[index], now_ns)
            self._closed[index] = window
            self._remember(window)
            yield window

    def _forget(self, now_ns: int) -> None:
        while self._closed:
            index = next(iter(self._closed))
            if self._end_ns(index) + self.lateness_ns >= now_ns:
                return
            del self._closed[index]


def amended(window: Window, late: Mapping[Modality, Sequence[Event]], now_ns: int) -> Window:
    """``window`` with the events that came after it had closed, one revision on."""
    own = {s.modality: [*(s.events if s.here else ()), *late.get(s.modality, ())] for s in window.slots}
    earliest = min(e.at_ns for some in own.values() for e in some)

    def slot(before: Slot) -> Slot:
        events = tuple(sorted(own[before.modality], key=_order))
        presence = Presence.LATE if late.get(before.modality) else before.presence
        return _filled(before.modality, presence, events, earliest, window.end_ns) if events else before

    slots = tuple(slot(s) for s in window.slots)
    return replace(window, revision=window.revision + 1, closed_at_ns=now_ns, slots=slots)


def _filled(modality: Modality, presence: Presence, events: tuple[Event, ...], earliest_ns: int, end_ns: int) -> Slot:
    return Slot(modality, presence, events, max(end_ns - events[-1].at_ns, 0), events[0].at_ns - earliest_ns)


def _order(event: Event) -> tuple[int, str, int]:
    return event.at_ns, event.stream_id, event.sequence
