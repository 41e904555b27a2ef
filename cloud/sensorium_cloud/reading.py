"""Reading: what words mean among the concepts of a vocabulary, by likeness, without training.

A sentence x is compared with each concept's place c (the mean over its description and phrases) and with its words:

    likeness_k = cos(x, c_k) + weight tf-idf-cos(words, words_k)
    p_k        = softmax_k(sharpness likeness_k)
    known      = 1 / (1 + exp(-slope (max_k likeness_k - bar))) (1 - denied)

The mean over few examples is the nearest-prototype rule (Snell et al. 2017); the words (Sparck Jones 1972; single words
and pairs) add what an encoder blurs. The sharpness, the bar and the slope are fitted on sentences (the card's
``reading``), not on a vocabulary, so one of a user's own reads the same. A sentence with marks of denial is encoded a
second time without them: if that is a known command, it was denied, unless the vocabulary has a phrase like the
denial ("don't move" means stop).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from sensorium.concepts import Vocabulary
from sensorium_cloud.denial import affirmed

Floats = npt.NDArray[np.float32]
EncodeSentences = Callable[[Sequence[str]], Floats]
"""Sentences to float32 [n, 384] at unit length."""

_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_WORDS_WEIGH: Final = 0.2
_SAME_PHRASE: Final = 0.75
"""Cosine from which a denial is one that the vocabulary knows, in about the same words."""
_LIKE_PHRASE: Final = 0.4
"""The same for what the sentence reads as anyway, and its opposite does not: "I don't like that"."""
_UNHEARD: Final = 0.3
"""How much a word that no concept uses weighs, beside one that a single concept uses."""
_NO_WORD: Final = "\N{GRINNING FACE}"
"""To the encoder one unheard word, as is any word of a script it was not made for: all of them lie in one place."""
_SAME_VECTOR: Final = 0.999
_REMEMBERED: Final = 512
_TINY: Final = 1e-12


_Positive = Annotated[float, msgspec.Meta(gt=0)]


class Manner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How likeness becomes probability; fitted by ``models/build/fusion/events``.

    Attributes:
        sharpness: likeness to logit.
        bar: likeness at which a sentence is as likely known as not.
        slope: how fast that changes.
    """

    sharpness: _Positive = 30.0
    bar: float = 0.45
    slope: _Positive = 25.0


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What n sentences mean.

    Attributes:
        phrases: float32 [n, 384], unit length: the concepts' places, mixed as the sentences mean them.
        known: float [n], 0 to 1: how probably each means any of the concepts.
        concepts: intp [n], the concept that each means most probably.
    """

    phrases: Floats
    known: Floats
    concepts: npt.NDArray[np.intp]


class Reader:
    """Reads sentences among the concepts of one vocabulary.

    Args:
        vocabulary: what they may mean.
        concepts: float32 [K, 384], the concepts' places in the sentence space.
        encode_sentences: the encoder that made them; asked about denials.
        manner: how likeness becomes probability.

    Attributes:
        vocabulary, concepts, encode_sentences: as given.
    """

    def __init__(
        self, vocabulary: Vocabulary, concepts: Floats, encode_sentences: EncodeSentences, manner: Manner
    ) -> None:
        self.vocabulary, self.concepts = vocabulary, concepts
        self.encode_sentences, self._manner = encode_sentences, manner
        self._words = _Words([[*c.phrases, c.description] for c in vocabulary])
        denials = [(k, phrase) for k, c in enumerate(vocabulary) for phrase in c.phrases if affirmed(phrase)]
        self._denials = encode_sentences([phrase for _, phrase in denials])
        self._denying = np.asarray([k for k, _ in denials], np.intp)
        self._no_word = encode_sentences([_NO_WORD])[0]

    def among(self, vocabulary: Vocabulary, concepts: Floats) -> Reader:
        """One that reads in the same manner among other concepts."""
        return Reader(vocabulary, concepts, self.encode_sentences, self._manner)

    def likeness(self, texts: Sequence[str], rows: Floats) -> Floats:
        """How like each concept the sentences are, [n, K]; ``rows`` [n, 384] are their unit vectors."""
        return np.asarray(rows @ self.concepts.T + _WORDS_WEIGH * self._words.likeness(texts), np.float32)

    def read(self, texts: Sequence[str], rows: Floats) -> Read:
        """What ``texts`` mean; ``rows`` [n, 384] are their unit vectors. No answer depends on another sentence."""
        likeness = self.likeness(texts, rows)
        shares = _softmax(self._manner.sharpness * likeness)
        known = self._known(likeness.max(axis=1))
        for row, text in enumerate(texts):
            if self._unreadable(text, rows[row]):
                known[row] = 0
            elif (plain := affirmed(text)) is not None:
                self._heed(plain, rows[row], shares[row], known[row : row + 1])
        mixed = shares @ self.concepts
        lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
        return Read(np.asarray(mixed / np.maximum(lengths, _TINY), np.float32), known, shares.argmax(axis=1))

    def _heed(self, plain: str, row: Floats, shares: Floats, known: Floats) -> None:
        """Change what a sentence with marks of denial means, and how surely: it is ``plain`` without them."""
        alike = self._denials @ row
        if len(alike) and alike.max() >= _SAME_PHRASE:
            shares[:] = 0
            shares[self._denying[int(alike.argmax())]] = 1
            known[:] = 1
            return
        opposite = self.likeness([plain], self.encode_sentences([plain]))[0]
        read = int(shares.argmax())
        backing = float(alike[self._denying == read].max(initial=-1.0))
        if read == int(opposite.argmax()) or backing < _LIKE_PHRASE:
            known *= 1 - self._known(opposite.max())

    def _unreadable(self, text: str, row: Floats) -> bool:
        """Whether there are no words in ``text``, or none the encoder knows: what it says then is chance."""
        return bool(text.strip() and not _WORD.search(text)) or float(self._no_word @ row) >= _SAME_VECTOR

    def _known(self, best: Any) -> Floats:
        return np.asarray(1 / (1 + np.exp(-self._manner.slope * (best - self._manner.bar))), np.float32)


class _Words:
    """The words of each concept, and pairs of them, weighed by how well they tell concepts apart."""

    def __init__(self, phrases: Sequence[Sequence[str]]) -> None:
        counts = [[Counter(_terms(text)) for text in own] for own in phrases]
        used = Counter(term for own in counts for term in {term for count in own for term in count})
        self._weights = {term: math.log((1 + len(phrases)) / n) for term, n in used.items()}
        self._unheard = _UNHEARD * math.log(1 + len(phrases)) ** 2
        self._places = {term: place for place, term in enumerate(self._weights)}
        table = np.zeros((len(phrases), len(self._places)))
        for own, row in zip(counts, table, strict=True):
            for count in own:
                for term, n in count.items():
                    row[self._places[term]] += n * self._weights[term]
        table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), _TINY)
        self._table = np.ascontiguousarray(table.T, np.float32)
        # A stale slot repeats its words in every window until it is forgotten.
        self._one = lru_cache(_REMEMBERED)(self._found)

    def likeness(self, texts: Iterable[str]) -> Floats:
        """Cosines [n, K]; a word that no concept uses counts against all."""
        return np.stack([self._one(text) for text in texts])

    def _found(self, text: str) -> Floats:
        terms = _terms(text)
        known = [(self._places[term], self._weights[term]) for term in terms if term in self._places]
        if not known:
            return np.zeros(self._table.shape[1], np.float32)
        places, weights = zip(*known, strict=True)
        length = math.fsum(w * w for w in weights) + self._unheard * (len(terms) - len(known))
        return np.asarray(np.asarray(weights, np.float32) @ self._table[list(places)] / math.sqrt(length), np.float32)


def _terms(text: str) -> list[str]:
    """Words, plurals cut, and pairs of neighbours."""
    words = [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in _WORD.findall(_plain(text))]
    return [*words, *(f"{one} {other}" for one, other in pairwise(words))]


def _plain(text: str) -> str:
    return text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)
