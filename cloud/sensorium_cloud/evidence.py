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
from sensorium.event import Event, Modality, Tensor
from sensorium.symbol import decay
from sensorium.window import Slot, Window
from sensorium_cloud.encode import EncodedWindow
from sensorium_cloud.network import Card, Floats, Inputs
from sensorium_cloud.reading import EncodeSentences, Reader

_PLACE: Final = {modality: place for place, modality in enumerate(Modality)}
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
        self._vocabulary, self._concepts = reader.vocabulary, reader.concepts
        self._reader = reader
        self._card = card
        self._half_life_ns = half_life_ns
        self._phrases: dict[tuple[Modality, str], Floats] = {}

    def pack(self, windows: Sequence[EncodedWindow]) -> Inputs:
        """The windows' evidence as the network takes it.

        What is not finite, or huge, counts as not given, and a modality whose events nobody trusts as not there.
        """
        inputs = self._packed(windows)
        if all(map(_sound, inputs.features)):
            return inputs
        # What is not finite is refused on the wire, and no perceiver gives what is huge: a second time is seldom.
        return self._packed([_without_broken(encoded) for encoded in windows])

    def _packed(self, windows: Sequence[EncodedWindow]) -> Inputs:
        found: list[list[tuple[int, list[_Evidence]]]] = [[] for _ in Modality]
        read = self._read(windows)
        for row, encoded in enumerate(windows):
            for slot in encoded.window.slots:
                if slot.events and (seen := self._looked_at(encoded, slot, read)):
                    found[_PLACE[slot.modality]].append((row, seen))
        places = [(modality, row) for modality, own in enumerate(found) for row, _ in own]
        chosen = [evidence for own in found for _, evidence in own]
        # Most windows hold one event of a sense: four places for each would be four times the work.
        inputs = Inputs.zeros(places, self._card, max(map(len, chosen), default=1))
        self._fill(inputs, chosen, [windows[row].window.end_ns for _, row in places])
        return inputs

    def _read(self, windows: Sequence[EncodedWindow]) -> dict[int, _Meant]:
        """What the words of all windows mean, by the identity of their event."""
        found = [pair for encoded in windows for pair in self._sentences(encoded)]
        if not found:
            return {}
        rows = np.stack([row for _, row in found])
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        read = self._reader.read([event.text or "" for event, _ in found], rows)
        ranks = [self._vocabulary.concepts[k].precedence.rank for k in read.concepts.tolist()]
        said = map(_Meant, read.phrases, read.known.tolist(), ranks)
        return {id(event): meant for (event, _), meant in zip(found, said, strict=True)}

    def _sentences(self, encoded: EncodedWindow) -> Iterator[tuple[Event, Floats]]:
        """The window's words with their vectors; of each sense the newest, for no more are looked at."""
        yield from _newest(_written(encoded), self._card.events)
        for slot in encoded.window.slots:
            if slot.events and slot.modality is not Modality.TEXT:
                spoken = ((event, event.text) for event in slot.events if event.text and event.text.strip())
                for event, words in _newest(spoken, self._card.events):
                    yield event, self._reader.encode_sentences([words])[0]

    def _fill(self, inputs: Inputs, chosen: Sequence[Sequence[_Evidence]], ends_ns: Sequence[int]) -> None:
        features = [row for own in inputs.features for row in own]
        facts: list[tuple[float, float, float, float]] = []
        for place, (evidence, end_ns) in enumerate(zip(chosen, ends_ns, strict=True)):
            for column, seen in enumerate(evidence):
                _write(features[place][column], seen.features)
                if seen.phrase is not None:
                    inputs.phrases[place, column] = seen.phrase
                aged = seen.trust * decay(end_ns - seen.event.at_ns, self._half_life_ns)
                facts.append((*seen.given, seen.score, aged))
        if facts:
            filled = [(place, column) for place, evidence in enumerate(chosen) for column in range(len(evidence))]
            inputs.facts[tuple(np.asarray(filled).T)] = facts

    def _looked_at(self, encoded: EncodedWindow, slot: Slot, read: Mapping[int, _Meant]) -> list[_Evidence]:
        """The evidence of a slot that is looked at, the most telling first; nothing if nobody trusts it.

        Of what a sense says, too, the lower precedence is silent beside the higher: a wake word is said in speech.
        """
        evidence, backed = list(self._evidence(encoded, slot, read)), 1.0
        if len(evidence) > 1:  # seldom
            evidence.sort(key=_Evidence.order)
            strange = sum(e.rank == UNKNOWN_RANK for e in evidence)
            backed = assemble.support(len(evidence) - strange, strange)
            evidence = [e for e in evidence if e.rank in (evidence[0].rank, UNKNOWN_RANK)]
            del evidence[self._card.events :]
        for seen in evidence:
            seen.trust = backed * assemble.unit(seen.event.quality)
        return evidence if any(seen.trust > 0 for seen in evidence) else []

    def _evidence(self, encoded: EncodedWindow, slot: Slot, read: Mapping[int, _Meant]) -> Iterator[_Evidence]:
        pictures = _pictures(encoded) if slot.modality is Modality.VIDEO else {}
        is_text = slot.modality is Modality.TEXT
        said = assemble.said_in(encoded.window) if slot.modality is Modality.AUDIO else ()
        for event in assemble.telling(slot.events, said):
            score, rank = assemble.unit(event.score), assemble.rank(self._vocabulary, event)
            words, meant = read.get(id(event)), self._phrase(event)
            if words is not None and (is_text or words.known >= _UNDERSTOOD or meant is None):
                own = words.rank if not is_text and words.known >= _UNDERSTOOD else rank
                yield _Evidence(event, own, None, words.phrase, score * words.known)
                continue
            features = None if is_text else pictures.get(id(event), event.features)
            if features is not None or meant is not None or slot.modality not in _WORDLESS:
                yield _Evidence(event, rank, features, meant, score)

    def _phrase(self, event: Event) -> Floats | None:
        """What the event's label stands for, in the sentence space; None if nobody knows the label."""
        key = (event.modality, event.label or "")
        phrase = self._phrases.get(key)
        if phrase is None and (meant := self._vocabulary.meanings(event.modality, event.label)):
            strengths = np.asarray([m.strength for m in meant], np.float32)
            phrase = _unit_length(strengths @ self._concepts[[m.index for m in meant]])
            self._phrases[key] = phrase  # only of labels in the vocabulary: there are not many
        return phrase


@dataclass(frozen=True, slots=True, eq=False)
class _Meant:
    """What an event's words mean: a place in the sentence space, how surely that is known, whom it has to yield to."""

    phrase: Floats
    known: float
    rank: int


@dataclass(slots=True, eq=False)
class _Evidence:
    """An event with the vectors that stand for it, and its trust before it ages."""

    event: Event
    rank: int
    features: Floats | Tensor | None
    phrase: Floats | None
    score: float
    trust: float = 0.0

    @property
    def given(self) -> tuple[bool, bool]:
        """Whether it has features, and a phrase."""
        return self.features is not None, self.phrase is not None

    def order(self) -> tuple[int, int, str, int]:
        """What is looked at first: the highest precedence, then the newest."""
        return self.rank, *_newest_first(self.event)


def _newest_first(event: Event) -> tuple[int, str, int]:
    return -event.at_ns, event.stream_id, event.sequence


def _pictures(encoded: EncodedWindow) -> dict[int, Floats]:
    """The vectors of pictures, by the identity of their event."""
    if encoded.frames is None:
        return {}
    events = encoded.window.slot(Modality.VIDEO).events
    return {id(events[number]): row for number, row in zip(encoded.frame_events, encoded.frames, strict=True)}


def _newest(found: Iterable[tuple[Event, _Found]], limit: int) -> list[tuple[Event, _Found]]:
    return sorted(found, key=lambda pair: _newest_first(pair[0]))[:limit]


def _written(encoded: EncodedWindow) -> Iterator[tuple[Event, Floats]]:
    """The words of the text slot with the encoder's vectors, or with those that came with them."""
    events = encoded.window.slot(Modality.TEXT).events
    rows = {} if encoded.text is None else dict(zip(encoded.text_events, encoded.text, strict=True))
    for number, event in enumerate(events):
        if number in rows:
            yield event, rows[number]
        elif event.features is not None and _sound(own := event.features.array()):
            yield event, own.reshape(-1)


def _write(row: Floats, features: Floats | Tensor | None) -> None:
    if isinstance(features, Tensor):
        features.write_to(row)
    elif features is not None:
        row[:] = features


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
