"""Words to concepts without a model: how much of a known phrase is in what was said.

A line is compared with every name and paraphrase of the vocabulary by Dice's coefficient over words,
each weighing as much as it tells concepts apart (inverse document frequency, Sparck Jones 1972). The
device answers so, in microseconds and in any language; the cloud's sentence embedding understands more, and takes
from here what it cannot read and what is a known phrase as it stands.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sensorium.concepts import Vocabulary
from sensorium.denial import denial
from sensorium.wording import bare, meant

_NEGATION: Final = frozenset(("not", "never", "without", "cannot", "nobody"))
_EXACT: Final = 0.97
_FUZZY: Final = 0.9
_LEAST: Final = 0.6
"""Less in common than this is chance: "turn off the light" has .55 with "turn on the light"."""
_SHARPNESS: Final = 4


def match(line: str, vocabulary: Vocabulary) -> Mapping[int, float]:
    """Probability by concept index that ``line`` means it; empty where nothing known was said.

    The figures add up to at most 0.97; the rest belongs to none of them.
    """
    index = _index(vocabulary)
    told = denial(line) if index.exact(line) is None else None
    return index.match(told.stands if told and told.stands else line)


def exact(line: str, vocabulary: Vocabulary) -> int | None:
    """The one concept that has ``line`` as a phrase, but for case, accents, plurals, punctuation and courtesies."""
    return _index(vocabulary).exact(line)


@dataclass(frozen=True, slots=True)
class _Phrase:
    concept: int
    words: frozenset[str]
    order: tuple[str, ...]
    weight: float


class _Index:
    """The vocabulary's phrases by their words."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._weights = _weights(vocabulary)
        self._unheard = 0.5 * math.log(1 + len(vocabulary))
        self._by_word: dict[str, list[_Phrase]] = defaultdict(list)
        self._as_said: dict[tuple[str, ...], set[int]] = defaultdict(set)
        self._bare: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for phrase, said in self._phrases(vocabulary):
            self._as_said[said].add(phrase.concept)
            self._bare[phrase.order].add(phrase.concept)
            for word in phrase.words:
                self._by_word[word].append(phrase)

    def _phrases(self, vocabulary: Vocabulary) -> Iterator[tuple[_Phrase, tuple[str, ...]]]:
        for concept, entry in enumerate(vocabulary):
            for text in entry.phrases:
                if order := _bared(text):
                    yield _Phrase(concept, frozenset(order), order, self._weigh(frozenset(order))), meant(text)

    def _weigh(self, words: frozenset[str]) -> float:
        return math.fsum(self._weights.get(word, self._unheard) for word in words)

    def exact(self, line: str) -> int | None:
        """The one concept that has the line as a phrase: with its accents, or else without."""
        found = self._as_said.get(meant(line)) or self._bare.get(_bared(line)) or set()
        return next(iter(found)) if len(found) == 1 else None

    def match(self, line: str) -> Mapping[int, float]:
        if (known := self.exact(line)) is not None:
            return {known: _EXACT}
        order = _bared(line)
        words = frozenset(order)
        total = self._weigh(words)
        likeness: dict[int, float] = {}
        for phrase in {id(p): p for word in words for p in self._by_word.get(word, ())}.values():
            found = self._likeness(phrase, words, order, total)
            likeness[phrase.concept] = max(found, likeness.get(phrase.concept, 0.0))
        return _shared_out({concept: found for concept, found in likeness.items() if found >= _LEAST})

    def _likeness(self, phrase: _Phrase, words: frozenset[str], order: tuple[str, ...], total: float) -> float:
        if phrase.order == order:
            return 1.0
        if _negations(phrase.words) != _negations(words):
            return 0.0
        return _FUZZY * 2 * self._weigh(phrase.words & words) / (phrase.weight + total)


@lru_cache(maxsize=8)
def _index(vocabulary: Vocabulary) -> _Index:
    return _Index(vocabulary)


def _weights(vocabulary: Vocabulary) -> Mapping[str, float]:
    """By word: log((1 + concepts) / concepts that use it)."""
    used: dict[str, int] = defaultdict(int)
    for concept in vocabulary:
        for word in {word for text in concept.phrases for word in _bared(text)}:
            used[word] += 1
    return {word: math.log((1 + len(vocabulary)) / count) for word, count in used.items()}


def _bared(text: str) -> tuple[str, ...]:
    return tuple(map(bare, meant(text)))


def _negations(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in words if word in _NEGATION or word.endswith("n't"))


def _shared_out(likeness: Mapping[int, float]) -> Mapping[int, float]:
    """The best likeness is the probability that any of them is meant; close rivals share it."""
    if not likeness:
        return {}
    sharpened = {concept: found**_SHARPNESS for concept, found in likeness.items()}
    scale = _EXACT * max(likeness.values()) / math.fsum(sharpened.values())
    return {concept: scale * mass for concept, mass in sharpened.items()}
