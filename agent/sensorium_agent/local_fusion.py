"""The device's own answer for a window: always there, well under a millisecond, no model needed.

Every event is read through the vocabulary: its label by the concept table, its words by their
likeness to known phrases. A modality's answer is the mean of its events' readings, believed as far as
its signal and its age allow:

    p_m = t_m mean(readings) + (1 - t_m) uniform        t_m = reliability x 2^(-age / half-life)

and the answers are pooled log-linearly, log p = sum_m log p_m / T + const (Genest & Zidek 1986), over
the concepts and "none of them". Who is heard follows the concepts' precedence: an event of a state
(a heart rate) is silent where a command was given, and one that nobody understands is silent where
something was understood. Stale events support what is said now; they never speak alone.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from sensorium import assemble
from sensorium import symbol as formulas
from sensorium.assemble import Answer, Thresholds, Voice
from sensorium.concepts import Vocabulary
from sensorium.event import Event, Modality
from sensorium.symbol import ModelRef, Provenance, Revision, Stage, Symbol
from sensorium.window import Slot, Window
from sensorium_agent import phrases

_UNKNOWN_MASS: Final = 0.6
"""What evidence that nobody understands says for "none of them"; the rest is spread evenly."""
_SUREST: Final = 0.99
"""No perceiver is believed beyond this: a wrong 1.0 could not be outvoted."""
_NS_PER_MS: Final = 1e6


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """How the device weighs evidence.

    Attributes:
        temperature: divides the pooled log probabilities, above 0; above 1 means less sure.
        half_life_ns: age at which an event counts half, by modality.
        thresholds: when to name a concept.
    """

    temperature: float = 1.0
    half_life_ns: Mapping[Modality, int] = field(
        default_factory=lambda: MappingProxyType(dict.fromkeys(Modality, 2_000_000_000))
    )
    thresholds: Thresholds = field(default_factory=Thresholds)


def fuse(
    window: Window,
    vocabulary: Vocabulary,
    *,
    now_ns: int,
    device: str,
    software: str,
    models: Sequence[ModelRef] = (),
    settings: FusionSettings | None = None,
) -> Symbol:
    """The device's symbol for ``window``.

    Args:
        window: as the aligner closed it.
        vocabulary: what it may mean.
        now_ns: when the fusion began, for the latency's stage ``wait`` (window closed -> now).
        device: name of this device.
        software: name and version of this software.
        models: those that made the events.
        settings: how evidence is weighed.
    """
    settings = settings or FusionSettings()
    wait = Stage("wait", max(now_ns - window.closed_at_ns, 0) / _NS_PER_MS)
    return assemble.assemble(
        window,
        vocabulary,
        answer(window, vocabulary, settings),
        revision=Revision.EDGE,
        thresholds=settings.thresholds,
        latency=(assemble.waited(window), wait),
        provenance=Provenance(device, software, tuple(models)),
    )


def answer(window: Window, vocabulary: Vocabulary, settings: FusionSettings) -> Answer:
    """The posterior over the vocabulary and "none of them", and each modality's part in it."""
    words = assemble.said_in(window)
    readings = {slot.modality: _readings(slot, words, vocabulary) for slot in window.slots}
    first = min((r.rank for s in window.slots if s.here for r in readings[s.modality]), default=None)
    voices = {}
    for slot in window.slots:
        own = readings[slot.modality]
        heard = [r for r in own if r.rank == first]
        half_life_ns = settings.half_life_ns[slot.modality]
        reliability, trust = assemble.trust([r.event for r in heard] or slot.events, window.end_ns, half_life_ns)
        said = _said(heard, own, trust, len(vocabulary)) if trust > 0 else None
        voices[slot.modality] = Voice(reliability, trust, said, label=assemble.label(slot, vocabulary))
    return _pooled(voices, len(vocabulary), settings.temperature)


# --- reading events --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one event says: probability by concept index, and who it has to yield to."""

    event: Event
    says: Mapping[int, float]
    rank: int


def _readings(slot: Slot, words: frozenset[str], vocabulary: Vocabulary) -> list[_Reading]:
    return [_read(event, vocabulary) for event in assemble.telling(slot.events, words) if _says_something(event)]


def _says_something(event: Event) -> bool:
    """A picture without a label is for the cloud to look at; here it neither speaks nor puzzles."""
    wordless = event.label is None and event.text is None
    return event.quality > 0 and not (event.modality is Modality.VIDEO and wordless)


def _read(event: Event, vocabulary: Vocabulary) -> _Reading:
    says = phrases.match(event.text, vocabulary) if event.text else {}
    if not says:
        score = min(assemble.unit(event.score), _SUREST)
        says = {m.index: score * m.strength for m in vocabulary.meanings(event.modality, event.label)}
    if not says:
        return _Reading(event, {len(vocabulary): _UNKNOWN_MASS}, assemble.UNKNOWN_RANK)
    best = max(says, key=says.__getitem__)
    return _Reading(event, says, vocabulary.concepts[best].precedence.rank)


# --- weighing and pooling --------------------------------------------------------------


def _said(heard: Sequence[_Reading], own: Sequence[_Reading], trust: float, concepts: int) -> tuple[float, ...] | None:
    """The mean of what is heard, believed as far as ``trust`` and the sense's other events allow; the rest is even."""
    if not heard:
        return None
    strange = sum(r.rank == assemble.UNKNOWN_RANK for r in own)
    backed = trust * (1.0 if heard[0].rank == assemble.UNKNOWN_RANK else assemble.support(len(heard), strange))
    masses: dict[int, list[float]] = {}
    for reading in heard:
        for index, mass in reading.says.items():
            masses.setdefault(index, []).append(mass)
    said = {index: backed * math.fsum(some) / len(heard) for index, some in masses.items()}
    even = (1.0 - math.fsum(said.values())) / (concepts + 1)
    return tuple(said.get(index, 0.0) + even for index in range(concepts + 1))


def _pooled(voices: Mapping[Modality, Voice], concepts: int, temperature: float) -> Answer:
    """The voices' common answer, with what each contributed: the best hypothesis with it and without it."""
    logs = {m: [math.log(p) for p in v.answer] for m, v in voices.items() if v.answer is not None}
    pooled = [math.fsum(column) for column in zip(*logs.values(), strict=True)] or [0.0] * (concepts + 1)
    posterior = formulas.softmax(pooled, temperature)
    best = max(range(concepts + 1), key=posterior.__getitem__)
    told = math.log(posterior[best])
    without = {m: _without(pooled, own, temperature)[best] for m, own in logs.items()}
    parts = {m: _credited(voices[m], told - math.log(max(p, sys.float_info.min))) for m, p in without.items()}
    return Answer(posterior, {**voices, **parts})


def _without(pooled: Sequence[float], own: Sequence[float], temperature: float) -> tuple[float, ...]:
    """The posterior of all but one."""
    return formulas.softmax([a - b for a, b in zip(pooled, own, strict=True)], temperature)


def _credited(voice: Voice, contribution: float) -> Voice:
    """The voice with its contribution and, as the device's attention, the bits of evidence it brought."""
    assert voice.answer is not None
    told = math.log2(len(voice.answer)) - formulas.entropy_bits(voice.answer)
    return replace(voice, contribution=contribution, attention=max(told, 0.0))
