"""Fusion: what all signals of a window mean together, by cross-modal attention.

Each modality is first heard alone. That tells who is heard at all: by the concepts' precedence a
state (a heart rate) is silent where a command was given, whatever the network would make of it. Then
those who are heard are looked at together, and once more without each, which gives what each
contributed. What a modality says by itself is computed once for all of that.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path

from sensorium import assemble
from sensorium.assemble import Answer, Figures, Voice
from sensorium.concepts import Vocabulary
from sensorium.errors import FieldError
from sensorium.event import Modality
from sensorium.symbol import ModelRef, Provenance, Revision, Stage, Symbol
from sensorium.window import Slot, Window
from sensorium_cloud.choice import choose
from sensorium_cloud.encode import EncodedWindow
from sensorium_cloud.evidence import Packer, check_sizes, embed
from sensorium_cloud.hearing import PLACE, Hearing, Verdicts
from sensorium_cloud.network import Floats, Network, read_card
from sensorium_cloud.reading import EncodeSentences, Reader
from sensorium_cloud.runtime import Provider
from sensorium_cloud.space import Space
from sensorium_cloud.trials import FUSION

log = logging.getLogger(__name__)


class Fuser:
    """Turns encoded windows into symbols; make it with `load`.

    Attributes:
        vocabulary: what a window may mean.
        concepts: float32 [K, 384], its concepts' sentence embeddings.
    """

    def __init__(self, network: Network, reader: Reader, provenance: Provenance, half_life_ns: int) -> None:
        self._network = network
        self._reader = reader
        self.vocabulary, self.concepts = reader.vocabulary, reader.concepts
        self._provenance = provenance
        self._half_life_ns = half_life_ns
        self._packer = Packer(reader, network.card, half_life_ns)
        self._hearing = Hearing(network, [concept.precedence.rank for concept in reader.vocabulary])

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
        space: Space | None = None,
        half_life_ns: int = 2_000_000_000,
        threads: int = 1,
        provider: str = "cpu",
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
            space: in which words are compared with concepts; None for the encoder's own.
            half_life_ns: age at which an event counts half.
            threads: for one run of the network.
            provider: what runs it, or ``auto`` for what is fastest here.

        Raises:
            ModelError: network or card cannot be used.
        """
        halves = (senses_path, meeting_path)
        card = read_card(card_path)
        if card.vocabulary != vocabulary.digest:
            log.info("fusion.other_vocabulary trained=%.12s used=%.12s", card.vocabulary, vocabulary.digest)
        concepts = embed(vocabulary, encode_sentences)

        def made(with_: Provider) -> Network:
            return Network(*halves, card, concepts, threads=threads, provider=with_)

        network = choose(FUSION, provider, made)
        own = [ModelRef(half.stem, hashlib.sha256(half.read_bytes()).hexdigest()) for half in halves]
        models = (*encoders, *own)
        reader = Reader(vocabulary, concepts, encode_sentences, card.reading, space)
        return cls(network, reader, Provenance(processed_on, software, models), half_life_ns)

    def speaking(self, vocabulary: Vocabulary, concepts: Floats) -> Fuser:
        """The same network with another vocabulary; ``concepts`` [K, 384] are its sentence embeddings."""
        reader = self._reader.among(vocabulary, concepts)
        return Fuser(self._network.answering(concepts), reader, self._provenance, self._half_life_ns)

    def check(self, window: Window) -> None:
        """Refuse a window whose feature vectors are not of the network's sizes.

        Raises:
            FieldError: names the field, for example ``slots[3].events[0].features``.
        """
        check_sizes(window, self._network.card.dims)

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
        verdicts = self._hearing.hear([encoded.window for encoded in windows], self._packer.pack(windows))
        voices = [self._voices(encoded.window, row, verdicts) for row, encoded in enumerate(windows)]
        figures = verdicts.figures([{m: v.trust for m, v in own.items()} for own in voices])
        answers = map(Answer, verdicts.posteriors.tolist(), voices)
        ms = (time.perf_counter_ns() - began) / 1e6
        return [self._symbol(*parts, ms) for parts in zip(windows, answers, figures, strict=True)]

    def _symbol(self, encoded: EncodedWindow, answer: Answer, figures: Figures, fuse_ms: float) -> Symbol:
        return assemble.assemble(
            encoded.window,
            self.vocabulary,
            answer,
            revision=Revision.CLOUD,
            thresholds=self._network.card.thresholds,
            latency=(assemble.waited(encoded.window), Stage("encode", encoded.encode_ms), Stage("fuse", fuse_ms)),
            provenance=self._provenance,
            figures=figures,
        )

    def _voices(self, window: Window, row: int, verdicts: Verdicts) -> dict[Modality, Voice]:
        """The part of every modality that had events."""
        return {slot.modality: self._voice(slot, window.end_ns, row, verdicts) for slot in window.slots if slot.events}

    def _voice(self, slot: Slot, end_ns: int, row: int, verdicts: Verdicts) -> Voice:
        reliability, trust = assemble.trust(slot.events, end_ns, self._half_life_ns)
        m = PLACE[slot.modality]
        return Voice(
            reliability=reliability,
            trust=trust,
            answer=verdicts.alone(row, m),
            contribution=float(verdicts.contributions[row, m]),
            attention=float(verdicts.attention[row, m]),
            label=assemble.label(slot, self.vocabulary),
        )
