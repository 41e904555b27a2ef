"""Composites: evidence of single senses put together under one meaning, as a window might hold it.

A scene says which rows of the bank lie in which place; `materialise` turns scenes into the arrays the network
takes, with fresh noise each time. Every scene is one of

- agreement: one concept, shown by some of the senses that can show it, among evidence that has to yield
  (a heart rate beside a command, a scene before the camera, speech around a wake word);
- unknown: evidence that fits no concept;
- conflict: two concepts by two senses; both are right, each as far as its sense can be trusted.

Composites are independent given their meaning. They teach coverage, absence, distrust and contradiction; they
cannot show that attention beats multiplying the single answers, and `models.build` never claims it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from models.build.fusion.events.bank import Bank, Floats
from models.build.fusion.events.lines import DENIED, NOTHING_KNOWN

from sensorium.concepts import Concept, Precedence, Vocabulary
from sensorium.event import Modality
from sensorium_cloud.fuse.network import FACTS

MODALITIES: Final = tuple(Modality)
_EVENTS: Final = 4
_NOISE: Final = 0.15
"""Standard deviation of the noise on features, in each number's own (the figure that held on real data)."""
_DROPPED: Final = 0.3
_BACKGROUND: Final = {
    Modality.VIDEO: 0.4,
    Modality.AUDIO: 0.3,
    Modality.TEXT: 0.05,
    Modality.GESTURE: 0.12,
    Modality.HAPTIC: 0.03,
    Modality.BIOMETRIC: 0.3,
}
"""How often a sense that shows nothing of the meaning is there all the same."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one sense adds to a scene.

    Attributes:
        shows: what its features show (a key of the bank).
        label: what its perceiver calls it, or None; not always the same.
        score: of the label.
        trust: reliability x decay.
        noise: on the features, in standard deviations.
        events: how many of them the window holds.
    """

    modality: Modality
    shows: str
    label: str | None
    score: float
    trust: float
    noise: float = _NOISE
    events: int = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """A window to be: its evidence, and its meaning as weights by concept index (K for none of them)."""

    evidence: tuple[Evidence, ...]
    meaning: Mapping[int, float]
    kind: str = "agreement"

    @property
    def target(self) -> int:
        """The meaning with the largest weight."""
        return max(self.meaning, key=self.meaning.__getitem__)


@dataclass(slots=True)
class Mixer:
    """Draws scenes; the same seed draws the same ones."""

    vocabulary: Vocabulary
    bank: Bank
    rng: np.random.Generator
    clean: bool = False
    """No false labels, no extra noise: for measuring."""
    _shown: dict[Concept, list[tuple[Modality, str]]] = field(default_factory=dict)

    def agreement(self, index: int | None = None) -> Scene:
        """One concept, by one or more senses."""
        index = int(self.rng.integers(len(self.vocabulary))) if index is None else index
        concept = self.vocabulary.concepts[index]
        ways = self._ways(concept)
        kept = [way for way in ways if self.rng.random() > _DROPPED] or [ways[self.rng.integers(len(ways))]]
        if self.rng.random() < 0.3:
            kept = [kept[self.rng.integers(len(kept))]]
        # A sense shows one thing at a time.
        own = {modality: self._shown_by(modality, label) for modality, label in kept}
        return Scene((*own.values(), *self._background(set(own), concept.precedence)), {index: 1.0})

    def denied(self) -> Scene:
        """A command that is told not to be done: it means none of the concepts, whatever else goes on."""
        words = Evidence(Modality.TEXT, DENIED, None, self.rng.uniform(0.8, 1.0), self.rng.uniform(0.5, 1.0))
        seen = [self._unlabelled(m) for m in (Modality.VIDEO, Modality.GESTURE) if self.rng.random() < 0.2]
        return Scene((words, *seen), {len(self.vocabulary): 1.0}, "unknown")

    def unknown(self) -> Scene:
        """What fits no concept; a command told not to be done is none either."""
        candidates = [Modality.TEXT, Modality.GESTURE, Modality.VIDEO, Modality.AUDIO, Modality.HAPTIC]
        chosen = [m for m in candidates if self.rng.random() < 0.4] or [candidates[self.rng.integers(2)]]
        evidence = tuple(self._unlabelled(m) for m in chosen)
        return Scene(evidence, {len(self.vocabulary): 1.0}, "unknown")

    def conflict(self) -> Scene:
        """Two commands that contradict each other."""
        while True:
            first, second = (self.agreement() for _ in range(2))
            one, other = first.evidence[0], second.evidence[0]
            commands = all(self._precedence(s) is Precedence.COMMAND for s in (first, second))
            if commands and one.modality != other.modality and first.target != second.target:
                weights = np.array([one.trust, other.trust])
                shares = weights / weights.sum()
                return Scene((one, other), {first.target: shares[0], second.target: shares[1]}, "conflict")

    def draw(self) -> Scene:
        """One scene, in the proportions that train."""
        kind = self.rng.random()
        if kind < 0.12:
            return self.conflict()
        if kind < 0.19:
            return self.denied()
        return self.unknown() if kind < 0.37 else self.agreement()

    # --- evidence ------------------------------------------------------------------------

    def _precedence(self, scene: Scene) -> Precedence:
        return self.vocabulary.concepts[scene.target].precedence

    def _ways(self, concept: Concept) -> list[tuple[Modality, str]]:
        """How a concept can be shown: said in words, or by a label."""
        labels = [(m, label) for m, some in concept.labels.items() for label in some]
        said = [(Modality.TEXT, concept.name)] if len(self.bank.rows[Modality.TEXT][concept.name]) else []
        return [*said, *labels]

    def _shown_by(self, modality: Modality, label: str) -> Evidence:
        rng = self.rng
        quality, decayed = rng.uniform(0.5, 1.0), rng.uniform(0.7, 1.0)
        count = int(rng.integers(1, _EVENTS + 1)) if modality is not Modality.TEXT else 1
        shows = label if label in self.bank.rows[modality] else "speech" if modality is Modality.AUDIO else ""
        named = None if modality is Modality.TEXT else label
        noise = 0.0 if self.clean else _NOISE
        sure = Evidence(modality, shows, named, rng.uniform(0.7, 1.0), quality * decayed, noise, count)
        if modality is Modality.VIDEO and rng.random() < 0.8:
            return replace(sure, label=None, score=0.0)  # no device labels pictures yet
        if self.clean:
            return sure
        if rng.random() < 0.15:
            return self._doubtful(sure)
        if named and rng.random() < 0.3:
            return self._unusual(sure)
        if named and shows and modality is not Modality.AUDIO and rng.random() < 0.15:
            return replace(sure, label=None, score=0.0)
        return sure

    def _unusual(self, sure: Evidence) -> Evidence:
        """Features unlike any in the bank under a label that is right: a label is trusted before its features are."""
        rows = list(self.bank.rows[sure.modality])
        if self.rng.random() < 0.5:
            return replace(sure, shows=rows[self.rng.integers(len(rows))])
        return replace(sure, noise=_NOISE * float(np.exp(self.rng.uniform(0, 3))))

    def _doubtful(self, sure: Evidence) -> Evidence:
        """A bad signal: little trust, much noise, and often the wrong thing altogether."""
        rng = self.rng
        trust, noise = sure.trust * rng.uniform(0.05, 0.4), sure.noise * rng.uniform(2, 20)
        doubtful = replace(sure, score=rng.uniform(0.3, 0.8), trust=trust, noise=noise)
        others = [x for x, rows in self.bank.rows[sure.modality].items() if x and len(rows)]
        if not others or rng.random() < 0.5:
            return doubtful
        shows = others[rng.integers(len(others))]
        return replace(doubtful, shows=shows, label=sure.label and shows)

    def _unlabelled(self, modality: Modality) -> Evidence:
        # A voice that the device did not call speech, and a command told not to be done, are nothing known.
        stranger = {Modality.TEXT: DENIED, Modality.AUDIO: "speech"}.get(modality, NOTHING_KNOWN)
        shows = stranger if self.rng.random() < 0.3 else NOTHING_KNOWN
        score = self.rng.uniform(0.8, 1.0) if modality is Modality.TEXT else 0.0
        return Evidence(modality, shows, None, score, self.rng.uniform(0.3, 1.0))

    def _background(self, taken: set[Modality], precedence: Precedence) -> list[Evidence]:
        """What else goes on, and has to yield: states beside commands, and what means nothing beside everything."""
        found = []
        for modality, often in _BACKGROUND.items():
            if modality in taken or self.rng.random() > often:
                continue
            labels = self._yielding(modality, precedence)
            if modality in (Modality.AUDIO, Modality.BIOMETRIC) and labels:
                found.append(self._shown_by(modality, labels[self.rng.integers(len(labels))]))
            elif modality not in (Modality.AUDIO, Modality.BIOMETRIC):
                found.append(self._unlabelled(modality))
        return found

    def _yielding(self, modality: Modality, precedence: Precedence) -> list[str]:
        """Labels of ``modality`` that are silent beside a concept of ``precedence``."""
        lower = (c for c in self.vocabulary if c.precedence.rank > precedence.rank)
        return [label for c in lower for label in c.labels.get(modality, ())]


# --- arrays ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Evidence of n windows with a place for every modality; zeros where there is none.

    Attributes:
        features: by modality, float32 [n, events, dims]; of text all zeros: words count by what they mean.
        phrases: float32 [n, 6, events, 384].
        facts: float32 [n, 6, events, 4].
    """

    features: tuple[Floats, ...]
    phrases: Floats
    facts: Floats

    @property
    def trust(self) -> Floats:
        """How far each modality can be trusted, [n, 6]: its best event's; 0 is absent."""
        return np.asarray(self.facts[..., 3].max(axis=-1), np.float32)


def materialise(
    scenes: Sequence[Scene],
    bank: Bank,
    vocabulary: Vocabulary,
    concepts: Floats,
    rng: np.random.Generator,
    *,
    drop: float,
) -> tuple[Inputs, Floats]:
    """The network's inputs for ``scenes``, and their meanings [n, K + 1].

    ``drop`` is how often an event with a label goes without its features: a device may send none.
    """
    dims = [next(iter(bank.rows[m].values())).shape[1] for m in MODALITIES]
    shape = (len(scenes), len(MODALITIES), _EVENTS)
    features = tuple(np.zeros((len(scenes), _EVENTS, d), np.float32) for d in dims)
    inputs = Inputs(features, np.zeros((*shape, concepts.shape[1]), np.float32), np.zeros((*shape, FACTS), np.float32))
    meanings = np.zeros((len(scenes), len(vocabulary) + 1), np.float32)
    place = _Place(inputs, bank, (vocabulary, concepts), rng, drop)
    for row, scene in enumerate(scenes):
        for index, weight in scene.meaning.items():
            meanings[row, index] = weight
        for seen in scene.evidence:
            put = place.words if seen.modality is Modality.TEXT else place.sensed
            put(row, seen)
    return inputs, meanings


class _Place:
    """Puts evidence into the arrays."""

    def __init__(
        self, inputs: Inputs, bank: Bank, said: tuple[Vocabulary, Floats], rng: np.random.Generator, drop: float
    ) -> None:
        self._inputs, self._bank, (self._vocabulary, self._concepts) = inputs, bank, said
        self._rng, self._drop = rng, drop
        # Each number's own standard deviation, for the noise.
        self._spread = {m: np.concatenate(list(rows.values())).std(axis=0) for m, rows in bank.rows.items()}

    def words(self, row: int, seen: Evidence) -> None:
        """A sentence, as the cloud's reader reads it."""
        read = self._bank.read[seen.shows]
        number = self._rng.integers(len(read.known))
        text = MODALITIES.index(Modality.TEXT)
        self._inputs.phrases[row, text, 0] = read.phrases[number]
        self._inputs.facts[row, text, 0] = (0, 1, seen.score * read.known[number], seen.trust)

    def sensed(self, row: int, seen: Evidence) -> None:
        """Events with a label, features, or both."""
        m = MODALITIES.index(seen.modality)
        meant = self._vocabulary.meanings(seen.modality, seen.label)
        rows = self._bank.rows[seen.modality].get(seen.shows)
        for column in range(seen.events):
            given = rows is not None and len(rows) and not (meant and self._rng.random() < self._drop)
            if given:
                assert rows is not None
                self._inputs.features[m][row, column] = self._features(rows, seen)
            if meant:
                self._inputs.phrases[row, m, column] = self._concepts[meant[0].index]
            self._inputs.facts[row, m, column] = (given, bool(meant), seen.score, seen.trust)

    def _features(self, rows: Floats, seen: Evidence) -> Floats:
        """One of ``rows``, with noise."""
        spread = self._spread[seen.modality]
        noise = self._rng.normal(0, seen.noise, spread.shape) * spread
        return np.asarray(rows[self._rng.integers(len(rows))] + noise, np.float32)
