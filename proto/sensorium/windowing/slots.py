"""Slots: how each modality takes part in a window, told from its events and from what was heard before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sensorium.event import Event, Modality
from sensorium.window import Presence, Slot
from sensorium.windowing.run import Gathered, RunEvents

Inside = Mapping[Modality, Gathered]
_Ordered = dict[Modality, Sequence[Event]]


class SlotMaker:
    """Makes the slots of a session's windows, and remembers what each modality said last.

    Args:
        modalities: those every window has a slot for.
        stale_ns: how long a modality's last event still counts.
    """

    def __init__(self, modalities: Collection[Modality], stale_ns: int) -> None:
        self._modalities = tuple(m for m in Modality if m in modalities)
        self._stale_ns = stale_ns
        self._last: dict[Modality, tuple[int, Sequence[Event]]] = {}

    def slots(self, inside: Inside, end_ns: int) -> tuple[Slot, ...]:
        """The slots of a window that closes with what is ``inside``."""
        events = _in_order(inside)
        earliest_ns = _earliest_ns(events)
        return tuple(
            self._filled(m, Presence.PRESENT, events[m], earliest_ns, end_ns) if m in events else self._empty(m, end_ns)
            for m in self._modalities
        )

    def amended(
        self, before: Sequence[Slot], inside: Inside, late: Collection[Modality], end_ns: int
    ) -> tuple[Slot, ...]:
        """The slots ``before`` once all of ``inside`` is in the window, that of ``late`` partly after its close."""
        events = _in_order(inside)
        earliest_ns = _earliest_ns(events)
        presence = {s.modality: Presence.LATE if s.modality in late else s.presence for s in before}
        return tuple(
            self._filled(m, presence[m], events[m], earliest_ns, end_ns) if (m := s.modality) in events else _left(s)
            for s in before
        )

    def _empty(self, modality: Modality, end_ns: int) -> Slot:
        at_ns, events = self._last.get(modality, (end_ns + 1, ()))
        if 0 <= end_ns - at_ns <= self._stale_ns:
            return Slot(modality, Presence.STALE, (events[-1],), end_ns - at_ns)
        return Slot(modality, Presence.ABSENT)

    def _filled(
        self, modality: Modality, presence: Presence, events: Sequence[Event], earliest_ns: int, end_ns: int
    ) -> Slot:
        first_ns, last_ns = _bounds_ns(events)
        if modality not in self._last or last_ns > self._last[modality][0]:
            self._last[modality] = last_ns, events
        return Slot(modality, presence, events, max(end_ns - last_ns, 0), first_ns - earliest_ns)


def _left(slot: Slot) -> Slot:
    """What a slot is without events of its own: what it was, unless they have moved to another window."""
    return Slot(slot.modality, Presence.ABSENT) if slot.here else slot


def _in_order(inside: Inside) -> _Ordered:
    return {modality: gathered.in_order() for modality, gathered in inside.items() if len(gathered)}


def _earliest_ns(events: _Ordered) -> int:
    return min((_bounds_ns(some)[0] for some in events.values()), default=0)


def _bounds_ns(events: Sequence[Event]) -> tuple[int, int]:
    """When the first and the last of them were; no event is made to know that."""
    if isinstance(events, RunEvents):
        return int(events.at_ns[0]), int(events.at_ns[-1])
    return events[0].at_ns, events[-1].at_ns
