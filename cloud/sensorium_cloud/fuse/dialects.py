"""Dialects: devices that were taught different things, understood by one network.

A device says in its Hello what it was taught; that joined to the service's own vocabulary is its dialect. Windows are
fused with those of the same dialect, so that two devices may mean different things by one name.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import numpy as np

from sensorium.concepts import Concept, Vocabulary, VocabularyFull, extended
from sensorium.symbol import Symbol
from sensorium_cloud.encode.encoders import EncodedWindow
from sensorium_cloud.fuse.evidence import embed
from sensorium_cloud.fuse.fusion import Fuser
from sensorium_cloud.fuse.reading import EncodeSentences

log = logging.getLogger(__name__)

_REMEMBERED: Final = 256
"""Dialects, each about 400 KB and what it read lately; one that is asked for again is put together again."""


class Dialects:
    """Fuses windows, each by the vocabulary of the device it came from.

    Args:
        fuser: answers those who were taught nothing.
        encode_sentences: the encoder that made its concepts.
    """

    def __init__(self, fuser: Fuser, encode_sentences: EncodeSentences) -> None:
        self._own = fuser
        self._encode_sentences = encode_sentences
        self._fusers: OrderedDict[Vocabulary, Fuser] = OrderedDict()
        self._lock = threading.Lock()
        self.check = fuser.check

    def understand(self, taught: Sequence[Concept]) -> Vocabulary | None:
        """The dialect of a device that was taught so, ready to be fused; None for the service's own.

        It encodes sentences, some milliseconds each: not for the event loop. What finds no room is not understood.
        """
        if not taught:
            return None
        try:
            vocabulary = extended(self._own.vocabulary, taught)
        except VocabularyFull as error:
            log.warning("dialect.full taught=%d reason=%s", len(taught), error)
            return None
        self._fuser(vocabulary)
        return vocabulary

    def fuse(self, windows: Sequence[EncodedWindow]) -> list[Symbol]:
        """A symbol for each window, in order; raises as `Fuser.fuse` does."""
        places: dict[Vocabulary | None, list[int]] = {}
        for place, encoded in enumerate(windows):
            places.setdefault(encoded.vocabulary, []).append(place)
        symbols: dict[int, Symbol] = {}
        for vocabulary, own in places.items():
            answers = self._fuser(vocabulary).fuse([windows[place] for place in own])
            symbols.update(zip(own, answers, strict=True))
        return [symbols[place] for place in range(len(windows))]

    def _fuser(self, vocabulary: Vocabulary | None) -> Fuser:
        if vocabulary is None or vocabulary == self._own.vocabulary:
            return self._own
        with self._lock:
            known = self._fusers.get(vocabulary)
            if known is not None:
                self._fusers.move_to_end(vocabulary)
                return known
        made = self._made(vocabulary)  # outside the lock: a slow one keeps nobody from being fused
        with self._lock:
            self._fusers[vocabulary] = made
            while len(self._fusers) > _REMEMBERED:
                self._fusers.popitem(last=False)
        return made

    def _made(self, vocabulary: Vocabulary) -> Fuser:
        """Only what was taught is encoded; the rest is as the service has it."""
        known = {concept.name: row for row, concept in enumerate(self._own.vocabulary)}
        vectors = np.zeros((len(vocabulary), self._own.concepts.shape[1]), np.float32)
        for place, concept in enumerate(vocabulary):
            row = known.get(concept.name)
            same = row is not None and _says_the_same(self._own.vocabulary.concepts[row], concept)
            vectors[place] = (
                self._own.concepts[row] if same else embed(Vocabulary((concept,)), self._encode_sentences)[0]
            )
        return self._own.speaking(vocabulary, vectors)


def _says_the_same(one: Concept, other: Concept) -> bool:
    return (one.description, one.phrases) == (other.description, other.phrases)
