"""Reading: what words mean among the concepts of a vocabulary, by likeness, without training.

A sentence x is compared with each concept's place c, the mean over its description, its name in some wordings and its
paraphrases, as the encoder gives it and in the space W in which requests are told apart (`space`), and with its words:

    likeness_k = cos(W x, W c_k) + weight tf-idf-cos(words, words_k)
    p_k        = softmax_k(sharpness likeness_k)
    evidence   = max_k (likeness_k + (cos(x, c_k) - cos(W x, W c_k)) / 2)
    known      = 1 / (1 + exp(-slope (evidence - bar))) (1 - denied)

The mean over few examples is the nearest-prototype rule (Snell et al. 2017); the words (Sparck Jones 1972; single words
and pairs) add what an encoder blurs. W tells requests apart, and blurs somewhat whether something is one; so both count
for what is known at all. Sharpness, bar and slope are fitted on sentences (the card's ``reading``), not on a
vocabulary, so one of a user's own reads the same.

A line that is a phrase of one concept as it stands means that, in any language. A concept in a language that the
encoder does not know counts by shared words alone (`sensorium.phrases`, as on the device). What says nothing by itself
("hm", "a") is not known. Of a sentence that sets two parts against each other only that counts which stands
(`sensorium.denial`); another with marks of denial is encoded a second time without them: if that is a known command, it
was denied, unless the vocabulary has a phrase like the denial ("don't move" means stop).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Final

import msgspec
import numpy as np
import numpy.typing as npt

from sensorium import phrases
from sensorium.concepts import Concept, Vocabulary
from sensorium.denial import Denial, affirmed, denial
from sensorium.wording import says_nothing, words
from sensorium_cloud.fuse.space import Space, encoders_own, in_words, unit

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
_FAMILIAR: Final = 0.75
"""Share of a concept's words that the encoder has to know; English vocabularies have .85 and more, French ones .5."""
_USUAL_WORDS: Final = 10
"""The vocabulary's own share counts for a concept as much as so many words of it."""
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
        concepts: float32 [K, 384], the concepts' places in the sentence space, for who mixes them.
        encode_sentences: the encoder that made them; asked about names, phrases and denials.
        manner: how likeness becomes probability.
        space: where requests are told apart; None for the encoder's own space.

    Attributes:
        vocabulary, concepts, encode_sentences: as given.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        concepts: Floats,
        encode_sentences: EncodeSentences,
        manner: Manner,
        space: Space | None = None,
    ) -> None:
        self.vocabulary, self.concepts = vocabulary, concepts
        self.encode_sentences, self._manner = encode_sentences, manner
        self._space = space or encoders_own(concepts.shape[1])
        rows = [_said_of(concept, encode_sentences) for concept in vocabulary]
        self._places = unit(np.stack([own.mean(axis=0) for own in rows]))
        self._moved = unit(np.stack([self._space(own).mean(axis=0) for own in rows]))
        self._strange = _strange(vocabulary, self._space)
        self._words = _Words([[*c.phrases, c.description] for c in vocabulary])
        denials = [(k, phrase) for k, c in enumerate(vocabulary) for phrase in c.phrases if affirmed(phrase)]
        self._denials = encode_sentences([phrase for _, phrase in denials])
        self._denying = np.asarray([k for k, _ in denials], np.intp)
        self._no_word = encode_sentences([_NO_WORD])[0]

    def among(self, vocabulary: Vocabulary, concepts: Floats) -> Reader:
        """One that reads in the same manner among other concepts."""
        return Reader(vocabulary, concepts, self.encode_sentences, self._manner, self._space)

    def likeness(self, texts: Sequence[str], rows: Floats) -> tuple[Floats, Floats]:
        """How like each concept the sentences are, [n, K], and the evidence that they mean any, [n].

        ``rows`` [n, 384] are their unit vectors.
        """
        moved = self._space(rows) @ self._moved.T
        likeness = np.asarray(moved + _WORDS_WEIGH * self._words.likeness(texts), np.float32)
        evidence = (likeness + (rows @ self._places.T - moved) / 2).max(axis=1)
        return likeness, np.asarray(evidence, np.float32)

    def read(self, texts: Sequence[str], rows: Floats) -> Read:
        """What ``texts`` mean; ``rows`` [n, 384] are their unit vectors. No answer depends on another sentence."""
        read = [self._one(text, row) for text, row in zip(texts, rows, strict=True)]
        shares = np.stack([own for own, _ in read])
        known = np.asarray([surely for _, surely in read], np.float32)
        return Read(unit(shares @ self.concepts), known, shares.argmax(axis=1))

    def _one(self, text: str, row: Floats) -> tuple[Floats, float]:
        """How the concepts share the sentence, [K], and how surely it means any."""
        if (concept := phrases.exact(text, self.vocabulary)) is not None:
            return self._only(concept), 1.0
        told = denial(text)
        if told and told.stands:
            return self._one(told.stands, self.encode_sentences([told.stands])[0])
        shares, known = self._alike(text, row)
        if self._unreadable(text, row):
            return shares, 0.0
        if self._strange.any() and (self._strange[shares.argmax()] or self._in_its_words(text)):
            return self._by_words(text)
        return (shares, known) if told is None else self._heeded(told, row, shares, known)

    def _alike(self, text: str, row: Floats) -> tuple[Floats, float]:
        likeness, evidence = self.likeness([text], row[None])
        return _softmax(self._manner.sharpness * likeness)[0], self._known(float(evidence[0]))

    def _only(self, concept: int) -> Floats:
        shares = np.zeros(len(self.vocabulary), np.float32)
        shares[concept] = 1
        return shares

    def _in_its_words(self, text: str) -> bool:
        """Whether the words are those of a concept in a language that the encoder does not know."""
        return any(self._strange[concept] for concept in phrases.match(text, self.vocabulary))

    def _by_words(self, text: str) -> tuple[Floats, float]:
        """What shared words alone say, as on the device."""
        shares = np.zeros(len(self.vocabulary), np.float32)
        for concept, share in phrases.match(text, self.vocabulary).items():
            shares[concept] = share
        total = float(shares.sum())
        return (shares / total, total) if total else (np.full_like(shares, 1 / len(shares)), 0.0)

    def _heeded(self, told: Denial, row: Floats, shares: Floats, known: float) -> tuple[Floats, float]:
        """What a sentence with marks of denial means, and how surely."""
        if told.afterthought:
            return shares, known if phrases.exact(told.denied, self.vocabulary) is None else 0.0
        alike = self._denials @ row
        if len(alike) and alike.max() >= _SAME_PHRASE:
            return self._only(int(self._denying[int(alike.argmax())])), 1.0
        opposite, surely = self._alike(told.denied, self.encode_sentences([told.denied])[0])
        read = int(shares.argmax())
        backing = float(alike[self._denying == read].max(initial=-1.0))
        denied = read == int(opposite.argmax()) or backing < _LIKE_PHRASE
        return shares, known * (1 - surely) if denied else known

    def _unreadable(self, text: str, row: Floats) -> bool:
        """Whether ``text`` says nothing, or the encoder knows none of its words: what it says then is chance."""
        nothing = bool(text.strip()) and says_nothing(text)
        return nothing or float(self._no_word @ row) >= _SAME_VECTOR

    def _known(self, evidence: float) -> float:
        # Far beyond any evidence there is: exp(700) is still a number.
        return 1 / (1 + math.exp(min(-self._manner.slope * (evidence - self._manner.bar), 700.0)))


def _said_of(concept: Concept, encode_sentences: EncodeSentences) -> Floats:
    """The rows whose mean is the concept's place: description, name, and each paraphrase."""
    name = encode_sentences(in_words(concept.name)).mean(axis=0)
    return np.stack([name, *encode_sentences([concept.description, *concept.paraphrases])])


def _strange(vocabulary: Vocabulary, space: Space) -> npt.NDArray[np.bool_]:
    """Which concepts are in a language that the encoder does not know, [K]."""
    said = [[word for phrase in concept.phrases for word in words(phrase)] for concept in vocabulary]
    usual = space.familiar([word for own in said for word in own])
    shares = [(space.familiar(own) * len(own) + usual * _USUAL_WORDS) / (len(own) + _USUAL_WORDS) for own in said]
    return np.asarray(shares) < _FAMILIAR


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
