"""Windows: the events of a session that belong together in event time."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from sensorium.event import Event, Modality
from sensorium.value import Value


class Presence(StrEnum):
    """How a modality takes part in a window; there is always exactly one answer."""

    PRESENT = "present"
    """It has events in the window."""
    LATE = "late"
    """It has events in the window, some of which came only after the window had closed."""
    STALE = "stale"
    """Nothing in this window, but something recent enough to still count, with its age."""
    ABSENT = "absent"
    """Nothing, and nothing recent."""


_HERE = (Presence.PRESENT, Presence.LATE)


class Slot(Value, frozen=True):
    """One modality's place in a window.

    Attributes:
        modality: whose place it is.
        presence: how it takes part.
        events: in order of event time; for a stale slot the last event seen; empty if absent, and in
            what leaves the device if their owner keeps them there.
        age_ns: window end minus the newest event's time, at least 0; None if absent.
        offset_ns: first event's time minus the window's earliest event's time (the temporal
            offset); None unless the slot is present or late.
    """

    modality: Modality
    presence: Presence
    events: Sequence[Event] = ()
    age_ns: int | None = None
    offset_ns: int | None = None

    @property
    def here(self) -> bool:
        """Whether it has events inside the window's own span."""
        return self.presence in _HERE


class Window(Value, frozen=True):
    """One span of event time, closed.

    Attributes:
        id: ``{session}.{index}``; the symbol made of this window has the same id.
        session_id: whose events these are.
        index: of a hop window its number (start = index * hop); of a session window the time of the event that
            first opened it, of a pair that of its pivot, in ns.
        revision: 0 when first closed, then one more for each late amendment.
        start_ns: first instant inside, on the device's monotonic clock.
        end_ns: first instant after it.
        closed_at_ns: when the aligner gave it out.
        slots: one for each configured modality, in the order of `Modality`.
        boot_id: the boot whose clock its times are of, once it leaves the run that made it; empty there, and
            for a clock that is no boot's (a file that was played at once).
    """

    id: str
    session_id: str
    index: int
    revision: int
    start_ns: int
    end_ns: int
    closed_at_ns: int
    slots: tuple[Slot, ...]
    boot_id: str = ""

    def slot(self, modality: Modality) -> Slot:
        """The place of ``modality``; absent if it was not configured."""
        for slot in self.slots:
            if slot.modality is modality:
                return slot
        return Slot(modality, Presence.ABSENT)

    @property
    def empty(self) -> bool:
        """Whether no modality has an event inside."""
        return not any(slot.here for slot in self.slots)
