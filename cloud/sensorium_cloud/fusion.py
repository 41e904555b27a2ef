"""Fusion: what all signals of a window mean together, by cross-modal attention.

Each modality is first heard alone. That tells who is heard at all: by the concepts' precedence a
state (a heart rate) is silent where a command was given, whatever the network would make of it. Then
those who are heard are looked at together, and once more without each, which gives what each
contributed. All rows of a batch run in two calls of the network.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium import assemble
from sensorium.assemble import UNKNOWN_RANK, Answer, Voice
from sensorium.concepts import Concept, Vocabulary
from sensorium.errors import FieldError
from sensorium.event import Event, Modality
from sensorium.symbol import ModelRef, Provenance, Revision, Stage, Symbol, decay
from sensorium.window import Slot, Window
from sensorium_cloud.encode import EncodedWindow
from sensorium_cloud.network import Card, Floats, Inputs, Network, read_card

log = logging.getLogger(__name__)

EncodeSentences = Callable[[Sequence[str]], Floats]
"""Sentences to float32 [n, 384] at unit length."""

_TINY: Final = 1e-300
_MODALITIES: Final = tuple(Modality)


class Fuser:
    """Turns encoded windows into symbols; make it with `load`."""

    def __init__(
        self, network: Network, vocabulary: Vocabulary, concepts: Floats, provenance: Provenance, half_life_ns: int
    ) -> None:
        self._network = network
        self._vocabulary = vocabulary
        self._concepts = concepts
        self._provenance = provenance
        self._half_life_ns = half_life_ns
        ranks = [concept.precedence.rank for concept in vocabulary]
        # Sums a posterior over the concepts of each rank; "none of them" is a rank of its own.
        self._by_rank = np.eye(UNKNOWN_RANK + 1)[[*ranks, UNKNOWN_RANK]]

    @classmethod
    def load(
        cls,
        model_path: Path,
        card_path: Path,
        vocabulary: Vocabulary,
        encode_sentences: EncodeSentences,
        *,
        processed_on: str = "cloud",
        software: str = "sensorium-cloud",
        encoders: Sequence[ModelRef] = (),
        half_life_ns: int = 2_000_000_000,
        threads: int = 1,
    ) -> Fuser:
        """The fuser with the network in ``model_path``.

        Args:
            model_path: the ``.onnx`` file.
            card_path: its card.
            vocabulary: what a window may mean; it need not be the one the network was trained with.
            encode_sentences: the sentence encoder that also made the windows' text vectors.
            processed_on: name of this service, for the symbols' provenance.
            software: name and version of this software.
            encoders: the other models that take part.
            half_life_ns: age at which an event counts half.
            threads: for one run of the network.

        Raises:
            ModelError: network or card cannot be used.
        """
        card = read_card(card_path)
        if card.vocabulary != vocabulary.digest:
            log.info("fusion.other_vocabulary trained=%.12s used=%.12s", card.vocabulary, vocabulary.digest)
        concepts = embed(vocabulary, encode_sentences)
        network = Network(model_path, card, concepts, threads=threads)
        digest = hashlib.sha256(model_path.read_bytes()).hexdigest()
        models = (*encoders, ModelRef("fusion", digest))
        return cls(network, vocabulary, concepts, Provenance(processed_on, software, models), half_life_ns)

    def check(self, window: Window) -> None:
        """Refuse a window whose feature vectors are not of the network's sizes.

        Raises:
            FieldError: names the field, for example ``slots[3].events[0].features``.
        """
        for place, slot in enumerate(window.slots):
            size = self._network.card.dims[slot.modality]
            for number, event in enumerate(slot.events):
                if event.features is not None and math.prod(event.features.shape) != size:
                    reason = f"has shape {list(event.features.shape)}; a {slot.modality} vector has {size} numbers"
                    raise FieldError(f"slots[{place}].events[{number}].features", reason)

    def fuse(self, windows: Sequence[EncodedWindow]) -> list[Symbol]:
        """A symbol for each window, in order; no window's answer depends on another's.

        Raises:
            FieldError: a feature vector of the wrong size; `check` finds it before it meets others.
        """
        began = time.perf_counter_ns()
        for number, encoded in enumerate(windows):
            try:
                self.check(encoded.window)
            except FieldError as error:
                raise error.inside(f"windows[{number}]") from error
        if not windows:
            return []
        answers = self._answers(windows)
        ms = (time.perf_counter_ns() - began) / 1e6
        return [self._symbol(encoded, answer, ms) for encoded, answer in zip(windows, answers, strict=True)]

    def _symbol(self, encoded: EncodedWindow, answer: Answer, fuse_ms: float) -> Symbol:
        return assemble.assemble(
            encoded.window,
            self._vocabulary,
            answer,
            revision=Revision.CLOUD,
            thresholds=self._network.card.thresholds,
            latency=(assemble.waited(encoded.window), Stage("encode", encoded.encode_ms), Stage("fuse", fuse_ms)),
            provenance=self._provenance,
        )

    # --- the two passes ------------------------------------------------------------------

    def _answers(self, windows: Sequence[EncodedWindow]) -> list[Answer]:
        inputs = pack(windows, self._vocabulary, self._concepts, self._network.card, self._half_life_ns)
        hearings = self._hear_alone(windows, inputs)
        asked = [_Question(w, kept) for w, h in enumerate(hearings) for kept in h.questions()]
        told = self._ask(inputs, asked)
        shares = [self._trusts(encoded.window) for encoded in windows]
        return [self._answer(w, h, told, shares[w], windows[w].window) for w, h in enumerate(hearings)]

    def _ask(self, inputs: Inputs, asked: Sequence[_Question]) -> dict[_Question, _Told]:
        if not asked:
            return {}
        kept = np.asarray([[m in q.kept for m in range(len(_MODALITIES))] for q in asked])
        out = self._network.run(inputs.masked([q.window for q in asked], kept))
        return {q: _Told(out.posteriors[i], out.attention[i]) for i, q in enumerate(asked)}

    def _hear_alone(self, windows: Sequence[EncodedWindow], inputs: Inputs) -> list[_Hearing]:
        asked = [_Question(int(w), frozenset((int(m),))) for w, m in np.argwhere(inputs.trust > 0)]
        told = self._ask(inputs, asked)
        alone: list[dict[int, _Told]] = [{} for _ in windows]
        for question, answer in told.items():
            (modality,) = question.kept
            alone[question.window][modality] = answer
        return [self._hearing(encoded.window, own) for encoded, own in zip(windows, alone, strict=True)]

    def _hearing(self, window: Window, alone: dict[int, _Told]) -> _Hearing:
        """Who is heard: the highest precedence that is here, and what is not understood but might help."""
        ranks = {m: int(np.argmax(told.posterior @ self._by_rank)) for m, told in alone.items()}
        here = {_MODALITIES.index(slot.modality) for slot in window.slots if slot.here}
        first = min((rank for m, rank in ranks.items() if m in here), default=UNKNOWN_RANK)
        speaking = frozenset(m for m, rank in ranks.items() if rank == first)
        heard = speaking | {m for m, rank in ranks.items() if rank == UNKNOWN_RANK}
        return _Hearing(alone, speaking, frozenset(heard))

    def _trusts(self, window: Window) -> dict[Modality, tuple[float, float]]:
        return {s.modality: assemble.trust(s.events, window.end_ns, self._half_life_ns) for s in window.slots}

    def _answer(
        self,
        window: int,
        hearing: _Hearing,
        told: dict[_Question, _Told],
        trusts: dict[Modality, tuple[float, float]],
        shown: Window,
    ) -> Answer:
        nothing = np.full(len(self._vocabulary) + 1, 1.0 / (len(self._vocabulary) + 1))

        def ask(kept: frozenset[int]) -> _Told:
            if not kept:
                return _Told(nothing, np.zeros(len(_MODALITIES), np.float32))
            return hearing.alone[min(kept)] if len(kept) == 1 else told[_Question(window, kept)]

        whole = ask(hearing.heard)
        best = int(np.argmax(whole.posterior))
        voices = {}
        for slot in shown.slots:
            m = _MODALITIES.index(slot.modality)
            reliability, trust = trusts[slot.modality]
            label = assemble.label(slot, self._vocabulary)
            heard = m in hearing.heard
            voices[slot.modality] = Voice(
                reliability=reliability,
                trust=trust,
                answer=hearing.alone[m].posterior.tolist() if m in hearing.speaking else None,
                contribution=_gain(whole.posterior, ask(hearing.heard - {m}).posterior, best) if heard else 0.0,
                attention=float(whole.attention[m]) if heard else 0.0,
                label=label,
            )
        return Answer(whole.posterior.tolist(), voices)


@dataclass(frozen=True, slots=True)
class _Question:
    """What do these modalities of a window say together?"""

    window: int
    kept: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    posterior: npt.NDArray[np.float64]
    attention: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Hearing:
    """What each modality says alone, which of them have a say, and which are looked at together."""

    alone: dict[int, _Told]
    speaking: frozenset[int]
    heard: frozenset[int]

    def questions(self) -> Iterator[frozenset[int]]:
        """What is left to ask: all together, and without each; what one says alone is known."""
        if len(self.heard) > 1:
            yield self.heard
        if len(self.heard) > 2:
            yield from (self.heard - {m} for m in sorted(self.heard))


def _gain(whole: npt.NDArray[np.float64], without: npt.NDArray[np.float64], best: int) -> float:
    return math.log(max(float(whole[best]), _TINY)) - math.log(max(float(without[best]), _TINY))


# --- concepts and windows as arrays ----------------------------------------------------


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

    What is not finite counts as not given.
    """
    inputs = Inputs.zeros(len(windows), card)
    for row, encoded in enumerate(windows):
        for slot in encoded.window.slots:
            m = _MODALITIES.index(slot.modality)
            evidence = [e for e in _evidence(encoded, slot, vocabulary, concepts) if e.worth_a_look]
            for column, seen in enumerate(sorted(evidence, key=_Evidence.order)[: card.events]):
                aged = decay(encoded.window.end_ns - seen.event.at_ns, half_life_ns)
                _fill(inputs, (row, m, column), seen, assemble.unit(seen.event.quality) * aged)
    return inputs


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

    def order(self) -> tuple[int, int, str, int]:
        """What is looked at first: the highest precedence, then the newest."""
        return self.rank, -self.event.at_ns, self.event.stream_id, self.event.sequence


def _evidence(encoded: EncodedWindow, slot: Slot, vocabulary: Vocabulary, concepts: Floats) -> Iterator[_Evidence]:
    own = _encoded(encoded, slot.modality)
    for number, event in enumerate(slot.events):
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


def _fill(inputs: Inputs, at: tuple[int, int, int], seen: _Evidence, trust: float) -> None:
    row, modality, column = at
    if seen.features is not None:
        inputs.features[modality][row, column] = seen.features
    if seen.phrase is not None:
        inputs.phrases[at] = seen.phrase
    given = (seen.features is not None, seen.phrase is not None)
    inputs.facts[at] = (*given, assemble.unit(seen.event.score), trust)
