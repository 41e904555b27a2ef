"""Evidence: a window's events as the arrays the fusion network takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

from sensorium import assemble
from sensorium.assemble import UNKNOWN_RANK
from sensorium.concepts import Concept, Vocabulary
from sensorium.errors import FieldError
from sensorium.event import Event, Modality, Tensor, stacked
from sensorium.window import Slot, Window
from sensorium_cloud.encode import EncodedWindow
from sensorium_cloud.filled import Doubles, Filled, Indices, decays, units
from sensorium_cloud.network import FACTS, Card, Floats, Inputs
from sensorium_cloud.reading import EncodeSentences, Reader

_WORDLESS: Final = (Modality.VIDEO, Modality.TEXT)
"""Words without a vector and pictures that could not be decoded say nothing by being there."""
_UNDERSTOOD: Final = 0.5
"""From so surely on, what was said with a sound counts for what it means, not as the sound."""
_LARGEST: Final = 1e6
"""No feature is larger: half floats end at 65504, and squares of much larger ones overflow in the network."""
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
        size = dims[slot.modality]
        for number, event in enumerate(slot.events):
            if event.features is not None and math.prod(event.features.shape) != size:
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
        inputs = self._packed(windows, filled)
        if all(map(_sound, inputs.features)):
            return inputs
        # What is not finite is refused on the wire, and no perceiver gives what is huge: a second time is seldom.
        mended = [_without_broken(encoded) for encoded in windows]
        return self._packed(mended, Filled.of([encoded.window for encoded in mended]))

    def _packed(self, windows: Sequence[EncodedWindow], filled: Filled) -> Inputs:
        slots = [(windows[row], slot) for row, slot in zip(filled.rows.tolist(), filled.slots, strict=True)]
        meant, phrases = self._read(slots)
        seen = [self._looked_at(encoded, slot, meant) for encoded, slot in slots]
        chosen = [n for n in np.argsort(filled.places, kind="stable").tolist() if seen[n]]
        evidence = [seen[n] for n in chosen]
        # Most windows hold one event of a sense: four places for each would be four times the work.
        most = max(map(len, evidence), default=1)
        places = np.stack([filled.places[chosen], filled.rows[chosen]], axis=1)
        inputs = Inputs.zeros(places, self._card, most)
        self._fill(inputs, evidence, phrases, filled.windows)
        return inputs

    def _read(self, slots: Sequence[tuple[EncodedWindow, Slot]]) -> tuple[dict[int, _Meant], Floats]:
        """What the words in ``slots`` mean, by the identity of their event; and all phrases, those of labels first."""
        found = [pair for encoded, slot in slots for pair in self._sentences(encoded, slot)]
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
        if slot.modality is Modality.TEXT:
            return _newest(_written(encoded, slot), self._card.events)
        spoken = [(event, event.text) for event in slot.events if event.text and event.text.strip()]
        newest = _newest(spoken, self._card.events) if spoken else []
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
        for seen in evidence:
            seen.trust = backed * assemble.unit(seen.event.quality)
        return evidence if any(seen.trust > 0 for seen in evidence) else []

    def _evidence(self, encoded: EncodedWindow, slot: Slot, meant: Mapping[int, _Meant]) -> list[_Evidence]:
        pictures = _pictures(encoded, slot) if slot.modality is Modality.VIDEO else {}
        is_text = slot.modality is Modality.TEXT
        said = assemble.said_in(encoded.window) if slot.modality is Modality.AUDIO else ()
        found: list[_Evidence] = []
        for event in assemble.telling(slot.events, said):
            label = self._labels.get((event.modality, event.label or ""), _STRANGE)
            words = meant.get(id(event))
            understood = words is not None and words.known >= _UNDERSTOOD
            if words is not None and (is_text or understood or label.phrase is None):
                rank = words.rank if understood and not is_text else label.rank
                found.append(_Evidence(event, rank, None, words.phrase, words.known))
                continue
            features = None if is_text else pictures.get(id(event), event.features)
            if features is not None or label.phrase is not None or slot.modality not in _WORDLESS:
                found.append(_Evidence(event, label.rank, features, label.phrase))
        return found

    def _fill(
        self, inputs: Inputs, evidence: Sequence[Sequence[_Evidence]], phrases: Floats, windows: Sequence[Window]
    ) -> None:
        """Write the ``evidence`` of each place; its phrases are rows of ``phrases``."""
        flat = [seen for own in evidence for seen in own]
        spots = [(place, column) for place, own in enumerate(evidence) for column in range(len(own))]
        places, columns = np.asarray(spots, np.intp).reshape(len(spots), 2).T
        ends_ns = [windows[row].end_ns for row in inputs.windows[places].tolist()]
        aged = decays([seen.event for seen in flat], ends_ns, self._half_life_ns) * [seen.trust for seen in flat]
        inputs.facts[places, columns] = _facts(flat, aged)
        said = [(n, seen.phrase) for n, seen in enumerate(flat) if seen.phrase is not None]
        which, rows = np.asarray(said, np.intp).reshape(len(said), 2).T
        inputs.phrases[places[which], columns[which]] = phrases[rows]
        _write_features(inputs, flat, places, columns)


@dataclass(frozen=True, slots=True)
class _Label:
    """What a label stands for: a row of all phrases, None if nobody knows it; and whom it has to yield to."""

    phrase: int | None
    rank: int


_STRANGE: Final = _Label(None, UNKNOWN_RANK)


def _labels(vocabulary: Vocabulary, concepts: Floats) -> tuple[dict[tuple[Modality, str], _Label], Floats]:
    """The labels of the vocabulary; and, [L, 384], the place of each in the sentence space."""
    keys = {(m, label) for concept in vocabulary for m, labels in concept.labels.items() for label in labels}
    known = {key: _Label(row, vocabulary.rank(*key)) for row, key in enumerate(sorted(keys))}
    phrases = np.zeros((len(known), concepts.shape[1]), np.float32)
    for key, label in known.items():
        meant = vocabulary.meanings(*key)
        strengths = np.asarray([m.strength for m in meant], np.float32)
        phrases[label.phrase] = _unit_length(strengths @ concepts[[m.index for m in meant]])
    return known, phrases


@dataclass(frozen=True, slots=True)
class _Meant:
    """What an event's words mean: a row of all phrases, how surely that is known, whom it has to yield to."""

    phrase: int
    known: float
    rank: int


@dataclass(slots=True, eq=False)
class _Evidence:
    """An event with what stands for it, and its trust before it ages.

    Attributes:
        event: the event.
        rank: whom it has to yield to.
        features: its vector, if it has one.
        phrase: a row of all phrases, if its label or words stand for something.
        known: how surely the words do.
        trust: its quality, less where the sense says mostly what nobody knows.
    """

    event: Event
    rank: int
    features: Floats | Tensor | None
    phrase: int | None
    known: float = 1.0
    trust: float = 0.0

    def order(self) -> tuple[int, int, str, int]:
        """What is looked at first: the highest precedence, then the newest."""
        return self.rank, *_newest_first(self.event)


def _facts(flat: Sequence[_Evidence], trusts: Doubles) -> Doubles:
    """The facts [n, 4] of each piece of evidence, see `sensorium_cloud.network.FACTS`."""
    facts = np.empty((len(flat), FACTS))
    facts[:, 0] = [seen.features is not None for seen in flat]
    facts[:, 1] = [seen.phrase is not None for seen in flat]
    facts[:, 2] = units([seen.event.score for seen in flat]) * [seen.known for seen in flat]
    facts[:, 3] = trusts
    return facts


def _write_features(inputs: Inputs, flat: Sequence[_Evidence], places: Indices, columns: Indices) -> None:
    """Write the vectors that there are into the arrays of their modalities."""
    given = [(n, seen.features) for n, seen in enumerate(flat) if seen.features is not None]
    which = np.asarray([n for n, _ in given], np.intp)
    modalities = inputs.modalities[places[which]]
    for modality in sorted(set(modalities.tolist())):
        own = np.flatnonzero(modalities == modality)
        rows = places[which[own]] - np.searchsorted(inputs.modalities, modality)
        inputs.features[modality][rows, columns[which[own]]] = _rows([given[n][1] for n in own.tolist()])


def _rows(features: Sequence[Floats | Tensor]) -> Floats:
    """Vectors of one modality as rows [n, dims]: those that came with their events, and those made of pictures."""
    tensors = [each for each in features if isinstance(each, Tensor)]
    if len(tensors) == len(features):
        return stacked(tensors)
    return np.stack([each.array().reshape(-1) if isinstance(each, Tensor) else each for each in features])


def _newest_first(event: Event) -> tuple[int, str, int]:
    return -event.at_ns, event.stream_id, event.sequence


def _pictures(encoded: EncodedWindow, slot: Slot) -> dict[int, Floats]:
    """The vectors of the pictures in a slot, by the identity of their event."""
    if encoded.frames is None:
        return {}
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
    return bool(np.abs(features).max(initial=0) <= _LARGEST)  # no comparison with NaN holds


def _without_broken(encoded: EncodedWindow) -> EncodedWindow:
    """Without the feature vectors that cannot be looked at."""

    def mended(event: Event) -> Event:
        tensor = event.features
        broken = tensor is not None and not _sound(tensor.array())
        return replace(event, features=None) if broken else event

    window: Window = encoded.window
    slots = tuple(replace(slot, events=tuple(map(mended, slot.events))) for slot in window.slots)
    return replace(encoded, window=replace(window, slots=slots))
