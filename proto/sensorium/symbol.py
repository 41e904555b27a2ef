"""Symbols: what a window meant, and the formulas behind their numbers.

All information is in bits. Where a formula differs from the first sketch of this project, the
difference is stated; the sketch's own figure stays available as ``legacy_entropy_bits``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from sensorium.event import Modality
from sensorium.value import Value
from sensorium.window import Presence


class Revision(StrEnum):
    """Which side answered; a later revision of the same id replaces an earlier one."""

    EDGE = "edge"
    CLOUD = "cloud"


class Reason(StrEnum):
    """Why a symbol abstains from naming a concept."""

    NOTHING = "nothing"
    """No modality had anything to say."""
    UNKNOWN = "unknown"
    """There is evidence, and no known concept fits it."""
    UNSURE = "unsure"
    """Some concept fits best, but not surely enough."""
    CONFLICT = "conflict"
    """The modalities disagree."""


class Hypothesis(Value, frozen=True):
    """A concept and its calibrated probability."""

    concept: str
    probability: float


class Share(Value, frozen=True):
    """One modality's part in a symbol.

    Attributes:
        modality: whose part.
        presence: how it took part in the window.
        label: what it said by itself, if anything.
        reliability: 0 to 1, from its signal's quality.
        weight: reliability x decay, normalised over the modalities; sums to 1, or all are 0.
        contribution: log p(concept) with it minus without it, in nats; 0 where it has no say.
        attention: part of the fusion's attention it received; sums to 1, or all are 0.
        offset_ns: its first event after the window's earliest one; None if it has none here.
        age_ns: window end minus its newest event; None if absent.
    """

    modality: Modality
    presence: Presence
    label: str | None = None
    reliability: float = 0.0
    weight: float = 0.0
    contribution: float = 0.0
    attention: float = 0.0
    offset_ns: int | None = None
    age_ns: int | None = None


class Entropy(Value, frozen=True):
    """How much is known, in bits.

    Attributes:
        posterior: H(Y) over the vocabulary and "none of them".
        information: log2 K - H(Y): what the evidence told.
        disagreement: Jensen-Shannon divergence between the modalities' own answers.
        attention: entropy of the attention over the modalities.
        legacy_entropy_bits: the first sketch's 32 + 8 n + 4 H(attention), for whoever ports from it.
    """

    posterior: float
    information: float
    disagreement: float
    attention: float
    legacy_entropy_bits: float


class Stage(Value, frozen=True):
    """Time one stage took, in milliseconds."""

    name: str
    ms: float


class Evidence(Value, frozen=True):
    """One line of a symbol's timeline: what was seen, when."""

    modality: Modality
    label: str | None
    score: float
    at_ns: int
    span_ns: int
    text: str | None = None


class ModelRef(Value, frozen=True):
    """A model that took part, by name and content hash."""

    name: str
    sha256: str


class Provenance(Value, frozen=True):
    """Who made a symbol, with what."""

    processed_on: str
    software: str
    models: tuple[ModelRef, ...] = ()


class Symbol(Value, frozen=True):
    """The fused meaning of one window.

    Attributes:
        id: the window's id; every revision has the same.
        session_id: whose window it was.
        revision: which side answered.
        window_revision: the revision of the window it answers for.
        start_ns, end_ns: the window's span on the device's monotonic clock.
        concept: name of the concept, or None if abstained.
        content: the concept's description, or the reason for the abstention, for people.
        abstained: why no concept is named, or None.
        confidence: calibrated probability of ``concept``; of the best hypothesis if abstained.
        alternatives: the best hypotheses, most probable first.
        domains: what the concept is about, always beginning with the kinds of evidence
            (VISUAL, AUDITORY, TEXT, GESTURE, HAPTIC, BIOMETRIC, then MULTIMODAL if several).
        shares: one for each configured modality.
        entropy: how much is known.
        latency: time by stage.
        timeline: the evidence, in order of event time.
        provenance: who made it, with what.
        boot_id: the window's: the boot whose clock its times are of.
    """

    id: str
    session_id: str
    revision: Revision
    window_revision: int
    start_ns: int
    end_ns: int
    concept: str | None
    content: str
    abstained: Reason | None
    confidence: float
    alternatives: tuple[Hypothesis, ...]
    domains: tuple[str, ...]
    shares: tuple[Share, ...]
    entropy: Entropy
    latency: tuple[Stage, ...]
    timeline: tuple[Evidence, ...]
    provenance: Provenance
    boot_id: str = ""

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that had events in the window."""
        return tuple(s.modality for s in self.shares if s.presence in _HERE)


_HERE = (Presence.PRESENT, Presence.LATE)

_DOMAIN: Mapping[Modality, str] = {
    Modality.VIDEO: "VISUAL",
    Modality.AUDIO: "AUDITORY",
    Modality.TEXT: "TEXT",
    Modality.GESTURE: "GESTURE",
    Modality.HAPTIC: "HAPTIC",
    Modality.BIOMETRIC: "BIOMETRIC",
}


# --- formulas --------------------------------------------------------------------------


def decay(age_ns: int, half_life_ns: int) -> float:
    """Trust left after ``age_ns``: 2^(-age / half-life), 1 for ages below 0.

    The sketch wrote exp(-age / 2 s) and called it a half-life of 2 s; that one's is 1.386 s.
    """
    return math.exp2(-max(age_ns, 0) / half_life_ns)


def normalised(masses: Sequence[float]) -> tuple[float, ...]:
    """``masses`` (each at least 0) divided by their sum; all 0 where the sum is 0."""
    total = math.fsum(masses)
    return tuple(m / total for m in masses) if total > 0 else tuple(0.0 for _ in masses)


def entropy_bits(probabilities: npt.ArrayLike) -> float:
    """Shannon entropy of a distribution: H = -sum p log2 p (Shannon 1948), 0 log 0 = 0."""
    if isinstance(probabilities, list | tuple):  # a few numbers: an array of them takes longer than the sum
        return -math.fsum(p * math.log2(p) for p in probabilities if p > 0) or 0.0
    p = np.asarray(probabilities, np.float64)
    p = p[p > 0]
    return -float((p * np.log2(p)).sum()) or 0.0


def disagreement_bits(answers: Sequence[Sequence[float]], weights: Sequence[float]) -> float:
    """Generalised Jensen-Shannon divergence: H(sum w p) - sum w H(p) (Lin 1991).

    ``answers`` are distributions over one vocabulary, ``weights`` at least 0; 0 for fewer than two.
    """
    shares = normalised(weights)
    if sum(w > 0 for w in shares) < 2:
        return 0.0
    each = np.asarray(answers, np.float64)
    apart = math.fsum(w * entropy_bits(a) for w, a in zip(shares, each, strict=True))
    return max(entropy_bits((np.asarray(shares)[:, np.newaxis] * each).sum(axis=0)) - apart, 0.0)


def softmax(logits: Sequence[float], temperature: float = 1.0) -> tuple[float, ...]:
    """exp(l / T) / sum; T is fitted on held-out people (Guo et al. 2017, temperature scaling)."""
    top = max(logits)
    return normalised([math.exp((logit - top) / temperature) for logit in logits])


def entropy_of(posterior: Sequence[float], attention: Sequence[float], disagreement: float, modalities: int) -> Entropy:
    """All of a symbol's information figures.

    ``posterior`` is over the vocabulary and "none of them"; ``attention`` over the modalities;
    ``modalities`` counts those that took part.
    """
    return entropy_from(entropy_bits(posterior), len(posterior), entropy_bits(attention), disagreement, modalities)


def entropy_from(posterior: float, hypotheses: int, attention: float, disagreement: float, modalities: int) -> Entropy:
    """The same, from entropies that are known: of the posterior over ``hypotheses``, and of the attention."""
    return Entropy(
        posterior=posterior,
        information=max(math.log2(hypotheses) - posterior, 0.0) if hypotheses else 0.0,
        disagreement=disagreement,
        attention=attention,
        legacy_entropy_bits=32.0 + 8.0 * modalities + 4.0 * attention,
    )


def domains_of(present: Sequence[Modality], concept_domains: Sequence[str] = ()) -> tuple[str, ...]:
    """The kinds of evidence, MULTIMODAL where there are several, then the concept's own domains."""
    kinds = [_DOMAIN[m] for m in present]
    several = ["MULTIMODAL"] if len(kinds) > 1 else []
    return tuple(dict.fromkeys([*kinds, *several, *concept_domains]))
