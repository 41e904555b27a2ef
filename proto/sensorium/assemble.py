"""From an answer to a symbol: what device and cloud do alike once they know what they think.

Each side finds, for a window, a posterior over the vocabulary and a voice per modality; whether that
is enough to name a concept, and every other figure of the symbol, is decided here, once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from sensorium import symbol as formulas
from sensorium.concepts import Precedence, Vocabulary
from sensorium.event import Event, Modality
from sensorium.symbol import Entropy, Evidence, Hypothesis, Provenance, Reason, Revision, Share, Stage, Symbol
from sensorium.value import Value
from sensorium.window import Presence, Slot, Window

Distribution = Sequence[float]
"""K + 1 probabilities: the vocabulary's concepts in order, then "none of them"."""

UNKNOWN_RANK: Final = len(Precedence)
"""What nobody understands yields to everything."""

_STRANGE: Final = 0.25
ALTERNATIVES: Final = 5
"""How many hypotheses a symbol shows."""
_WORD: Final = re.compile(r"[a-z']+")
_NO_WORDS: Final[frozenset[str]] = frozenset()
_AUDIO, _TEXT, _GESTURE = Modality.AUDIO, Modality.TEXT, Modality.GESTURE  # reading one from its class is a call
_ASIDE: Final = frozenset({"moving", "aside"})
"""Marks of events that are told but mean nothing to us."""
_NS_PER_MS: Final = 1e6
_PLACE: Final = {modality: place for place, modality in enumerate(Modality)}
_SAID: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.NOTHING: "Nothing that says anything was perceived.",
        Reason.UNKNOWN: "Something was perceived that fits no known concept.",
        Reason.UNSURE: "Perhaps {best}, but not surely enough.",
        Reason.CONFLICT: "The senses contradict each other; most probably {best}.",
    }
)


class Thresholds(Value, frozen=True):
    """When to name a concept.

    Attributes:
        confident: least calibrated probability.
        conflict_bits: disagreement (Jensen-Shannon) from which the modalities contradict each other.
        outvoted: a contradiction is overruled from this probability on: two against one.
    """

    confident: float = 0.5
    conflict_bits: float = 0.35
    outvoted: float = 0.95


class Voice(Value, frozen=True):
    """One modality's part in an answer.

    Attributes:
        reliability: 0 to 1, from its signal's quality.
        trust: reliability x decay, 0 to 1.
        answer: what it says alone; None if it has no say.
        contribution: log p(best) with it minus without it, nats.
        attention: at least 0; normalised over the modalities here.
        label: what it recognised, if anything.
    """

    reliability: float = 0.0
    trust: float = 0.0
    answer: Distribution | None = None
    contribution: float = 0.0
    attention: float = 0.0
    label: str | None = None


_SILENT: Final = Voice()
_NO_SHARE: Final = {modality: {p: Share(modality, p) for p in Presence} for modality in Modality}


class Answer(Value, frozen=True):
    """What one side thinks of a window.

    Attributes:
        posterior: over the vocabulary and "none of them"; sums to 1.
        voices: by modality; those without an entry have no part.
        agreed: whether the same is most probable to all who are here: they contradict nobody, however unsure one is.
    """

    posterior: Distribution
    voices: Mapping[Modality, Voice]
    agreed: bool = False


class Figures(Value, frozen=True):
    """What a symbol says of an answer; who answers many windows at once computes these together.

    Attributes:
        best: the most probable concepts, best first, as many as are shown: place in the vocabulary, and probability.
        unknown: the probability of "none of them".
        entropy: how much is known.
        shares: each modality's part, one for each slot of the window.
        present: the modalities that had events inside the window.
        spoken: whether anyone who is here has a say.
        agreed: see `Answer`.
    """

    best: Sequence[tuple[int, float]]
    unknown: float
    entropy: Entropy
    shares: tuple[Share, ...]
    present: tuple[Modality, ...]
    spoken: bool
    agreed: bool = False

    @classmethod
    def of(cls, window: Window, answer: Answer) -> Figures:
        """Those of one window's answer."""
        posterior, voices = answer.posterior, answer.voices
        best = sorted(enumerate(posterior[:-1]), key=lambda one: (-one[1], one[0]))[:ALTERNATIVES]
        spoken = any(_speaks(slot, voices) for slot in window.slots if slot.here)
        shares = _shares(window, voices)
        present = tuple(slot.modality for slot in window.slots if slot.here)
        attention = [share.attention for share in shares]
        entropy = formulas.entropy_of(posterior, attention, _disagreement(window, voices), len(present))
        return cls(best, posterior[-1], entropy, shares, present, spoken, answer.agreed)


def assemble(
    window: Window,
    vocabulary: Vocabulary,
    answer: Answer,
    *,
    revision: Revision,
    thresholds: Thresholds,
    latency: Sequence[Stage],
    provenance: Provenance,
) -> Symbol:
    """The symbol for ``window``, with a concept where ``thresholds`` allow one."""
    figures = Figures.of(window, answer)
    return symbol_of(
        window,
        vocabulary,
        figures,
        revision=revision,
        thresholds=thresholds,
        latency=latency,
        provenance=provenance,
    )


def symbol_of(
    window: Window,
    vocabulary: Vocabulary,
    figures: Figures,
    *,
    revision: Revision,
    thresholds: Thresholds,
    latency: Sequence[Stage],
    provenance: Provenance,
) -> Symbol:
    """The same, where the answer's figures are known."""
    reason = verdict(figures, thresholds)
    place, probability = figures.best[0]
    best = vocabulary.concepts[place]
    nothing = not figures.spoken
    return Symbol(
        id=window.id,
        session_id=window.session_id,
        revision=revision,
        window_revision=window.revision,
        start_ns=window.start_ns,
        end_ns=window.end_ns,
        concept=None if reason else best.name,
        content=_SAID[reason].format(best=best.name.replace("_", " ")) if reason else best.description,
        abstained=reason,
        confidence=0.0 if nothing else probability,
        alternatives=() if nothing else _alternatives(vocabulary, figures.best),
        domains=_domains(figures.present, () if reason else best.domains),
        shares=figures.shares,
        entropy=figures.entropy,
        latency=tuple(latency),
        timeline=timeline(window),
        provenance=provenance,
        boot_id=window.boot_id,
    )


_domains = lru_cache(maxsize=1024)(formulas.domains_of)
"""There are few: each concept, with whoever is seen together."""


def verdict(figures: Figures, thresholds: Thresholds) -> Reason | None:
    """Why to abstain, or None. What is only stale says nothing new, so it never speaks alone."""
    if not figures.spoken:
        return Reason.NOTHING
    _, best = figures.best[0]
    apart = figures.entropy.disagreement >= thresholds.conflict_bits and not figures.agreed
    if apart and best < thresholds.outvoted:
        return Reason.CONFLICT
    if figures.unknown >= best:
        return Reason.UNKNOWN
    return Reason.UNSURE if best < thresholds.confident else None


def with_stage(symbol: Symbol, name: str, ms: float) -> Symbol:
    """``symbol`` with one more stage's time, measured by whoever ran it."""
    return replace(symbol, latency=(*symbol.latency, Stage(name, ms)))


def waited(window: Window) -> Stage:
    """How long after its end the window was given out: the alignment delay."""
    return Stage("align", max(window.closed_at_ns - window.end_ns, 0) / _NS_PER_MS)


def trust(events: Sequence[Event], end_ns: int, half_life_ns: int) -> tuple[float, float]:
    """Reliability, and reliability x decay, of a modality by ``events``, those that say something; 0 without any.

    Reliability is their mean quality; the decay is each event's own: 2^(-age / half-life).
    """
    if not events:
        return 0.0, 0.0
    qualities = [unit(e.quality) for e in events]
    decayed = [q * formulas.decay(end_ns - e.at_ns, half_life_ns) for q, e in zip(qualities, events, strict=True)]
    return math.fsum(qualities) / len(events), math.fsum(decayed) / len(events)


def support(known: int, strange: int) -> float:
    """How far a sense backs what it says: 1, less where most of its events in the window say nothing known.

    A hand on its way to a gesture is not understood for some pictures, so these count a quarter each.
    """
    return known / (known + _STRANGE * strange) if known else 1.0


def said_in(window: Window) -> frozenset[str]:
    """The words that came in a window, in lower case."""
    for slot in window.slots:
        if slot.modality is _TEXT and slot.events and slot.here:  # seldom
            said = [event.text.lower() for event in slot.events if event.text]
            return frozenset(word for text in said for word in _WORD.findall(text))
    return _NO_WORDS


def telling(events: Sequence[Event], said: Collection[str] = ()) -> Sequence[Event]:
    """Of a sense's events in a window, those that say something about what was meant.

    A hand's movement is an event with a span; how the hand was held meanwhile, and whenever it is on its way
    (``metadata`` says ``moving``), means nothing: who swipes with an open hand does not say stop. A command that
    nobody was called for (``aside``) is a word in a conversation, and one that is among the words ``said`` is part of
    that sentence: who says "stop the music" does not say stop.
    """
    if len(events) == 1 and not said and not events[0].metadata:  # nearly always
        return events
    movements = [e for e in events if e.span_ns > 0 and e.label and e.modality is _GESTURE]
    if movements:
        return movements
    return [e for e in events if not aside(e) and (not said or e.modality is not _AUDIO or e.label not in said)]


def aside(event: Event) -> bool:
    """Whether an event is told but means nothing to us: a hand on its way, a word nobody was called for."""
    return bool(event.metadata) and not _ASIDE.isdisjoint(event.metadata)


def label(slot: Slot, vocabulary: Vocabulary) -> str | None:
    """The label seen most surely; those that stand for a concept of higher precedence first."""

    def order(event: Event) -> tuple[int, float, str]:
        return rank(vocabulary, event), -unit(event.score), event.label or ""

    events = telling(slot.events)
    if len(events) == 1:  # nearly always
        return events[0].label or None
    labelled = [event for event in events if event.label]
    if not labelled:
        return None
    return min(labelled, key=order).label


def rank(vocabulary: Vocabulary, event: Event) -> int:
    """Whom the event's label has to yield to: the best rank of its concepts; `UNKNOWN_RANK` without any."""
    return vocabulary.rank(event.modality, event.label)


def unit(value: float) -> float:
    """``value`` in [0, 1]; 0 for what is not a number."""
    if 0.0 <= value <= 1.0:
        return value
    return 1.0 if 1.0 < value < math.inf else 0.0


def timeline(window: Window) -> tuple[Evidence, ...]:
    """Every event of the window, stale ones included, in order of event time."""
    events = [event for slot in window.slots for event in slot.events]
    if len(events) > 1:
        events.sort(key=_in_time)
    return tuple([Evidence(e.modality, e.label, e.score, e.at_ns, e.span_ns, e.text) for e in events])


def _in_time(event: Event) -> tuple[int, int, str, int]:
    return event.at_ns, _PLACE[event.modality], event.stream_id, event.sequence


# --- the parts -------------------------------------------------------------------------


def _speaks(slot: Slot, voices: Mapping[Modality, Voice]) -> bool:
    voice = voices.get(slot.modality)
    return voice is not None and voice.answer is not None


def _disagreement(window: Window, voices: Mapping[Modality, Voice]) -> float:
    """Between what is here: what a hand said two seconds ago does not contradict what it says now."""
    here = [voices[s.modality] for s in window.slots if s.here and _speaks(s, voices)]
    answers = [v.answer for v in here if v.answer is not None]
    return formulas.disagreement_bits(answers, [v.trust for v in here])


def _shares(window: Window, voices: Mapping[Modality, Voice]) -> tuple[Share, ...]:
    own = [voices.get(slot.modality, _SILENT) for slot in window.slots]
    weights = formulas.normalised([v.trust for v in own])
    attention = formulas.normalised([v.attention for v in own])
    parts = zip(window.slots, own, weights, attention, strict=True)
    return tuple(_share(*part) if part[1] is not _SILENT else unheard(part[0]) for part in parts)


def _share(slot: Slot, voice: Voice, weight: float, attention: float) -> Share:
    return Share(
        slot.modality,
        slot.presence,
        voice.label,
        voice.reliability,
        weight,
        voice.contribution,
        attention,
        slot.offset_ns,
        slot.age_ns,
    )


def unheard(slot: Slot) -> Share:
    """The share of who has no part; whoever is absent has the same in every window."""
    if slot.offset_ns is None and slot.age_ns is None:
        return _NO_SHARE[slot.modality][slot.presence]
    return Share(slot.modality, slot.presence, offset_ns=slot.offset_ns, age_ns=slot.age_ns)


def _alternatives(vocabulary: Vocabulary, best: Sequence[tuple[int, float]]) -> tuple[Hypothesis, ...]:
    concepts = vocabulary.concepts
    return tuple([Hypothesis(concepts[k].name, probability) for k, probability in best])
