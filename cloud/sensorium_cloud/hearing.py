"""Who is heard, and what they say together: the network's two passes over a batch, all windows at once.

First each modality alone. By the concepts' precedence that tells who is heard at all. Then those who are
heard together, and once more without each, which gives what each contributed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sensorium.assemble import ALTERNATIVES, UNKNOWN_RANK
from sensorium.event import Modality
from sensorium_cloud.filled import PLACE, Doubles, Filled, Flags, Indices
from sensorium_cloud.network import Inputs, Network, Outputs, Told

_NOT_THERE: Final = UNKNOWN_RANK + 1
_TINY: Final = 1e-300


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
        places = np.full(here.shape, -1, np.intp)
        places[inputs.windows, inputs.modalities] = np.arange(len(inputs.windows))
        if not len(inputs.windows):
            return self._silence(places)
        told = self._network.hear(inputs)
        alone = self._network.alone(told)
        ranks = np.full(here.shape, _NOT_THERE)
        ranks[inputs.windows, inputs.modalities] = np.argmax(alone.posteriors @ self._by_rank, axis=1)
        best = np.full(here.shape, -1)
        best[inputs.windows, inputs.modalities] = np.argmax(alone.posteriors[:, :-1], axis=1)
        speaking, heard = _who(ranks, best, here)
        company = _Company(places, heard, alone)
        company.ask(self._network, told)
        doubts = np.ones(here.shape)
        doubts[inputs.windows, inputs.modalities] = _doubts(inputs)
        return _no_surer(company.verdicts(speaking & here), np.where(heard, best, -1), doubts)

    def _silence(self, places: Indices) -> Verdicts:
        """Where no window has any evidence."""
        nobody = np.zeros(places.shape, bool)
        alone = Outputs(np.zeros((0, len(self._by_rank))), np.zeros((0, 1), np.float32))
        return _Company(places, nobody, alone).verdicts(nobody)


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


def _no_surer(verdicts: Verdicts, best: Indices, doubts: Doubles) -> Verdicts:
    """``verdicts`` that are no surer of what is named than those who say so: all may be wrong by their ``doubts``.

    p' = c p + (1 - c) uniform, c = 1 - product of the doubts of those whose own ``best`` [W, 6] is what is named; one
    sense is as sure as its label's score, and two that agree are surer than each.
    """
    posteriors = verdicts.posteriors
    named = posteriors.argmax(axis=1)
    agree = best == named[:, None]
    doubt = np.where(agree, doubts, 1.0).prod(axis=1)
    doubt[~agree.any(axis=1)] = 0.0
    tempered = (1 - doubt[:, None]) * posteriors + doubt[:, None] / posteriors.shape[1]
    return replace(verdicts, posteriors=tempered)


class _Company:
    """Those who are heard in each window, asked together and without each."""

    def __init__(self, places: Indices, heard: Flags, alone: Outputs) -> None:
        hypotheses = alone.posteriors.shape[1]
        self._posteriors = np.full((len(places), hypotheses), 1.0 / hypotheses)
        self._contributions = np.zeros(places.shape)
        self._attention = np.zeros(places.shape)
        self._places, self._heard, self._alone = places, heard, alone
        self._counts = np.count_nonzero(heard, axis=1)

    def ask(self, network: Network, told: Told) -> None:
        """Ask everything; windows in which equally many are heard together."""
        sizes = sorted(set(self._counts.tolist()) - {0})
        asked = [self._members(size) for size in sizes]
        groups = [group for members in asked for group in _groups(members)]
        answers = iter(network.meet_alike(told, groups) if groups else ())
        for size, members in zip(sizes, asked, strict=True):
            self._take(size, *self._answers(members, [next(answers) for _ in _groups(members)]))

    def verdicts(self, spoken: Flags) -> Verdicts:
        """What came of it."""
        said = (self._posteriors, self._contributions, self._attention, self._alone.posteriors)
        return Verdicts(*said, self._places, spoken)

    def _members(self, size: int) -> Indices:
        """The places [n, size] of who is heard in the windows in which ``size`` are."""
        rows = self._counts == size
        members: Indices = self._places[rows][self._heard[rows]].reshape(-1, size)
        return members

    def _answers(self, members: Indices, answers: Sequence[Outputs]) -> tuple[Outputs, Doubles]:
        """What all of ``members`` say together, and what [n, size, K + 1] they say without each."""
        size, hypotheses = members.shape[1], self._posteriors.shape[1]
        if size == 1:
            own = members[:, 0]
            whole = Outputs(self._alone.posteriors[own], self._alone.attention[own])
            return whole, np.full((len(members), 1, hypotheses), 1.0 / hypotheses)
        if size == 2:
            return answers[0], self._alone.posteriors[members[:, ::-1]]
        return answers[0], answers[1].posteriors.reshape(len(members), size, hypotheses)

    def _take(self, size: int, whole: Outputs, without: Doubles) -> None:
        rows = np.flatnonzero(self._counts == size)
        best = np.argmax(whole.posteriors, axis=1)[:, None]
        each = np.arange(len(rows))[:, None]
        reached = np.log(np.maximum(whole.posteriors[each, best], _TINY))
        lacking = np.log(np.maximum(without[each, np.arange(size), best], _TINY))
        modalities = np.nonzero(self._heard[rows])[1].reshape(-1, size)
        self._posteriors[rows] = whole.posteriors
        self._contributions[rows[:, None], modalities] = reached - lacking
        self._attention[rows[:, None], modalities] = whole.attention


def _groups(members: Indices) -> list[Indices]:
    """What is left to ask about ``members`` [n, size]: all together, and without each; what one says alone is known."""
    size = members.shape[1]
    if size == 1:
        return []
    if size == 2:
        return [members]
    others = [[other for other in range(size) if other != place] for place in range(size)]
    return [members, members[:, others].reshape(-1, size - 1)]
