"""Who is heard, and what they say together: the network's two passes over a batch, all windows at once.

First each modality alone. By the concepts' precedence that tells who is heard at all. Then those who are
heard together, and once more without each, which gives what each contributed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from sensorium.assemble import ALTERNATIVES, UNKNOWN_RANK
from sensorium.event import Modality
from sensorium_cloud.fuse.filled import PLACE, Doubles, Filled, Flags, Indices
from sensorium_cloud.fuse.network import Inputs, Network, Outputs, Told

_NOT_THERE: Final = UNKNOWN_RANK + 1
_TINY: Final = 1e-300
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """What is thought of W windows, each with six places for modalities.

    Attributes:
        posteriors: float64 [W, K + 1]; uniform where nobody is heard.
        contributions: float64 [W, 6], nats: log p of the best hypothesis, less what it is without each; 0 if unheard.
        attention: float64 [W, 6], what each received; 0 if unheard.
        answers: float64 [P, K + 1], what each of P modalities says alone.
        places: intp [W, 6] into ``answers``; -1 where a modality is not there.
        spoken: bool [W, 6], who is here and whose answer alone counts as its own opinion.
    """

    posteriors: Doubles
    contributions: Doubles
    attention: Doubles
    answers: Doubles
    places: Indices
    spoken: Flags

    def best(self) -> list[list[tuple[int, float]]]:
        """The most probable concepts of each window, best first: place in the vocabulary, and probability."""
        known = self.posteriors[:, :-1]
        order = np.argsort(-known, axis=1, kind="stable")[:, :ALTERNATIVES]
        probabilities = known[np.arange(len(known))[:, None], order]
        return [list(zip(*each, strict=True)) for each in zip(order.tolist(), probabilities.tolist(), strict=True)]

    def disagreements(self, trusts: Doubles) -> Doubles:
        """Jensen-Shannon divergence [W] between those who speak and are here, trusted so [W, 6], in bits."""
        if not len(self.answers):
            return np.zeros(len(trusts))
        weights = normalised(np.where(self.spoken, trusts, 0.0))
        mixed = (weights[:, None, :] @ self.answers[self.places])[:, 0]
        each = (weights * entropies(self.answers)[self.places]).sum(axis=1)
        several = np.count_nonzero(weights, axis=1) > 1
        return np.asarray(np.where(several, np.maximum(entropies(mixed) - each, 0.0), 0.0))


def entropies(distributions: Doubles) -> Doubles:
    """Shannon entropy of each row, in bits; 0 log 0 = 0."""
    logs = np.log2(np.maximum(distributions, _TINY))
    return np.asarray(np.abs((distributions * logs).sum(axis=-1)))


def normalised(masses: Doubles) -> Doubles:
    """Each row of ``masses`` divided by its sum; 0 where that is 0."""
    total = masses.sum(axis=1, keepdims=True)
    return masses / np.where(total > 0, total, 1.0)


class Hearing:
    """Hears batches of windows.

    Args:
        network: with the concepts it answers in.
        ranks: of each concept's precedence, 0 for the highest.
    """

    def __init__(self, network: Network, ranks: Sequence[int]) -> None:
        self._network = network
        # Sums a posterior over the concepts of each rank; "none of them" is a rank of its own.
        self._by_rank = np.eye(UNKNOWN_RANK + 1)[[*ranks, UNKNOWN_RANK]]

    def hear(self, filled: Filled, inputs: Inputs) -> Verdicts:
        """What is thought of the windows with these ``filled`` slots, whose evidence is in ``inputs``."""
        here = filled.here
        if not len(inputs.windows):
            return self._silence(here)
        told = self._network.hear(inputs)
        alone = self._network.alone(told)
        known = inputs.windows * len(PLACE) + inputs.modalities
        places = _seated(here, known, np.arange(len(known)), -1)
        ranks = _seated(here, known, np.argmax(alone.posteriors @ self._by_rank, axis=1), _NOT_THERE)
        best = _seated(here, known, np.argmax(alone.posteriors[:, :-1], axis=1), -1)
        speaking, heard = _who(ranks, best, here)
        met = _met(self._network, told, alone, places, heard)
        doubts = _seated(here, known, _doubts(inputs), 1.0)
        posteriors = _no_surer(met.posteriors, met.named, np.where(heard, best, -1), doubts)
        return Verdicts(posteriors, met.contributions, met.attention, alone.posteriors, places, speaking & here)

    def _silence(self, here: Flags) -> Verdicts:
        """Where no window has any evidence."""
        hypotheses = len(self._by_rank)
        posteriors = np.full((len(here), hypotheses), 1.0 / hypotheses)
        nothing, nobody = np.zeros(here.shape), np.zeros(here.shape, bool)
        return Verdicts(
            posteriors, nothing, nothing, np.zeros((0, hypotheses)), np.full(here.shape, -1, np.intp), nobody
        )


def _seated(here: Flags, known: Indices, values: npt.NDArray[_Number], nobody: float) -> npt.NDArray[_Number]:
    """The ``values`` [n] of those who are ``known``, each in its place in windows [W, 6], among ``nobody``."""
    room = np.full(here.size, nobody, values.dtype)
    room[known] = values
    return room.reshape(here.shape)


def _who(ranks: Indices, best: Indices, here: Flags) -> tuple[Flags, Flags]:
    """Who speaks: the highest precedence that is here; and who is heard: also what is not understood but might help.

    What is only stale supports what is said now; a ``best`` concept that nobody here means was meant before.
    """
    first = np.where(here, ranks, UNKNOWN_RANK).min(axis=1, initial=UNKNOWN_RANK)
    speaking = ranks == first[:, None]
    meant = np.where(speaking & here, best, -1)
    speaking &= here | (best[:, :, None] == meant[:, None, :]).any(axis=2)
    return speaking, speaking | (ranks == UNKNOWN_RANK)


def _doubts(inputs: Inputs) -> Doubles:
    """How probably each modality's [n] labels are wrong, as who gave them says; 0 where the network itself decided.

    The network heard no label that was wrong and so heeds no score, but those of words: these are what it read.
    """
    labelled = inputs.facts[..., 1] > 0
    surest = np.where(labelled, inputs.facts[..., 2], 0.0).max(axis=1, initial=0.0)
    decided = ~labelled.any(axis=1) | (inputs.modalities == PLACE[Modality.TEXT])
    return np.where(decided, 0.0, 1.0 - surest)


def _no_surer(posteriors: Doubles, named: Indices, best: Indices, doubts: Doubles) -> Doubles:
    """``posteriors`` that are no surer of what is ``named`` [W] than those who say so: all may be wrong.

    p' = c p + (1 - c) uniform, c = 1 - product of the ``doubts`` of those whose own ``best`` [W, 6] is what is named;
    one sense is as sure as its label's score, and two that agree are surer than each.
    """
    agree = best == named[:, None]
    doubt = np.where(agree, doubts, 1.0).prod(axis=1)
    doubt[~agree.any(axis=1)] = 0.0
    return np.asarray((1 - doubt[:, None]) * posteriors + doubt[:, None] / posteriors.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class _Met:
    """What those who are heard in each of W windows say together; see `Verdicts`.

    Attributes:
        named: intp [W], the most probable hypothesis.
    """

    posteriors: Doubles
    named: Indices
    contributions: Doubles
    attention: Doubles


def _met(network: Network, told: Told, alone: Outputs, places: Indices, heard: Flags) -> _Met:
    """Ask who is ``heard`` [W, 6] together, and without each."""
    plan = _Plan(places, heard, 1 + len(alone.posteriors))
    answers, attentions = network.meet_alike(told, plan.groups) if plan.groups else (alone.posteriors[:0], [])
    hypotheses = alone.posteriors.shape[1]
    nobody = np.full((1, hypotheses), 1.0 / hypotheses)
    all_answers = np.concatenate([nobody, alone.posteriors, answers])
    posteriors = all_answers[plan.whole]
    named = np.argmax(posteriors, axis=1)
    reached = np.log(np.maximum(posteriors[np.arange(len(named)), named], _TINY))
    lacking = np.log(np.maximum(all_answers[plan.without, named[plan.windows]], _TINY))
    contributions, attention = np.zeros(heard.shape), np.zeros(heard.shape)
    contributions[heard] = reached[plan.windows] - lacking
    received = np.ones(len(plan.windows))
    for members, group in plan.together:
        received[members] = attentions[group]
    attention[heard] = received
    return _Met(posteriors, named, contributions, attention)


class _Plan:
    """What has to be asked about the H who are heard in W windows, and where each answer will be.

    All answers are numbered: 0 is that of nobody, then come what each modality says alone, then those to ``groups``.

    Attributes:
        windows: intp [H], which window each of those who are heard is in, window by window.
        whole: intp [W], the answer of all who are heard in each window.
        without: intp [H], the answer of the others, without each.
        groups: what is left to ask, each intp [n, size]: all together, and without each; what one says alone is known.
        together: of each size, who is heard together [n, size], among H; and which of the groups they are.
    """

    def __init__(self, places: Indices, heard: Flags, answers: int) -> None:
        self.windows = np.nonzero(heard)[0]
        self.whole = np.zeros(len(heard), np.intp)
        self.without = np.zeros(len(self.windows), np.intp)
        self.groups: list[Indices] = []
        self.together: list[tuple[Indices, int]] = []
        self._answers = answers
        self._own = places[heard]
        counts = np.count_nonzero(heard, axis=1)
        begins = np.cumsum(counts) - counts
        for size in sorted(set(counts.tolist()) - {0}):
            rows = np.flatnonzero(counts == size)
            self._add(rows, begins[rows, None] + np.arange(size))

    def _add(self, rows: Indices, among: Indices) -> None:
        """The windows in which equally many are heard, who are ``among`` [n, size] all."""
        size = among.shape[1]
        members: Indices = self._own[among]
        if size == 1:
            self.whole[rows] = 1 + members[:, 0]
            return
        self.together.append((among, len(self.groups)))
        self.whole[rows] = self._ask(members)
        if size == 2:
            self.without[among] = 1 + members[:, ::-1]
            return
        others = [[other for other in range(size) if other != place] for place in range(size)]
        self.without[among] = self._ask(members[:, others].reshape(-1, size - 1)).reshape(among.shape)

    def _ask(self, group: Indices) -> Indices:
        """The numbers [n] of the answers."""
        self.groups.append(group)
        begin, self._answers = self._answers, self._answers + len(group)
        return np.arange(begin, self._answers)
