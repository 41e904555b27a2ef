"""What each sense of a window says, before anyone weighs it: shared by the rules and by the network.

Every event is read through the vocabulary: its label by the concept table, its words by their likeness to known
phrases. Who is heard follows the concepts' precedence: an event of a state (a heart rate) is silent where a command
was given, and one that nobody understands is silent where something was understood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sensorium import assemble, phrases
from sensorium.concepts import Vocabulary
from sensorium.event import Event, Modality
from sensorium.window import Presence, Slot, Window

_SUREST: Final = 0.99
"""No perceiver is believed beyond this: a wrong 1.0 could not be outvoted."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one event says: probability by concept index (empty: nothing known), and who it has to yield to."""

    event: Event
    says: Mapping[int, float]
    rank: int


@dataclass(frozen=True, slots=True)
class Sense:
    """One modality's part in a window.

    Attributes:
        heard: its events that speak; none where it has to yield, or says nothing.
        strange: how many of its events nobody understands.
        reliability, trust: of what is heard, else of all its events; see `assemble.trust`.
        label: what it recognised, if anything.
    """

    modality: Modality
    presence: Presence
    heard: tuple[Reading, ...]
    strange: int
    reliability: float
    trust: float
    label: str | None

    @property
    def speaks(self) -> bool:
        """Whether it has a say."""
        return bool(self.heard) and self.trust > 0

    @property
    def understood(self) -> bool:
        """Whether what is heard means something known."""
        return self.heard[0].rank < assemble.UNKNOWN_RANK

    @property
    def support(self) -> float:
        """How far its events in the window back what is heard, 0 to 1; see `assemble.support`."""
        return assemble.support(len(self.heard), self.strange) if self.understood else 1.0

    def claims(self) -> dict[int, float]:
        """The mean of what is heard: probability by concept index."""
        masses: dict[int, list[float]] = {}
        for reading in self.heard:
            for index, mass in reading.says.items():
                masses.setdefault(index, []).append(mass)
        return {index: math.fsum(some) / len(self.heard) for index, some in masses.items()}


def senses(window: Window, vocabulary: Vocabulary, half_life_ns: Mapping[Modality, int]) -> tuple[Sense, ...]:
    """What each modality of ``window`` says, in their order; at the age ``half_life_ns`` an event counts half."""
    words = assemble.said_in(window)
    read = [(slot, _readings(slot, words, vocabulary)) for slot in window.slots]
    first = min((r.rank for slot, own in read if slot.here for r in own), default=None)
    found = []
    for slot, own in read:
        heard = tuple(r for r in own if r.rank == first)
        events = [r.event for r in heard] or slot.events
        reliability, trust = assemble.trust(events, window.end_ns, half_life_ns[slot.modality])
        strange = sum(r.rank == assemble.UNKNOWN_RANK for r in own)
        label = assemble.label(slot, vocabulary)
        found.append(Sense(slot.modality, slot.presence, heard, strange, reliability, trust, label))
    return tuple(found)


def _readings(slot: Slot, words: frozenset[str], vocabulary: Vocabulary) -> list[Reading]:
    return [_read(event, vocabulary) for event in assemble.telling(slot.events, words) if _says_something(event)]


def _says_something(event: Event) -> bool:
    """A picture without a label is for the cloud to look at; here it neither speaks nor puzzles."""
    wordless = event.label is None and event.text is None
    return event.quality > 0 and not (event.modality is Modality.VIDEO and wordless)


def _read(event: Event, vocabulary: Vocabulary) -> Reading:
    says = phrases.match(event.text, vocabulary) if event.text else {}
    if not says:
        score = min(assemble.unit(event.score), _SUREST)
        says = {m.index: score * m.strength for m in vocabulary.meanings(event.modality, event.label)}
    if not says:
        return Reading(event, {}, assemble.UNKNOWN_RANK)
    best = max(says, key=says.__getitem__)
    return Reading(event, says, vocabulary.concepts[best].precedence.rank)
