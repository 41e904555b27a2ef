"""What the senses of a window say together, by a small network over their readings.

The network never hears of a concept by name or place: it is shown a row for each concept that some sense claims,
one that stands for all the others, and one for "none of them", each by what every sense says of it. So a vocabulary
of one's own, and what was taught a minute ago, need no training, and the order of the concepts changes nothing.

    logits[b, row] = sum over the senses of group b of vote(row, sense | group)        p = softmax(logits)

Group 0 are all senses that speak; further groups are each alone and all but one, which give a symbol's disagreement and
contributions. The row of the others counts once for each of them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.assemble import Distribution
from sensorium.event import Modality
from sensorium.window import Presence
from sensorium_agent.fuse.pooling import Pool, Pooled, by_rules
from sensorium_agent.fuse.readings import Sense
from sensorium_agent.infer.runtime.model import Model, ModelError

log = logging.getLogger(__name__)
Floats = npt.NDArray[np.float32]

CLAIMS: Final = 6
"""Numbers that say what a sense says of a row."""
FACTS: Final = len(Modality) + 10
"""Numbers that say what kind of witness a sense is."""
ROWS: Final = 2
"""Marks of the rows that are no concept: all others, none of them."""
MASKED: Final = -1e4
"""Stands for log 0 where a sense is not in a group."""
_OTHERS: Final = 2
"""The row of all other concepts, from the end; "none of them" is the last."""
_PLACE: Final = {modality: place for place, modality in enumerate(Modality)}
_FAINT: Final = 0.01
_MOST_ROWS: Final = 12
"""Of concepts that are claimed: who wrote a vocabulary in which a label means more has the surest of them heard."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question to the network, with S senses that speak, R rows and B groups.

    Attributes:
        claims: float32 [R, S, `CLAIMS`].
        facts: float32 [S, `FACTS`].
        rows: float32 [R, `ROWS`].
        trusted: float32 [B, S], log trust; `MASKED` outside the group.
        concepts: which concept each of the first R - 2 rows is.
        others: for how many concepts the row of the others stands.
    """

    claims: Floats
    facts: Floats
    rows: Floats
    trusted: Floats
    concepts: tuple[int, ...]
    others: int

    @property
    def inputs(self) -> tuple[Floats, Floats, Floats, Floats]:
        """In the network's order."""
        return self.claims, self.facts, self.rows, self.trusted


class FusionNetwork:
    """Pools by a network; see `sensorium_agent.fuse.pooling.Pool`.

    Args:
        model: the network.
        turn: called between two windows: the model may change there.
    """

    def __init__(self, model: Model, turn: Callable[[], None] = lambda: None) -> None:
        self._model = model
        self._turn = turn

    def __call__(self, senses: Sequence[Sense], concepts: int, temperature: float) -> Pooled:
        """The answer of ``senses``.

        Raises:
            ModelError: the network cannot run, or gives what is no number.
        """
        self._turn()
        speaking = [sense for sense in senses if sense.speaks]
        if not speaking:
            return Pooled(_even(concepts), {}, {})
        question = ask(speaking, concepts)
        (logits,) = self._model.run(*question.inputs)
        answers = answered(logits, question, concepts, temperature)
        told = [sense.modality for sense in speaking]
        return Pooled(answers[0], *_parts(told, answers, concepts))


class OrRules:
    """The network's answers, and those of the rules where it gives none; the first time, a warning says so."""

    def __init__(self, network: Pool) -> None:
        self._network = network
        self._warned = False

    def __call__(self, senses: Sequence[Sense], concepts: int, temperature: float) -> Pooled:
        """The answer of ``senses``."""
        try:
            return self._network(senses, concepts, temperature)
        except ModelError as error:
            if not self._warned:
                self._warned = True
                fall_back(str(error))
            return by_rules(senses, concepts, temperature)


def fall_back(why: str) -> None:
    """Say that rules answer where a network was wanted."""
    log.warning("fusion.fallback wanted=network answers=rules why=%r", why)


def ask(speaking: Sequence[Sense], concepts: int) -> Asked:
    """The question about senses that all speak, at least one, over so many ``concepts``."""
    claims = [sense.claims() for sense in speaking]
    claimed = _claimed(claims)
    rows = np.zeros((len(claimed) + 2, ROWS), np.float32)
    rows[-_OTHERS, 0] = rows[-1, 1] = 1.0
    facts = np.array([_facts(s, own, concepts) for s, own in zip(speaking, claims, strict=True)], np.float32)
    said = [_said(s, own, claimed) for s, own in zip(speaking, claims, strict=True)]
    told = np.array(said, np.float32).transpose(1, 0, 2)
    trusted = np.array([math.log(sense.trust) for sense in speaking], np.float32)
    return Asked(told, facts, rows, _grouped(trusted), claimed, concepts - len(claimed))


def answered(logits: Floats, question: Asked, concepts: int, temperature: float = 1.0) -> list[Distribution]:
    """Each group's posterior over the vocabulary and "none of them".

    Raises:
        ModelError: ``logits`` [B, R] has something that is no number, or another shape.
    """
    if logits.shape != (len(question.trusted), len(question.rows)) or not np.isfinite(logits).all():
        raise ModelError("the fusion network's answer is no number, or of another shape")
    sharp = logits.astype(np.float64) / temperature
    masses = np.exp(sharp - sharp.max(axis=1, keepdims=True))
    total = masses[:, :-_OTHERS].sum(axis=1) + question.others * masses[:, -_OTHERS] + masses[:, -1]
    masses /= total[:, np.newaxis]
    posterior = np.repeat(masses[:, -_OTHERS, np.newaxis], concepts + 1, axis=1)
    posterior[:, list(question.concepts)] = masses[:, :-_OTHERS]
    posterior[:, -1] = masses[:, -1]
    answers: list[Distribution] = posterior.tolist()
    return answers


# --- what the network is told ----------------------------------------------------------


def _claimed(claims: Sequence[Mapping[int, float]]) -> tuple[int, ...]:
    """The concepts that some sense claims, in the vocabulary's order."""
    surest: dict[int, float] = {}
    for own in claims:
        for index, mass in own.items():
            surest[index] = max(mass, surest.get(index, 0.0))
    kept = sorted(surest, key=surest.__getitem__, reverse=True)[:_MOST_ROWS]
    return tuple(sorted(kept))


def _said(sense: Sense, claims: Mapping[int, float], claimed: Sequence[int]) -> list[tuple[float, ...]]:
    """What a sense says of each claimed concept, of all others, and of none of them."""
    counts, most = dict[int, int](), dict[int, float]()
    for reading in sense.heard:
        for index, mass in reading.says.items():
            counts[index] = counts.get(index, 0) + 1
            most[index] = max(mass, most.get(index, 0.0))
    first, second = _two_largest(claims)
    rows = []
    for index in claimed:
        mass = claims.get(index, 0.0)
        rival = second if index == first[0] else first[1]
        share = counts.get(index, 0) / len(sense.heard)
        rows.append((float(mass > 0), mass, _odds(mass * sense.support), most.get(index, 0.0), share, rival))
    return [*rows, *[(0.0, 0.0, _odds(0.0), 0.0, 0.0, first[1])] * 2]


def _two_largest(claims: Mapping[int, float]) -> tuple[tuple[int, float], float]:
    """The surest claim, and how sure the next one is."""
    order = sorted(claims.items(), key=lambda claim: (-claim[1], claim[0]))
    first = order[0] if order else (-1, 0.0)
    return first, order[1][1] if len(order) > 1 else 0.0


def _odds(probability: float) -> float:
    """Log odds, a third of them, within what a perceiver is believed."""
    return math.log((probability + _FAINT) / (1 + _FAINT - probability)) / 3


def _facts(sense: Sense, claims: Mapping[int, float], concepts: int) -> list[float]:
    """What kind of witness a sense is."""
    which = [0.0] * len(Modality)
    which[_PLACE[sense.modality]] = 1.0
    return [
        *which,
        sense.reliability,
        sense.trust / sense.reliability,
        float(sense.presence is Presence.STALE),
        float(sense.presence is Presence.LATE),
        float(bool(claims)),
        sense.support,
        math.log1p(len(sense.heard)) / 3,
        math.fsum(claims.values()),
        math.log1p(concepts) / 5,
        math.log(sense.trust + _FAINT) / 3,
    ]


def _grouped(trusted: Floats) -> Floats:
    """Who is in which group [B, S]: all; each alone; all but one, where that is no group yet."""
    count = len(trusted)
    one = np.eye(count, dtype=bool)
    groups = [np.ones((1, count), bool), *([one] if count > 1 else []), *([~one] if count > 2 else [])]
    return np.where(np.concatenate(groups), trusted, np.float32(MASKED))


def _parts(told: Sequence[Modality], answers: Sequence[Distribution], concepts: int) -> tuple[Any, Any]:
    """What each says alone, and what the others say without it."""
    count = len(told)
    if count == 1:
        return {told[0]: answers[0]}, {told[0]: _even(concepts)}
    alone = answers[1 : count + 1]
    without = alone[::-1] if count == 2 else answers[count + 1 :]
    return dict(zip(told, alone, strict=True)), dict(zip(told, without, strict=True))


def _even(concepts: int) -> Distribution:
    return (1.0 / (concepts + 1),) * (concepts + 1)
