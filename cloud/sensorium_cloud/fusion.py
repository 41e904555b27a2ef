"""Fusion: what all signals of a window mean together, by cross-modal attention.

Each modality is first heard alone. That tells who is heard at all: by the concepts' precedence a
state (a heart rate) is silent where a command was given, whatever the network would make of it. Then
those who are heard are looked at together, and once more without each, which gives what each
contributed. What a modality says by itself is computed once for all of that.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium import assemble
from sensorium.assemble import UNKNOWN_RANK, Answer, Voice
from sensorium.concepts import Vocabulary
from sensorium.errors import FieldError
from sensorium.event import Modality
from sensorium.symbol import ModelRef, Provenance, Revision, Stage, Symbol
from sensorium.window import Slot, Window
from sensorium_cloud.encode import EncodedWindow
from sensorium_cloud.evidence import EncodeSentences, embed, pack
from sensorium_cloud.network import Floats, Inputs, Network, read_card

log = logging.getLogger(__name__)

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
        senses_path: Path,
        meeting_path: Path,
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
        """The fuser with the network whose halves are ``senses_path`` and ``meeting_path``.

        Args:
            senses_path: the ``.onnx`` file of the half that hears each modality by itself.
            meeting_path: that of the half in which they look at each other.
            card_path: their card.
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
        halves = (senses_path, meeting_path)
        card = read_card(card_path)
        if card.vocabulary != vocabulary.digest:
            log.info("fusion.other_vocabulary trained=%.12s used=%.12s", card.vocabulary, vocabulary.digest)
        concepts = embed(vocabulary, encode_sentences)
        network = Network(*halves, card, concepts, threads=threads)
        own = [ModelRef(half.stem, hashlib.sha256(half.read_bytes()).hexdigest()) for half in halves]
        models = (*encoders, *own)
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
        senses = _Senses(self._network, inputs)
        hearings = self._hear_alone(windows, senses)
        told = senses.ask([_Question(w, kept) for w, h in enumerate(hearings) for kept in h.questions()])
        nothing = _Told(np.full(len(self._by_rank), 1.0 / len(self._by_rank)), {})
        return [self._answer(windows[w].window, _Heard(w, h, told, nothing)) for w, h in enumerate(hearings)]

    def _hear_alone(self, windows: Sequence[EncodedWindow], senses: _Senses) -> list[_Hearing]:
        alone: list[dict[int, _Told]] = [{} for _ in windows]
        for question, answer in senses.ask([_Question(w, frozenset((m,))) for w, m in senses.places]).items():
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

    def _answer(self, window: Window, told: _Heard) -> Answer:
        whole = told.by(told.hearing.heard)
        return Answer(whole.posterior.tolist(), {s.modality: self._voice(s, window, told, whole) for s in window.slots})

    def _voice(self, slot: Slot, window: Window, told: _Heard, whole: _Told) -> Voice:
        m = _MODALITIES.index(slot.modality)
        reliability, trust = assemble.trust(slot.events, window.end_ns, self._half_life_ns)
        heard, speaks = m in told.hearing.heard, m in told.hearing.speaking
        return Voice(
            reliability=reliability,
            trust=trust,
            answer=told.hearing.alone[m].posterior.tolist() if speaks else None,
            contribution=_gain(whole, told.by(told.hearing.heard - {m})) if heard else 0.0,
            attention=whole.attention.get(m, 0.0) if heard else 0.0,
            label=assemble.label(slot, self._vocabulary),
        )


@dataclass(frozen=True, slots=True)
class _Question:
    """What do these modalities of a window say together?"""

    window: int
    kept: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """An answer: a posterior [K + 1], and the attention each modality received."""

    posterior: npt.NDArray[np.float64]
    attention: Mapping[int, float]


class _Senses:
    """What every modality of a batch says by itself, heard once, and asked in any company."""

    def __init__(self, network: Network, inputs: Inputs) -> None:
        pairs = zip(inputs.windows.tolist(), inputs.modalities.tolist(), strict=True)
        self.places = {pair: place for place, pair in enumerate(pairs)}
        self._network = network
        self._heard = network.hear(inputs) if self.places else None

    def ask(self, questions: Sequence[_Question]) -> dict[_Question, _Told]:
        """The answers; questions of one size are asked together, so that none is padded."""
        sizes = sorted({len(question.kept) for question in questions})
        alike = ([q for q in questions if len(q.kept) == size] for size in sizes)
        return {question: told for some in alike for question, told in self._asked(some)}

    def _asked(self, questions: Sequence[_Question]) -> Iterator[tuple[_Question, _Told]]:
        assert self._heard is not None
        kept = [sorted(question.kept) for question in questions]
        groups = [[self.places[q.window, m] for m in some] for q, some in zip(questions, kept, strict=True)]
        out = self._network.meet(self._heard, groups)
        for row, question in enumerate(questions):
            yield question, _Told(out.posteriors[row], dict(zip(kept[row], out.attention[row].tolist(), strict=True)))


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


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """Everything the network told of one window."""

    window: int
    hearing: _Hearing
    told: Mapping[_Question, _Told]
    nothing: _Told

    def by(self, kept: frozenset[int]) -> _Told:
        """What the modalities ``kept`` say together."""
        if not kept:
            return self.nothing
        return self.hearing.alone[min(kept)] if len(kept) == 1 else self.told[_Question(self.window, kept)]


def _gain(whole: _Told, without: _Told) -> float:
    """Log p of the best hypothesis of ``whole``, less what it was ``without``."""
    best = int(np.argmax(whole.posterior))
    return math.log(max(float(whole.posterior[best]), _TINY)) - math.log(max(float(without.posterior[best]), _TINY))
