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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from sensorium import assemble
from sensorium import symbol as formulas
from sensorium.assemble import Figures
from sensorium.concepts import Vocabulary
from sensorium.errors import FieldError
from sensorium.symbol import Entropy, ModelRef, Provenance, Revision, Share, Stage, Symbol
from sensorium.window import Slot, Window
from sensorium_cloud.encode.encoders import EncodedWindow
from sensorium_cloud.fuse.evidence import Packer, check_sizes, embed
from sensorium_cloud.fuse.filled import PLACE, Doubles, Filled
from sensorium_cloud.fuse.hearing import Hearing, Verdicts, entropies, normalised
from sensorium_cloud.fuse.network import Floats, Network, read_card
from sensorium_cloud.fuse.reading import EncodeSentences, Reader
from sensorium_cloud.fuse.space import Space
from sensorium_cloud.fuse.trials import FUSION
from sensorium_cloud.runtime.choice import Choose, choose

log = logging.getLogger(__name__)

_CLOUD: Final = Revision.CLOUD  # reading it from its class is a call
_HALF_LIFE_NS: Final = 2_000_000_000
"""Age at which an event counts half."""


class Fuser:
    """Turns encoded windows into symbols; make it with `load`.

    Attributes:
        vocabulary: what a window may mean.
        concepts: float32 [K, 384], its concepts' sentence embeddings.
    """

    def __init__(self, network: Network, reader: Reader, provenance: Provenance) -> None:
        self._network = network
        self._reader = reader
        self.vocabulary, self.concepts = reader.vocabulary, reader.concepts
        self._provenance = provenance
        self._packer = Packer(reader, network.card, _HALF_LIFE_NS)
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
        provider: str = "cpu",
        choose: Choose = choose,
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
            provider: what runs it, or ``auto`` for what is fastest here.
            choose: makes the network with that.

        Raises:
            ModelError: network or card cannot be used.
        """
        halves, card = (senses_path, meeting_path), read_card(card_path)
        if card.vocabulary != vocabulary.digest:
            log.info("fusion.other_vocabulary trained=%.12s used=%.12s", card.vocabulary, vocabulary.digest)
        concepts = embed(vocabulary, encode_sentences)
        network = choose(FUSION, provider, lambda runs: Network(*halves, card, concepts, provider=runs))
        reader = Reader(vocabulary, concepts, encode_sentences, card.reading, space)
        return cls(network, reader, Provenance(processed_on, software, (*encoders, *map(_named, halves))))

    def speaking(self, vocabulary: Vocabulary, concepts: Floats) -> Fuser:
        """The same network with another vocabulary; ``concepts`` [K, 384] are its sentence embeddings."""
        reader = self._reader.among(vocabulary, concepts)
        return Fuser(self._network.answering(concepts), reader, self._provenance)

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
        filled = Filled.of([encoded.window for encoded in windows])
        verdicts = self._hearing.hear(filled, self._packer.pack(windows, filled))
        figures = self._figures(filled, verdicts)
        fused = Stage("fuse", (time.perf_counter_ns() - began) / 1e6)
        return [self._symbol(encoded, own, fused) for encoded, own in zip(windows, figures, strict=True)]

    def _figures(self, filled: Filled, verdicts: Verdicts) -> list[Figures]:
        """What the symbol of each window says of its answer."""
        reliability, trust = filled.trusts(_HALF_LIFE_NS)
        trusts = np.zeros(filled.here.shape)
        trusts[filled.rows, filled.places] = trust
        weights, attention = normalised(trusts), normalised(verdicts.attention)
        seats = filled.rows * len(PLACE) + filled.places
        own = [each.ravel()[seats].tolist() for each in (weights, verdicts.contributions, attention)]
        parts = (
            verdicts.best(),
            verdicts.posteriors[:, -1].tolist(),
            _entropies(filled, verdicts, verdicts.disagreements(trusts), attention),
            self._shares(filled, zip(reliability.tolist(), *own, strict=True)),
            filled.present,
            np.any(verdicts.spoken, axis=1).tolist(),
        )
        return [Figures(*each) for each in zip(*parts, strict=True)]

    def _shares(self, filled: Filled, parts: Iterator[Sequence[float]]) -> Iterator[tuple[Share, ...]]:
        """The shares of each window; ``parts`` are a filled slot's reliability, weight, contribution and attention."""
        share, unheard = self._share, assemble.unheard
        for window in filled.windows:
            yield tuple([share(slot, next(parts)) if slot.events else unheard(slot) for slot in window.slots])

    def _share(self, slot: Slot, parts: Sequence[float]) -> Share:
        reliability, weight, contribution, attention = parts
        return Share(
            slot.modality,
            slot.presence,
            assemble.label(slot, self.vocabulary),
            reliability,
            weight,
            contribution,
            attention,
            slot.offset_ns,
            slot.age_ns,
        )

    def _symbol(self, encoded: EncodedWindow, figures: Figures, fused: Stage) -> Symbol:
        return assemble.symbol_of(
            encoded.window,
            self.vocabulary,
            figures,
            revision=_CLOUD,
            thresholds=self._network.card.thresholds,
            latency=(assemble.waited(encoded.window), Stage("encode", encoded.encode_ms), fused),
            provenance=self._provenance,
        )


def _entropies(filled: Filled, verdicts: Verdicts, apart: Doubles, attention: Doubles) -> Iterator[Entropy]:
    """How much is known of each window; ``apart`` [W] bits the modalities are, which got ``attention`` [W, 6]."""
    hypotheses = verdicts.posteriors.shape[1]
    bits = entropies(verdicts.posteriors).tolist(), entropies(attention).tolist(), apart.tolist()
    for posterior, looked, disagreement, present in zip(*bits, filled.present, strict=True):
        yield formulas.entropy_from(posterior, hypotheses, looked, disagreement, len(present))


def _named(net: Path) -> ModelRef:
    return ModelRef(net.stem, hashlib.sha256(net.read_bytes()).hexdigest())
