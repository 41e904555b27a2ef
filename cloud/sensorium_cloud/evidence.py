"""Evidence: a window's events as the arrays the fusion network takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sensorium import assemble
from sensorium.assemble import UNKNOWN_RANK
from sensorium.concepts import Concept, Vocabulary
from sensorium.event import Event, Modality
from sensorium.symbol import decay
from sensorium.window import Slot
from sensorium_cloud.encode import EncodedWindow
from sensorium_cloud.network import Card, Floats, Inputs

EncodeSentences = Callable[[Sequence[str]], Floats]
"""Sentences to float32 [n, 384] at unit length."""

_MODALITIES: Final = tuple(Modality)


def embed(vocabulary: Vocabulary, encode_sentences: EncodeSentences) -> Floats:
    """Each concept's place in the sentence space: the mean over its description and phrases; [K, 384], unit length."""
    return np.stack([_embedded(concept, encode_sentences) for concept in vocabulary])


def _embedded(concept: Concept, encode_sentences: EncodeSentences) -> Floats:
    return _unit_length(encode_sentences([concept.description, *concept.phrases]).mean(axis=0))


def _unit_length(vector: Floats) -> Floats:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)


def pack(
    windows: Sequence[EncodedWindow], vocabulary: Vocabulary, concepts: Floats, card: Card, half_life_ns: int
) -> Inputs:
    """The windows' evidence as the network takes it; at most ``card.events`` events of a modality.

    What is not finite counts as not given, and a modality whose events nobody trusts as not there.
    """
    found = {
        (_MODALITIES.index(slot.modality), row): (encoded, seen)
        for row, encoded in enumerate(windows)
        for slot in encoded.window.slots
        if (seen := _looked_at(list(_evidence(encoded, slot, vocabulary, concepts)), card.events))
    }
    places = sorted(found)
    inputs = Inputs.zeros(places, card)
    for place, key in enumerate(places):
        encoded, chosen = found[key]
        own = inputs.features_of(place)
        for column, (evidence, backed) in enumerate(chosen):
            _fill(own[column], inputs.phrases[place, column], evidence)
            aged = decay(encoded.window.end_ns - evidence.event.at_ns, half_life_ns)
            inputs.facts[place, column] = (*evidence.given, assemble.unit(evidence.event.score), backed * aged)
    return inputs


def _looked_at(everything: Sequence[_Evidence], most: int) -> list[tuple[_Evidence, float]]:
    """The evidence of a slot that is looked at, each with its trust before it ages; nothing if nobody trusts it."""
    evidence = [e for e in everything if e.worth_a_look]
    strange = sum(e.rank == UNKNOWN_RANK for e in evidence)
    backed = assemble.support(len(evidence) - strange, strange)
    trusted = [(e, backed * assemble.unit(e.event.quality)) for e in sorted(evidence, key=_Evidence.order)[:most]]
    return trusted if any(trust > 0 for _, trust in trusted) else []


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """An event with the vectors that stand for it."""

    event: Event
    rank: int
    features: Floats | None
    phrase: Floats | None

    @property
    def worth_a_look(self) -> bool:
        """Words without a vector and pictures that could not be decoded are not."""
        wordless = self.event.modality in (Modality.VIDEO, Modality.TEXT)
        return not wordless or self.features is not None or self.phrase is not None

    @property
    def given(self) -> tuple[bool, bool]:
        """Whether it has features, and a phrase."""
        return self.features is not None, self.phrase is not None

    def order(self) -> tuple[int, int, str, int]:
        """What is looked at first: the highest precedence, then the newest."""
        return self.rank, -self.event.at_ns, self.event.stream_id, self.event.sequence


def _evidence(encoded: EncodedWindow, slot: Slot, vocabulary: Vocabulary, concepts: Floats) -> Iterator[_Evidence]:
    own = _encoded(encoded, slot.modality)
    telling = {id(event) for event in assemble.telling(slot.events)}
    for number, event in enumerate(slot.events):
        if id(event) not in telling:
            continue
        features = own.get(number)
        if features is None and event.features is not None:
            features = event.features.array().reshape(-1)
        words = own.get(number) if slot.modality is Modality.TEXT else None
        phrase = words if words is not None else _phrase(event, vocabulary, concepts)
        yield _Evidence(event, assemble.rank(vocabulary, event), _finite(features), _finite(phrase))


def _encoded(encoded: EncodedWindow, modality: Modality) -> dict[int, Floats]:
    """The vectors the encoders made, by the event's number in its slot."""
    if modality is Modality.TEXT and encoded.text is not None:
        return dict(zip(encoded.text_events, encoded.text, strict=True))
    if modality is Modality.VIDEO and encoded.frames is not None:
        return dict(zip(encoded.frame_events, encoded.frames, strict=True))
    return {}


def _phrase(event: Event, vocabulary: Vocabulary, concepts: Floats) -> Floats | None:
    """What the event's label stands for, in the sentence space; None if nobody knows the label."""
    meant = vocabulary.meanings(event.modality, event.label)
    if not meant:
        return None
    strengths = np.asarray([m.strength for m in meant], np.float32)
    return _unit_length(strengths @ concepts[[m.index for m in meant]])


def _finite(vector: Floats | None) -> Floats | None:
    return vector if vector is not None and bool(np.isfinite(vector).all()) else None


def _fill(features: Floats, phrase: Floats, seen: _Evidence) -> None:
    if seen.features is not None:
        features[:] = seen.features
    if seen.phrase is not None:
        phrase[:] = seen.phrase
