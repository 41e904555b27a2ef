"""The slots of some windows that hold events, side by side: what all that look at many windows at once share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from sensorium.event import Event, Modality
from sensorium.window import Presence, Slot, Window

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

_ABSENT: Final = Presence.ABSENT  # reading it from its class is a call
PLACE: Final = {modality: place for place, modality in enumerate(Modality)}


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """The n slots with events of W windows, window by window.

    Attributes:
        windows: W.
        slots: n.
        rows: intp [n], which window each slot is of.
        places: intp [n], which modality each is of.
        present: W, the modalities that had events in each window, also those whose events were kept at home.
        here: bool [W, 6], who has events inside the window's own span.
    """

    windows: Sequence[Window]
    slots: Sequence[Slot]
    rows: Indices
    places: Indices
    present: Sequence[tuple[Modality, ...]]
    here: Flags

    @classmethod
    def of(cls, windows: Sequence[Window]) -> Self:
        """Those of ``windows``."""
        slots: list[Slot] = []
        at: list[tuple[int, int, bool]] = []
        present: list[tuple[Modality, ...]] = []
        for row, window in enumerate(windows):
            inside: list[Modality] = []
            for slot in window.slots:
                if slot.presence is _ABSENT:  # most are
                    continue
                if inside_span := slot.here:
                    inside.append(slot.modality)
                if slot.events:
                    slots.append(slot)
                    at.append((row, PLACE[slot.modality], inside_span))
            present.append(tuple(inside))
        rows, places, heard = np.asarray(at, np.intp).reshape(len(at), 3).T
        here = np.zeros((len(windows), len(PLACE)), bool)
        here[rows, places] = heard
        return cls(windows, slots, rows, places, present, here)

    def trusts(self, half_life_ns: int) -> tuple[Doubles, Doubles]:
        """Reliability, and reliability x decay, of each slot [n]; see `sensorium.assemble.trust`."""
        events = [event for slot in self.slots for event in slot.events]
        counts = [len(slot.events) for slot in self.slots]
        rows = zip(self.rows.tolist(), counts, strict=True)
        ends_ns = [end for row, count in rows for end in (self.windows[row].end_ns,) * count]
        qualities = units([event.quality for event in events])
        decayed = qualities * decays(events, ends_ns, half_life_ns)
        if len(events) == len(counts):  # nearly always
            return qualities, decayed
        slots = np.repeat(np.arange(len(counts)), counts)
        reliability, trust = (np.bincount(slots, each, len(counts)) for each in (qualities, decayed))
        return reliability / counts, trust / counts


def decays(events: Sequence[Event], ends_ns: Iterable[int], half_life_ns: int) -> Doubles:
    """Trust left in each event [n] at the end of its window; see `sensorium.symbol.decay`."""
    # Two times may be further apart than 64 bits hold: their difference is taken before it becomes a float.
    ahead_ns = [event.at_ns - end_ns for event, end_ns in zip(events, ends_ns, strict=True)]
    return np.asarray(np.exp2(np.minimum(np.asarray(ahead_ns, np.float64), 0.0) / half_life_ns))


def units(values: Sequence[float]) -> Doubles:
    """Each value [n] in [0, 1]; 0 for what is not a number: `sensorium.assemble.unit` of many."""
    numbers = np.asarray(values, np.float64)
    return np.where(np.isfinite(numbers), np.minimum(np.maximum(numbers, 0.0), 1.0), 0.0)
