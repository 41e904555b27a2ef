"""Words to concepts without a model: how much of a known phrase is in what was said.

A line is compared with every name and paraphrase of the vocabulary by Dice's coefficient over words,
each weighing as much as it tells concepts apart (inverse document frequency, Sparck Jones 1972). The
cloud's sentence embedding understands more; this answers in microseconds and never waits.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sensorium.concepts import Vocabulary

_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_COURTESY: Final = frozenset(
    ("please", "kindly", "could", "would", "can", "will", "you", "just", "now", "so", "well", "um", "uh", "hey", "ok")
)
_AUXILIARY: Final = (
    "are",
    "ca",
    "could",
    "did",
    "do",
    "does",
    "had",
    "has",
    "have",
    "is",
    "must",
    "should",
    "was",
    "were",
)
_APOSTROPHE: Final = {f"{word}nt": f"{word}n't" for word in (*_AUXILIARY, "wo", "would")}
"""As many type them: "dont" is "don't"."""
_NEGATION: Final = frozenset(("not", "never", "without", "cannot", "nobody", *_APOSTROPHE.values()))
_EXACT: Final = 0.97
_FUZZY: Final = 0.9
_LEAST: Final = 0.6
"""Less in common than this is chance: "turn off the light" has .55 with "turn on the light"."""
_SHARPNESS: Final = 4
_LONGEST_WORDS: Final = 64


def match(line: str, vocabulary: Vocabulary) -> Mapping[int, float]:
    """Probability by concept index that ``line`` means it; empty where nothing known was said.

    The figures add up to at most 0.97; the rest belongs to none of them.
    """
    return _index(vocabulary).match(line)


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
        for phrase in self._phrases(vocabulary):
            for word in phrase.words:
                self._by_word[word].append(phrase)

    def _phrases(self, vocabulary: Vocabulary) -> Iterator[_Phrase]:
        for concept, entry in enumerate(vocabulary):
            for text in entry.phrases:
                if order := _words(text):
                    yield _Phrase(concept, frozenset(order), order, self._weigh(frozenset(order)))

    def _weigh(self, words: frozenset[str]) -> float:
        return math.fsum(self._weights.get(word, self._unheard) for word in words)

    def match(self, line: str) -> Mapping[int, float]:
        order = _words(line)
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
        if (phrase.words & _NEGATION) != (words & _NEGATION):
            return 0.0
        return _FUZZY * 2 * self._weigh(phrase.words & words) / (phrase.weight + total)


@lru_cache(maxsize=8)
def _index(vocabulary: Vocabulary) -> _Index:
    return _Index(vocabulary)


def _weights(vocabulary: Vocabulary) -> Mapping[str, float]:
    """By word: log((1 + concepts) / concepts that use it)."""
    used: dict[str, int] = defaultdict(int)
    for concept in vocabulary:
        for word in {word for text in concept.phrases for word in _words(text)}:
            used[word] += 1
    return {word: math.log((1 + len(vocabulary)) / count) for word, count in used.items()}


def _words(text: str) -> tuple[str, ...]:
    """The words that matter, plurals cut; courtesies stay only where there is nothing else."""
    found = _WORD.findall(text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))[:_LONGEST_WORDS]
    words = [_APOSTROPHE.get(word, word) for word in found]
    meant = [word for word in words if word not in _COURTESY] or words
    return tuple(
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in meant
    )


def _shared_out(likeness: Mapping[int, float]) -> Mapping[int, float]:
    """The best likeness is the probability that any of them is meant; close rivals share it."""
    if not likeness:
        return {}
    sharpened = {concept: found**_SHARPNESS for concept, found in likeness.items()}
    scale = _EXACT * max(likeness.values()) / math.fsum(sharpened.values())
    return {concept: scale * mass for concept, mass in sharpened.items()}
