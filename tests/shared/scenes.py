"""A window of ten seconds into a session, with what the senses saw in it or remember."""

from __future__ import annotations

from typing import Any

from sensorium.event import Event, EventStream, Modality
from sensorium.symbol import Share, Symbol
from sensorium.window import Presence, Slot, Window

MS = 1_000_000
END_NS = 10_000 * MS


def seen(modality: Modality, label: str | None = None, *, ago_ms: int = 100, **what: Any) -> Event:
    what.setdefault("score", 0.95 if label else 0.0)
    return EventStream("s", modality).event(END_NS - ago_ms * MS, label=label, **what)


def a_window(*events: Event, stale: tuple[Event, ...] = ()) -> Window:
    def slot(modality: Modality) -> Slot:
        own = tuple(sorted((e for e in events if e.modality is modality), key=lambda e: e.at_ns))
        old = tuple(e for e in stale if e.modality is modality)
        if own:
            return Slot(modality, Presence.PRESENT, own, END_NS - own[-1].at_ns, own[0].at_ns - earliest)
        if old:
            return Slot(modality, Presence.STALE, old, END_NS - old[-1].at_ns)
        return Slot(modality, Presence.ABSENT)

    earliest = min((e.at_ns for e in events), default=0)
    return Window("s.19", "s", 19, 0, END_NS - 500 * MS, END_NS, END_NS + 4 * MS, tuple(slot(m) for m in Modality))


def share(symbol: Symbol, modality: Modality) -> Share:
    return next(s for s in symbol.shares if s.modality is modality)
