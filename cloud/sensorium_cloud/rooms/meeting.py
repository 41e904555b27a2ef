"""Several devices in one session: what one of them saw counts in the windows of another, by when it happened.

Each device has windows and a clock of its own. How the clocks differ is told by its quickest messages
(`sensorium.clock_sync.one_way`), and a window takes in what others have reported for its own span, or for shortly
before it, where it has nothing of that sense itself. A window is fused once, when it comes: what is reported later
counts in the later ones. Pure: told the time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from sensorium.clock_sync.one_way import OneWayClock
from sensorium.event import Event, Modality
from sensorium.limits import EVENTS_PER_SLOT, SPAN_NS
from sensorium.window import Presence, Slot, Window

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MS: Final = 1_000_000
_FEEDERS: Final = 16
_WINDOWS: Final = 6
"""Of a feeder, the newest: with windows of half a second, three seconds of it."""


@dataclass(slots=True, eq=False)
class _Feeder:
    """A device in one boot of its clock, and what it reported lately by window."""

    clock: OneWayClock = field(default_factory=lambda: OneWayClock(path_error_ns=50 * _MS))
    recent: OrderedDict[str, Sequence[Event]] = field(default_factory=OrderedDict)

    def remember(self, window: Window) -> None:
        """Keep the window's own events; a revision takes the place of what it amends."""
        recent, own = self.recent, list[Event]()
        for slot in window.slots:
            if slot.events and slot.here:
                own += slot.events
        recent.pop(window.id, None)
        # Pictures stay with their own window: a dozen of them for every session would be gigabytes.
        recent[window.id] = [e if e.media is None else replace(e, media=None) for e in own]
        if len(recent) > _WINDOWS:
            recent.popitem(last=False)


class Meetings:
    """All sessions that are fed.

    Args:
        stale_ns: for how long before a window what others saw still counts, where the window has nothing of that sense.
        max_sessions: the one that was silent for longest gives way.
    """

    def __init__(self, *, stale_ns: int = 2000 * _MS, max_sessions: int = 10_000) -> None:
        self.met = 0
        """Windows that took something in."""
        self._stale_ns = stale_ns
        self._max_sessions = max_sessions
        self._sessions: OrderedDict[str, OrderedDict[tuple[str, str], _Feeder]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def join(self, device: str, window: Window, arrived_ns: int) -> Window:
        """``window`` of ``device``, which has come at ``arrived_ns``, with what others saw; as it is if nobody did."""
        feeder = self.remember(device, window, arrived_ns)
        feeders = self._sessions[window.session_id]
        if len(feeders) == 1:
            return window
        span_ns = window.start_ns - self._stale_ns, window.end_ns
        near = [e for other in feeders.values() if other is not feeder for e in _brought(other, feeder.clock, span_ns)]
        joined = _with(window, near)
        self.met += joined is not window
        return joined

    def remember(self, device: str, window: Window, arrived_ns: int) -> _Feeder:
        """``device`` saw ``window``, which is answered elsewhere; it counts in the windows of others."""
        feeders = self._feeders(window.session_id)
        feeder = _newest(feeders, (device, window.boot_id), _Feeder, _FEEDERS)
        feeder.clock.observe(window.closed_at_ns, arrived_ns)
        feeder.remember(window)
        return feeder

    def _feeders(self, session_id: str) -> OrderedDict[tuple[str, str], _Feeder]:
        return _newest(self._sessions, session_id, OrderedDict, self._max_sessions)


def _newest(known: OrderedDict[K, V], key: K, make: Callable[[], V], most: int) -> V:
    """What ``key`` has, made if need be, as the one used last; who was used longest ago gives way."""
    found = known.get(key)
    if found is not None:
        known.move_to_end(key)
        return found
    made = known[key] = make()
    if len(known) > most:
        known.popitem(last=False)
    return made


def _brought(other: _Feeder, clock: OneWayClock, span_ns: tuple[int, int]) -> Iterator[Event]:
    """What another feeder saw in a span of time, on the clock of this one."""
    shift_ns = clock.offset_ns() - other.clock.offset_ns()
    error_ns = clock.error_ns + other.clock.error_ns
    since_ns, end_ns = span_ns[0] - shift_ns, span_ns[1] - shift_ns
    for events in other.recent.values():
        for event in events:
            if since_ns <= event.at_ns < end_ns:
                at_error_ns = event.at_error_ns + error_ns
                yield replace(event, at_ns=event.at_ns + shift_ns, at_error_ns=at_error_ns)


def _with(window: Window, near: Sequence[Event]) -> Window:
    """``window`` with what was seen by others in its span, or lately."""
    if not near:
        return window
    by_modality: dict[Modality, list[Event]] = {}
    for event in near:
        by_modality.setdefault(event.modality, []).append(event)
    slots = [_filled(window, slot, by_modality.get(slot.modality, ())) for slot in window.slots]
    earliest_ns = min((slot.events[0].at_ns for slot in slots if slot.here and slot.events), default=0)
    placed = tuple(_placed(slot, earliest_ns) for slot in slots)
    return window if placed == window.slots else replace(window, slots=placed)


def _filled(window: Window, slot: Slot, near: Sequence[Event]) -> Slot:
    """The slot with what is inside the window, or, where nothing ever is, with the last thing before."""
    inside = [event for event in near if event.at_ns >= window.start_ns]
    if inside:
        own = slot.events if slot.here else ()
        events = tuple(sorted((*own, *inside), key=lambda e: (e.at_ns, e.stream_id, e.sequence))[-EVENTS_PER_SLOT:])
        presence = slot.presence if slot.here else Presence.PRESENT
        return Slot(slot.modality, presence, events, min(max(window.end_ns - events[-1].at_ns, 0), SPAN_NS))
    if near and slot.presence is Presence.ABSENT:
        last = max(near, key=lambda event: event.at_ns)
        return Slot(slot.modality, Presence.STALE, (last,), window.end_ns - last.at_ns)
    return slot


def _placed(slot: Slot, earliest_ns: int) -> Slot:
    """The slot with its distance from the window's first event."""
    if not (slot.here and slot.events):
        return slot
    return replace(slot, offset_ns=min(slot.events[0].at_ns - earliest_ns, SPAN_NS))
