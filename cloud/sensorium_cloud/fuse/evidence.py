"""Evidence: a window's events as the arrays the fusion network takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from sensorium import assemble
from sensorium.assemble import UNKNOWN_RANK
from sensorium.concepts import Concept, Vocabulary
from sensorium.errors import FieldError
from sensorium.event import Event, Modality, Tensor, joined
from sensorium.window import Slot, Window
from sensorium_cloud.encode.encoders import EncodedWindow
from sensorium_cloud.fuse.filled import Filled, Indices, decays, units
from sensorium_cloud.fuse.network import FACTS, Card, Floats, Inputs
from sensorium_cloud.fuse.reading import EncodeSentences, Reader

_VIDEO, _AUDIO, _TEXT = Modality.VIDEO, Modality.AUDIO, Modality.TEXT  # reading one from its class is a call
_WORDLESS: Final = (_VIDEO, _TEXT)
"""Words without a vector and pictures that could not be decoded say nothing by being there."""
_UNDERSTOOD: Final = 0.5
"""From so surely on, what was said with a sound counts for what it means, not as the sound."""
_LARGEST: Final = 1e6
"""No feature is larger: half floats end at 65504, and squares of much larger ones overflow in the network."""
_NO_PICTURES: Final[dict[int, Floats]] = {}
_Found = TypeVar("_Found")


def embed(vocabulary: Vocabulary, encode_sentences: EncodeSentences) -> Floats:
    """Each concept's place in the sentence space: the mean over its description and phrases; [K, 384], unit length."""
    return np.stack([_embedded(concept, encode_sentences) for concept in vocabulary])


def _embedded(concept: Concept, encode_sentences: EncodeSentences) -> Floats:
    return _unit_length(encode_sentences([concept.description, *concept.phrases]).mean(axis=0))


def _unit_length(vector: Floats) -> Floats:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)


def check_sizes(window: Window, dims: Mapping[Modality, int]) -> None:
    """Refuse a window whose feature vectors do not have as many numbers as ``dims`` says.

    Raises:
        FieldError: names the field, for example ``slots[3].events[0].features``.
    """
    for place, slot in enumerate(window.slots):
        for number, event in enumerate(slot.events):
            if event.features is not None and math.prod(event.features.shape) != (size := dims[slot.modality]):
                reason = f"has shape {list(event.features.shape)}; a {slot.modality} vector has {size} numbers"
                raise FieldError(f"slots[{place}].events[{number}].features", reason)


class Packer:
    """Puts the evidence of windows into arrays.

    Args:
        reader: reads words; labels stand for the concepts of its vocabulary.
        card: the network's; at most ``card.events`` events of a modality are looked at.
        half_life_ns: age at which an event counts half.
    """

    def __init__(self, reader: Reader, card: Card, half_life_ns: int) -> None:
        self._vocabulary = reader.vocabulary
        self._reader = reader
        self._card = card
        self._half_life_ns = half_life_ns
        self._labels, self._phrases = _labels(reader.vocabulary, reader.concepts)

    def pack(self, windows: Sequence[EncodedWindow], filled: Filled) -> Inputs:
        """The windows' evidence, which is in the slots that are ``filled``, as the network takes it.

        What is not finite, or huge, counts as not given, and a modality whose events nobody trusts as not there.
        """
        inputs, sound = self._packed(windows, filled)
        if sound:
            return inputs
        # What is not finite is refused on the wire, and no perceiver gives what is huge: a second time is seldom.
        mended = [_without_broken(encoded) for encoded in windows]
        return self._packed(mended, Filled.of([encoded.window for encoded in mended]))[0]

    def _packed(self, windows: Sequence[EncodedWindow], filled: Filled) -> tuple[Inputs, bool]:
        """The evidence, and whether all of its features can be looked at."""
        slots = [(row, windows[row], slot) for row, slot in zip(filled.rows.tolist(), filled.slots, strict=True)]
        meant, phrases = self._read(slots)
        seen: list[list[_Seen]] = [[] for _ in Modality]
        for place, (row, encoded, slot) in zip(filled.places.tolist(), slots, strict=True):
            if evidence := self._looked_at(encoded, slot, meant):
                seen[place].append((row, evidence))
        flat = _Flat.of(seen)
        vectors = _numbers([one.features for one in flat.evidence if one.features is not None])
        inputs = Inputs(
            np.asarray([row for row, _ in flat.places], np.intp),
            np.repeat(np.arange(len(seen)), [count for count, _ in flat.senses]),
            flat.features(vectors, self._card.dims.values()),
            phrases[flat.spread(np.asarray([one.phrase for one in flat.evidence], np.intp))],
            flat.spread(self._facts(flat, filled.windows)),
        )
        return inputs, _sound(vectors)

    def _read(self, slots: Sequence[tuple[int, EncodedWindow, Slot]]) -> tuple[dict[int, _Meant], Floats]:
        """What the words in ``slots`` mean, by the identity of their event; and all phrases, those of labels first."""
        found = [pair for _, encoded, slot in slots if _has_words(slot) for pair in self._sentences(encoded, slot)]
        if not found:
            return {}, self._phrases
        rows = np.stack([row for _, row in found])
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        read = self._reader.read([event.text or "" for event, _ in found], rows)
        ranks = [self._vocabulary.concepts[k].precedence.rank for k in read.concepts.tolist()]
        said = map(_Meant, range(len(self._phrases), len(self._phrases) + len(found)), read.known.tolist(), ranks)
        meant = {id(event): own for (event, _), own in zip(found, said, strict=True)}
        return meant, np.concatenate([self._phrases, read.phrases])

    def _sentences(self, encoded: EncodedWindow, slot: Slot) -> list[tuple[Event, Floats]]:
        """The slot's words with their vectors; the newest, for no more are looked at."""
        if slot.modality is _TEXT:
            return _newest(_written(encoded, slot), self._card.events)
        newest = _newest([(event, event.text or "") for event in slot.events if _says(event)], self._card.events)
        return [(event, self._reader.encode_sentences([words])[0]) for event, words in newest]

    def _looked_at(self, encoded: EncodedWindow, slot: Slot, meant: Mapping[int, _Meant]) -> list[_Evidence]:
        """The evidence of a slot that is looked at, the most telling first; nothing if nobody trusts it.

        Of what a sense says, too, the lower precedence is silent beside the higher: a wake word is said in speech.
        """
        evidence, backed = self._evidence(encoded, slot, meant), 1.0
        if len(evidence) > 1:  # seldom
            evidence.sort(key=_Evidence.order)
            strange = sum(e.rank == UNKNOWN_RANK for e in evidence)
            backed = assemble.support(len(evidence) - strange, strange)
            evidence = [e for e in evidence if e.rank in (evidence[0].rank, UNKNOWN_RANK)]
            del evidence[self._card.events :]
        trusted = False
        for seen in evidence:
            seen.trust = backed * assemble.unit(seen.event.quality)
            trusted = trusted or seen.trust > 0
        return evidence if trusted else []

    def _evidence(self, encoded: EncodedWindow, slot: Slot, meant: Mapping[int, _Meant]) -> list[_Evidence]:
        modality = slot.modality
        pictures = _pictures(encoded, slot) if modality is _VIDEO else _NO_PICTURES
        said = assemble.said_in(encoded.window) if modality is _AUDIO else ()
        found: list[_Evidence] = []
        for event in assemble.telling(slot.events, said):
            label = self._labels[event.modality].get(event.label or "", _STRANGE)
            words = meant.get(id(event)) if meant else None
            understood = words is not None and words.known >= _UNDERSTOOD
            if words is not None and (modality is _TEXT or understood or not label.phrase):
                rank = words.rank if understood and modality is not _TEXT else label.rank
                found.append(_Evidence(event, rank, None, words.phrase, words.known))
                continue
            features = None if modality is _TEXT else pictures.get(id(event), event.features)
            if features is not None or label.phrase or modality not in _WORDLESS:
                found.append(_Evidence(event, label.rank, features, label.phrase))
        return found

    def _facts(self, flat: _Flat, windows: Sequence[Window]) -> Floats:
        """The facts [m, 4] of each piece of evidence, see `sensorium_cloud.fuse.network.FACTS`."""
        evidence = flat.evidence
        events = [one.event for one in evidence]
        ends_ns = [windows[row].end_ns for row, count in flat.places for _ in range(count)]
        facts = np.empty((len(evidence), FACTS), np.float32)
        facts[:, 0] = [one.features is not None for one in evidence]
        facts[:, 1] = [one.phrase > 0 for one in evidence]
        facts[:, 2] = units([event.score for event in events]) * [one.known for one in evidence]
        facts[:, 3] = decays(events, ends_ns, self._half_life_ns) * [one.trust for one in evidence]
        return facts


@dataclass(frozen=True, slots=True)
class _Label:
    """What a label stands for: a row of all phrases, `_NO_PHRASE` if nobody knows it; and whom it has to yield to."""

    phrase: int
    rank: int


_NO_PHRASE: Final = 0
"""The first row of all phrases: zeros."""
_STRANGE: Final = _Label(_NO_PHRASE, UNKNOWN_RANK)


def _labels(vocabulary: Vocabulary, concepts: Floats) -> tuple[dict[Modality, dict[str, _Label]], Floats]:
    """The labels of the vocabulary, by modality; and, [1 + L, 384], the place of each in the sentence space."""
    keys = sorted({(m, label) for concept in vocabulary for m, labels in concept.labels.items() for label in labels})
    phrases = np.zeros((1 + len(keys), concepts.shape[1]), np.float32)
    known: dict[Modality, dict[str, _Label]] = {modality: {} for modality in Modality}
    for row, (modality, label) in enumerate(keys, start=1):
        known[modality][label] = _Label(row, vocabulary.rank(modality, label))
        meant = vocabulary.meanings(modality, label)
        strengths = np.asarray([m.strength for m in meant], np.float32)
        phrases[row] = _unit_length(strengths @ concepts[[m.index for m in meant]])
    return known, phrases


@dataclass(frozen=True, slots=True)
class _Meant:
    """What an event's words mean: a row of all phrases, how surely that is known, whom it has to yield to."""

    phrase: int
    known: float
    rank: int


class _Evidence(msgspec.Struct, eq=False, gc=False):
    """An event with what stands for it, and its trust before it ages.

    Attributes:
        event: the event.
        rank: whom it has to yield to.
        features: its vector, if it has one.
        phrase: a row of all phrases, `_NO_PHRASE` if its label or words stand for nothing.
        known: how surely the words do.
        trust: its quality, less where the sense says mostly what nobody knows.
    """

    event: Event
    rank: int
    features: Floats | Tensor | None
    phrase: int
    known: float = 1.0
    trust: float = 0.0

    def order(self) -> tuple[int, int, str, int]:
        """What is looked at first: the highest precedence, then the newest."""
        return self.rank, *_newest_first(self.event)


_Seen = tuple[int, list[_Evidence]]
"""Which window something is of, and what is looked at of one of its senses."""


@dataclass(frozen=True, slots=True, eq=False)
class _Flat:
    """The evidence of n modalities of some windows, m pieces, side by side and in the order of the modality.

    Attributes:
        places: n, which window each is of, and how much evidence it has.
        evidence: m.
        senses: by modality, how many of n and how many of m are of it.
        most: the most evidence of a place.
        spots: intp [m], where each piece lies in room for ``most`` at every place; None if all places have one.
    """

    places: Sequence[tuple[int, int]]
    evidence: Sequence[_Evidence]
    senses: Sequence[tuple[int, int]]
    most: int
    spots: Indices | None

    @classmethod
    def of(cls, seen: Sequence[Sequence[_Seen]]) -> Self:
        """That which is ``seen``, by modality."""
        places = [(row, len(evidence)) for own in seen for row, evidence in own]
        flat = [one for own in seen for _, evidence in own for one in evidence]
        senses = [(len(own), sum([len(evidence) for _, evidence in own])) for own in seen]
        if len(flat) == len(places):  # nearly always
            return cls(places, flat, senses, 1, None)
        # Most windows hold one event of a sense: four places for each would be four times the work.
        most = max(count for _, count in places)
        spots = [place * most + column for place, (_, count) in enumerate(places) for column in range(count)]
        return cls(places, flat, senses, most, np.asarray(spots, np.intp))

    def spread(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What there is [m, ...] of each piece, in its place [n, most, ...]; zeros where nothing is."""
        if self.spots is None:
            return values[:, None]
        room = np.zeros((len(self.places) * self.most, *values.shape[1:]), values.dtype)
        room[self.spots] = values
        return room.reshape(len(self.places), self.most, *values.shape[1:])

    def features(self, vectors: Floats, sizes: Iterable[int]) -> tuple[Floats, ...]:
        """By modality, the vectors [n of it, most, size]; ``vectors`` [all numbers] are those that there are."""
        found: list[Floats] = []
        begin = first = place = 0
        for size, (count, pieces) in zip(sizes, self.senses, strict=True):
            given = [n for n, one in enumerate(self.evidence[first : first + pieces]) if one.features is not None]
            own = vectors[begin : begin + len(given) * size].reshape(-1, size)
            if len(given) < count * self.most:
                spots = np.arange(pieces) if self.spots is None else self.spots[first : first + pieces] - place
                room = np.zeros((count * self.most, size), np.float32)
                room[spots[given]] = own
                own = room
            found.append(own.reshape(count, self.most, size))
            begin, first, place = begin + len(given) * size, first + pieces, place + count * self.most
        return tuple(found)


def _numbers(vectors: Sequence[Floats | Tensor]) -> Floats:
    """All numbers of vectors, one after the other: of those that came with their events, and those made of pictures."""
    tensors = [each for each in vectors if isinstance(each, Tensor)]
    if len(tensors) == len(vectors):
        return joined(tensors)
    return np.concatenate([each.array().reshape(-1) if isinstance(each, Tensor) else each for each in vectors])


def _has_words(slot: Slot) -> bool:
    """Whether something in it may have been said or written."""
    return slot.modality is _TEXT or any(event.text for event in slot.events)


def _says(event: Event) -> bool:
    return bool(event.text and event.text.strip())


def _newest_first(event: Event) -> tuple[int, str, int]:
    return -event.at_ns, event.stream_id, event.sequence


def _pictures(encoded: EncodedWindow, slot: Slot) -> dict[int, Floats]:
    """The vectors of the pictures in a slot, by the identity of their event."""
    if encoded.frames is None:
        return _NO_PICTURES
    return {id(slot.events[number]): row for number, row in zip(encoded.frame_events, encoded.frames, strict=True)}


def _newest(found: Iterable[tuple[Event, _Found]], limit: int) -> list[tuple[Event, _Found]]:
    return sorted(found, key=lambda pair: _newest_first(pair[0]))[:limit]


def _written(encoded: EncodedWindow, slot: Slot) -> Iterator[tuple[Event, Floats]]:
    """The words of the text slot with the encoder's vectors, or with those that came with them."""
    rows = {} if encoded.text is None else dict(zip(encoded.text_events, encoded.text, strict=True))
    for number, event in enumerate(slot.events):
        if number in rows:
            yield event, rows[number]
        elif event.features is not None and _sound(own := event.features.array()):
            yield event, own.reshape(-1)


def _sound(features: Floats) -> bool:
    """Whether all are numbers of a size that the network can take."""
    # No comparison with NaN holds.
    return bool(features.max(initial=0) <= _LARGEST and features.min(initial=0) >= -_LARGEST)


def _without_broken(encoded: EncodedWindow) -> EncodedWindow:
    """Without the feature vectors that cannot be looked at."""

    def mended(event: Event) -> Event:
        tensor = event.features
        broken = tensor is not None and not _sound(tensor.array())
        return replace(event, features=None) if broken else event

    window: Window = encoded.window
    slots = tuple(replace(slot, events=tuple(map(mended, slot.events))) for slot in window.slots)
    return replace(encoded, window=replace(window, slots=slots))
