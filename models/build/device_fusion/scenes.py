"""Composites: what several senses tell within one window, put together under one meaning.

A sense is either *perceived* (a glimpse out of the bank: what our perceivers make of generated people) or *promised*
(a label that is right as often as its score, its concept's strength and its signal's quality say: what every
calibrated perceiver promises, ours, a companion's or one taught on the device). Words are sentences, read by the
device itself. Around what is meant: senses left out, stale or late; events nobody understands; bad signals; another
person's command; states that have to yield; contradictions; and windows that mean nothing known.

The vocabulary changes from scene to scene: some of the built-in concepts, in any order, among up to 300 others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar

import numpy as np
from models.build.device_fusion.perceived import NOTHING, Bank, Glimpse, Told
from models.build.fusion.events import lines

from sensorium import phrases
from sensorium.concepts import Concept, Precedence, Vocabulary
from sensorium.event import Event, Modality
from sensorium.window import Presence, Slot, Window
from sensorium_agent.fuse.readings import Sense, senses

Kind = Literal["meant", "strange", "conflict"]
T = TypeVar("T")
SPAN_NS: Final = 500_000_000
HALF_LIFE_NS: Final = 2_000_000_000
_END_NS: Final = 60_000_000_000
_ALONE: Final = 0.35
_LEFT_OUT: Final = 0.3
_PERCEIVED: Final = 0.5
_LATE: Final = 0.1
_STALE: Final = 0.3
_BESIDE: Final = 0.2
"""How often somebody else commands something else meanwhile."""
_STATES: Final = 0.4
_MISREAD: Final = 0.75
"""How often something known was meant where no sense tells of it: else nothing known looked like it."""
_STATED: Final = (Modality.BIOMETRIC, Modality.AUDIO)
_ODD: Final = (Modality.TEXT, Modality.GESTURE, Modality.HAPTIC, Modality.AUDIO)


@dataclass(frozen=True, slots=True)
class Scene:
    """A window, and what it means.

    Attributes:
        told: what its senses say, as the device reads it.
        concepts: how many the vocabulary has, those counted that no sense knows of.
        showing: by modality, the concept that a sense rightly tells of; absent where it tells of none.
        perceived: whether what it tells came from perceivers alone.
        intended: what was meant even where no sense rightly tells of it; None for nothing known.
    """

    window: Window
    vocabulary: Vocabulary
    told: tuple[Sense, ...]
    concepts: int
    showing: Mapping[Modality, int]
    perceived: bool
    intended: int | None = None

    @property
    def speaking(self) -> tuple[Sense, ...]:
        """Who has a say."""
        return tuple(sense for sense in self.told if sense.speaks)

    def meaning(self, among: Sequence[Sense] | None = None) -> Mapping[int, float]:
        """What ``among`` (or all who speak) rightly mean: weights by concept index; ``concepts`` for none of them.

        The most win; who are as many share it. What is only stale supports what is said now and means nothing alone.
        """
        senses = self.speaking if among is None else among
        votes = Counter(self.showing[s.modality] for s in senses if s.modality in self.showing)
        now = {self.showing.get(s.modality) for s in senses if s.presence is not Presence.STALE}
        most = max((votes[k] for k in votes if k in now), default=0)
        best = [k for k in votes if k in now and votes[k] == most]
        if best:
            return dict.fromkeys(best, 1 / len(best))
        return {self.concepts if self.intended is None else self.intended: 1.0}

    @property
    def target(self) -> int | None:
        """The meaning; None where two contradict each other."""
        meaning = self.meaning()
        return next(iter(meaning)) if len(meaning) == 1 else None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A sense's events in the window, and the concept they rightly tell of, if any."""

    modality: Modality
    glimpse: Glimpse
    text: str | None
    presence: Presence
    means: int | None = None
    age_ns: int = 0


class Director:
    """Draws scenes; the same seed draws the same ones."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        bank: Bank,
        said: Mapping[str, Sequence[str]],
        seed: int,
        *,
        own: bool = True,
        perceived: float = _PERCEIVED,
    ) -> None:
        self._all, self._bank, self._said = vocabulary, bank, said
        self.rng = np.random.default_rng(seed)
        self._own, self._perceived = own, perceived
        self._vocabulary = vocabulary

    def draw(self, kind: Kind | None = None) -> Scene:
        """One scene, of a kind or in the proportions that train."""
        if self._own and self.rng.random() < 0.02:  # a new one now and then: its phrases have to be indexed
            self._vocabulary = self._some()
        chance = self.rng.random()
        kind = kind or ("conflict" if chance < 0.1 else "strange" if chance < 0.3 else "meant")
        if kind == "conflict":
            return self._conflict()
        return self._strange() if kind == "strange" else self._meant()

    # --- kinds of scenes -----------------------------------------------------------------

    def _meant(self) -> Scene:
        """One concept, as some senses tell of it, rightly or not."""
        concept = self._any()
        ways = self._ways(concept)
        if not ways:
            return self._strange()
        kept = [m for m in ways if self.rng.random() > _LEFT_OUT] or [self._one(ways)]
        if self.rng.random() < _ALONE:
            kept = [self._one(kept)]
        perceived = bool(self.rng.random() < self._perceived)
        seen = [self._telling(m, concept, perceived=perceived) for m in kept]
        misread = self._index(concept, right=self.rng.random() < _MISREAD)
        return self._put([*seen, *self._around(set(kept), concept)], perceived=perceived, intended=misread)

    def _strange(self) -> Scene:
        """Nothing that is known: but a perceiver may be mistaken."""
        senses = [m for m in _ODD if self.rng.random() < 0.35] or [self._one(_ODD)]
        return self._put([self._odd(m) for m in senses], perceived=bool(self.rng.random() < self._perceived))

    def _conflict(self) -> Scene:
        """Two commands by two senses; where both are rightly told, they contradict each other."""
        for _ in range(200):
            one, other = self._any(), self._any()
            ways = [(a, b) for a in self._ways(one) for b in self._ways(other) if a is not b]
            if one.name != other.name and one.precedence is other.precedence is Precedence.COMMAND and ways:
                pair = zip(self._one(ways), (one, other), strict=True)
                return self._put([self._promised(m, c) for m, c in pair], perceived=False)
        return self._meant()  # nothing contradicts anything in this vocabulary

    # --- what a sense tells ----------------------------------------------------------------

    def _telling(self, modality: Modality, concept: Concept, *, perceived: bool) -> _Seen:
        """A sense that is to tell of ``concept``."""
        if not perceived or modality not in self._bank:
            return self._promised(modality, concept)
        label = self._label(modality, concept)
        some = self._bank[modality].get(label, ())
        if not some:
            return self._promised(modality, concept)
        glimpse = self._one(some)
        meant = self.rng.random() < concept.labels[modality][label]
        right = meant and any(told.label == label for told in glimpse)
        return _Seen(modality, self._thinned(glimpse), None, self._presence(), self._index(concept, right=right))

    def _spoken(self, concept: Concept) -> _Seen:
        """A sentence; right where the device reads what was meant in it. What was heard badly was something else."""
        quality = self._quality()
        heard = concept if self.rng.random() < _gain(quality) else self._any()
        some = self._said[heard.name] or self._said[NOTHING]
        line = self._one(some)
        told = Told(None, float(self.rng.uniform(0.8, 1)), quality)
        right = self._vocabulary.index(concept.name) in phrases.match(line, self._vocabulary)
        return _Seen(Modality.TEXT, (told,), line, self._presence(), self._index(concept, right=right))

    def _promised(self, modality: Modality, concept: Concept) -> _Seen:
        """A label, as often right as it is promised to be; else another's."""
        if modality is Modality.TEXT:
            return self._spoken(concept)
        label, score, quality = self._label(modality, concept), self._score(), self._quality()
        events, odd = self._count(modality), 0
        if self.rng.random() < 0.3:
            odd = int(self.rng.integers(1, 16))
        believed = score * _gain(quality) * events / (events + odd / 4)
        right = bool(self.rng.random() < believed * concept.labels[modality][label])
        said = label if right else self._other(modality, believed)
        glimpse = self._spread([Told(said, float(score), quality)] * events + [Told(None, 0.0, quality)] * odd)
        return _Seen(modality, glimpse, None, self._presence(), self._index(concept, right=right))

    def _other(self, modality: Modality, believed: float) -> str:
        """A wrong label: each concept as likely, but for those whose labels are the more believed when seen."""
        while True:
            concept = self._any()
            if concept.labels.get(modality):
                label = self._label(modality, concept)
                if self.rng.random() >= believed * concept.labels[modality][label] * 0.98:
                    return label

    def _odd(self, modality: Modality) -> _Seen:
        """What nobody understands; now and then a perceiver thinks it does."""
        quality = self._quality()
        if modality is Modality.TEXT:
            some = self._said[NOTHING]
            told = Told(None, float(self.rng.uniform(0.8, 1)), quality)
            return _Seen(modality, (told,), self._one(some), Presence.PRESENT)
        shown = self._bank.get(modality, {}).get(NOTHING, ())
        if shown and self.rng.random() < 0.5:
            return _Seen(modality, self._thinned(self._one(shown)), None, self._presence())
        label = None if self.rng.random() < 0.5 else f"odd_{self.rng.integers(1000)}"
        told = Told(label, float(self.rng.random()), quality)
        return _Seen(modality, self._spread([told] * self._count(modality)), None, self._presence())

    # --- what else goes on -----------------------------------------------------------------

    def _around(self, taken: set[Modality], concept: Concept) -> list[_Seen]:
        """What else is told: something stale, somebody else, a state."""
        unused = [m for m in self._ways(concept) if m not in taken and self.rng.random() < _STALE]
        found = [self._stale(m, concept) for m in unused]
        taken = taken | set(unused)
        if self.rng.random() < _BESIDE:
            other = self._any()
            free = [m for m in self._ways(other) if m not in taken]
            if free:
                found.append(self._promised(self._one(free), other))
                taken = taken | {found[-1].modality}
        return [*found, *self._state(taken, concept.precedence.rank)]

    def _stale(self, modality: Modality, concept: Concept) -> _Seen:
        """What was told up to two seconds ago: it still holds as often as it has not decayed."""
        age_ns = int(self.rng.integers(SPAN_NS, HALF_LIFE_NS))
        others = [c for c in self._vocabulary if modality in self._ways(c) and c.precedence is concept.precedence]
        holds = self.rng.random() < 2 ** (-age_ns / HALF_LIFE_NS)
        seen = self._promised(modality, concept if holds else self._one(others))
        last = (replace(seen.glimpse[-1], ago_ns=0),)
        return replace(seen, glimpse=last, presence=Presence.STALE, age_ns=age_ns)

    def _state(self, taken: set[Modality], rank: int) -> list[_Seen]:
        """A state that has to yield to a concept of this rank."""
        modality = self._one(_STATED)
        lower = [c for c in self._vocabulary if c.precedence.rank > rank and c.labels.get(modality)]
        if modality in taken or not lower or self.rng.random() > _STATES:
            return []
        return [self._promised(modality, self._one(lower))]

    # --- windows ---------------------------------------------------------------------------

    def _put(self, seen: Sequence[_Seen], *, perceived: bool, intended: int | None = None) -> Scene:
        by_modality = {s.modality: s for s in seen}
        slots = tuple(_slot(m, by_modality.get(m)) for m in Modality)
        window = Window("b.0", "b", 0, 0, _END_NS - SPAN_NS, _END_NS, _END_NS + 1, slots)
        told = senses(window, self._vocabulary, dict.fromkeys(Modality, HALF_LIFE_NS))
        strangers = int(np.exp(self.rng.uniform(0, np.log(301)))) - 1 if self._own else 0
        showing = {s.modality: s.means for s in seen if s.means is not None}
        if any(intended in sense.claims() for sense in told):
            intended = None  # it was shown, and meant nothing
        return Scene(window, self._vocabulary, told, len(self._vocabulary) + strangers, showing, perceived, intended)

    def _any(self) -> Concept:
        return self._one(self._vocabulary.concepts)

    def _one(self, some: Sequence[T]) -> T:
        return some[int(self.rng.integers(len(some)))]

    def _index(self, concept: Concept, *, right: bool) -> int | None:
        return self._vocabulary.index(concept.name) if right else None

    def _some(self) -> Vocabulary:
        """A vocabulary of one's own: some of the concepts, in another order."""
        count = int(self.rng.integers(3, len(self._all) + 1))
        chosen = self.rng.permutation(len(self._all))[:count]
        return Vocabulary(tuple(self._all.concepts[k] for k in chosen))

    def _ways(self, concept: Concept) -> list[Modality]:
        said = [Modality.TEXT] if self._said.get(concept.name) else []
        return [*said, *(m for m in Modality if concept.labels.get(m))]

    def _label(self, modality: Modality, concept: Concept) -> str:
        labels = list(concept.labels[modality])
        return self._one(labels)

    def _score(self) -> float:
        """Mostly sure, and now and then anything."""
        return float(self.rng.uniform(0.02, 1) if self.rng.random() < 0.35 else 1 - self.rng.beta(1, 4))

    def _quality(self) -> float:
        """Mostly good, now and then bad."""
        bad = self.rng.random() < 0.3
        return float(self.rng.uniform(0.02, 0.7) if bad else 1 - self.rng.beta(1, 12))

    def _count(self, modality: Modality) -> int:
        often = modality in (Modality.GESTURE, Modality.AUDIO) and self.rng.random() < 0.6
        return int(self.rng.integers(2, 14)) if often else 1

    def _presence(self) -> Presence:
        return Presence.LATE if self.rng.random() < _LATE else Presence.PRESENT

    def _spread(self, told: Sequence[Told]) -> Glimpse:
        """Events at times of their own, in any order."""
        shuffled = [told[k] for k in self.rng.permutation(len(told))]
        ago = sorted(self.rng.integers(SPAN_NS, size=len(told)).tolist(), reverse=True)
        return tuple(replace(event, ago_ns=at) for event, at in zip(shuffled, ago, strict=True))

    def _thinned(self, glimpse: Glimpse) -> Glimpse:
        """A glimpse somewhere in the window."""
        later = int(self.rng.integers(SPAN_NS // 4))
        return tuple(replace(told, ago_ns=min(told.ago_ns + later, SPAN_NS - 1)) for told in glimpse)


def _gain(quality: float) -> float:
    """How much of what is promised a signal of some quality keeps: all from .9 on, a fifth at .2."""
    return min(quality / 0.9, 1.0)


def _slot(modality: Modality, seen: _Seen | None) -> Slot:
    if seen is None:
        return Slot(modality, Presence.ABSENT)
    events = tuple(
        Event(modality, str(modality), n, "b", _END_NS - seen.age_ns - told.ago_ns, span_ns=told.span_ns,
              label=told.label, text=seen.text, score=told.score, quality=told.quality)
        for n, told in enumerate(seen.glimpse)
    )  # fmt: skip
    return Slot(modality, seen.presence, events, _END_NS - events[-1].at_ns, 0)


def sentences(vocabulary: Vocabulary, split: Literal["practice", "fit", "exam"]) -> dict[str, list[str]]:
    """What is said, by the concept it means; `NOTHING` for none, and for commands told not to be done."""
    said = lines.sentences(vocabulary, split)
    strange = said[lines.NOTHING_KNOWN]
    denied = lines.denials(vocabulary, split)
    step = max(3 * len(denied) // max(len(strange), 1), 1)
    return {**said, NOTHING: [*strange, *denied[::step]]}
