"""The cross-modal attention network: a window's evidence as arrays, and the network's answers.

The network is trained and written by ``models/build/fusion.py``; its card, a JSON file beside it, says
which sizes it takes and how its answers are calibrated.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from sensorium.assemble import Thresholds
from sensorium.event import Modality
from sensorium_cloud.fuse.reading import Manner
from sensorium_cloud.runtime.net import ModelError, Net, Provider, Sizes

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

FACTS: Final = 4
"""Of an event: features given (0 or 1), phrase given (0 or 1), score, trust (reliability x decay)."""
_MASKED: Final = -1e4
"""Log trust of who is not there: exp(-1e4) is 0, and no difference of two is not a number."""
_PADDED: Final = 48
"""So many members who are not there cost as much as a run."""
_MENDING: Final = "run: sensorium-cloud models verify"
GROUPS: Final = Sizes(tuple(itertools.product((1, 4, 8, 16, 32), range(1, len(Modality) + 1))))
"""Of what meets: how many groups together, and how many modalities in each."""

_Positive = Annotated[float, msgspec.Meta(gt=0)]
_Size = Annotated[int, msgspec.Meta(ge=1, le=65_536)]


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a fusion network takes and how to read it.

    Attributes:
        dims: numbers in a feature vector, by modality.
        phrase: length of a sentence embedding.
        events: most events of a modality the network looks at.
        scale: cosine to logit.
        temperature: divides the logits; fitted on held-out data.
        thresholds: when to name a concept.
        vocabulary: digest of the vocabulary it was trained and calibrated with.
        reading: how words are read before the network hears of them.
        about: how it was made and measured.
    """

    dims: dict[Modality, _Size]
    phrase: _Size
    events: _Size
    scale: _Positive
    temperature: _Positive
    thresholds: Thresholds
    vocabulary: str
    reading: Manner = Manner()
    about: dict[str, Any] = {}


def read_card(path: Path) -> Card:
    """The card in ``path``.

    Raises:
        ModelError: it cannot be read, or is not the card of a fusion network.
    """
    try:
        card = msgspec.json.decode(path.read_bytes(), type=Card)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); {_MENDING}") from error
    except msgspec.DecodeError as error:
        raise ModelError(f"{path}: not a card of a fusion network ({error}); {_MENDING}") from error
    if list(card.dims) != list(Modality):
        raise ModelError(f"{path}: dims must name {', '.join(Modality)}, in this order; {_MENDING}")
    return card


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Evidence of n modalities of some windows, only those that are there, in the order of their modality.

    Attributes:
        windows: intp [n], which window each is of.
        modalities: intp [n], which modality each is, ascending.
        features: by modality, float32 [n of it, events, dims]; zeros where there is none, and of text: words count
            by what they mean.
        phrases: float32 [n, events, phrase]: what each event's label or words mean.
        facts: float32 [n, events, 4], see `FACTS`; an event without trust is not looked at.
    """

    windows: Indices
    modalities: Indices
    features: tuple[Floats, ...]
    phrases: Floats
    facts: Floats

    @classmethod
    def zeros(cls, places: Sequence[tuple[int, int]] | Indices, card: Card, events: int | None = None) -> Inputs:
        """Room for ``places``, each a modality and a window, sorted; for ``events`` of each, or as many as can be."""
        events = card.events if events is None else events
        count = len(places)
        modalities, windows = np.asarray(places, np.intp).reshape(count, 2).T
        own = np.bincount(modalities, minlength=len(card.dims))
        sizes = zip(own, card.dims.values(), strict=True)
        return cls(
            windows,
            modalities,
            tuple(np.zeros((n, events, size), np.float32) for n, size in sizes),
            np.zeros((count, events, card.phrase), np.float32),
            np.zeros((count, events, FACTS), np.float32),
        )

    def features_of(self, place: int) -> Floats:
        """The features [events, dims] of the modality in ``place``; a view."""
        modality = self.modalities[place]
        own: Floats = self.features[modality][place - np.searchsorted(self.modalities, modality)]
        return own


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What n modalities say by themselves: as the network passes it on, and as it answers of each alone.

    Attributes:
        tokens: float32 [n, width].
        anchors: float32 [n, phrase].
        trusted: float32 [n], log trust.
        embedding: float32 [n, phrase], unit length: the place of each one's answer.
        none: float32 [n], the cosine that a concept has to exceed.
    """

    tokens: Floats
    anchors: Floats
    trusted: Floats
    embedding: Floats
    none: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What n groups of modalities say together.

    Attributes:
        posteriors: float64 [n, K + 1], calibrated; the last is "none of them".
        attention: float32 [n, members], in the order of each group; sums to 1.
    """

    posteriors: npt.NDArray[np.float64]
    attention: Floats


class Network:
    """The network, in two halves, with the concepts it answers in.

    Args:
        senses: the ``.onnx`` file of the half that hears each modality by itself.
        meeting: that of the half in which modalities look at each other.
        card: their card.
        concepts: float32 [K, 384], the concepts' sentence embeddings at unit length.
        threads: for one run.
        provider: what runs it.

    Raises:
        ModelError: the files are not the network that the card describes.
    """

    def __init__(
        self,
        senses: Path,
        meeting: Path,
        card: Card,
        concepts: Floats,
        *,
        threads: int = 1,
        provider: Provider = Provider.CPU,
    ) -> None:
        self.card = card
        self._senses = _half(
            Net(senses, threads=threads, provider=provider),
            senses,
            [*map(str, Modality), "phrases", "facts", "which"],
        )
        self._meeting = _half(
            Net(meeting, threads=threads, provider=provider, sizes=GROUPS), meeting, ["tokens", "anchors", "trusted"]
        )
        self._concepts = np.ascontiguousarray(concepts.T, np.float32)
        try:
            self.meet(self.hear(Inputs.zeros([(m, 0) for m in range(len(card.dims))], card)), [[0, 1], [2]])
        except Exception as error:  # ONNX Runtime's own errors share no narrower base
            raise ModelError(f"{meeting}: not the network its card describes; {_MENDING}") from error

    def answering(self, concepts: Floats) -> Network:
        """The same network, answering in other concepts [K, 384]."""
        other = copy.copy(self)
        other._concepts = np.ascontiguousarray(concepts.T, np.float32)  # noqa: SLF001 - one of us
        return other

    @property
    def concepts(self) -> Floats:
        """float32 [K, 384], the concepts that it answers in."""
        return self._concepts.T

    def prepare(self) -> None:
        """Get everything ready that would otherwise be made when it is first needed."""
        self._senses.prepare()
        self._meeting.prepare()

    def hear(self, inputs: Inputs) -> Told:
        """What each modality says by itself."""
        which = inputs.modalities.astype(np.int64)
        arrays: list[npt.NDArray[Any]] = [*inputs.features, inputs.phrases, inputs.facts, which]
        return Told(*self._senses.run(dict(zip(self._senses.inputs, arrays, strict=True))))

    def alone(self, told: Told) -> Outputs:
        """What each modality says with nobody beside it: n groups of one."""
        return Outputs(self._posteriors(told.embedding, told.none), np.ones((len(told.none), 1), np.float32))

    def meet(self, told: Told, groups: Sequence[Sequence[int]]) -> Outputs:
        """What each of ``groups`` says together: places in ``told``, at least one; no group depends on another."""
        longest = max(map(len, groups))
        places = np.zeros((len(groups), longest), np.intp)
        missing = np.ones(places.shape, bool)
        for row, group in enumerate(groups):
            places[row, : len(group)] = group
            missing[row, : len(group)] = False
        trusted = np.where(missing, np.float32(_MASKED), told.trusted[places])
        embedding, attention, none = self._meet(told.tokens[places], told.anchors[places], trusted)
        return Outputs(self._posteriors(embedding, none), attention)

    def meet_alike(self, told: Told, groups: Sequence[Indices]) -> tuple[npt.NDArray[np.float64], list[Floats]]:
        """`meet`, for each of ``groups``: intp [n, members], all members there; in as few runs as pay.

        Returns:
            their posteriors, [all n, K + 1]; and of each of ``groups`` the attention [n, members]; see `Outputs`.
        """
        met: list[list[Floats]] = [[]] * len(groups)
        for width, numbers in in_runs([group.shape for group in groups]):
            places = np.concatenate([_widened(groups[number], width) for number in numbers])
            trusted = told.trusted[places]
            if any(groups[number].shape[1] < width for number in numbers):
                trusted[places < 0] = _MASKED
            answers = self._meet(told.tokens[places], told.anchors[places], trusted)
            begin = 0
            for number in numbers:
                count, own = groups[number].shape
                embedding, attention, none = (answer[begin : begin + count] for answer in answers)
                met[number] = [embedding, attention[:, :own], none]
                begin += count
        embeddings, attentions, nones = zip(*met, strict=True)
        return self._posteriors(np.concatenate(embeddings), np.concatenate(nones)), list(attentions)

    def _meet(self, tokens: Floats, anchors: Floats, trusted: Floats) -> list[Floats]:
        """Embedding, attention and none of n groups; [n, members, ...] each of what is `Told`."""
        return self._meeting.run({"tokens": tokens, "anchors": anchors, "trusted": trusted})

    def _posteriors(self, embedding: Floats, none: Floats) -> npt.NDArray[np.float64]:
        cosines = np.concatenate([embedding @ self._concepts, none[:, None]], axis=1, dtype=np.float64)
        return softmax(cosines * (self.card.scale / self.card.temperature))


def in_runs(shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, list[int]]]:
    """Which arrays of groups meet in one run, by the ``shapes`` [n, members] of all; and how wide each run is.

    Narrow groups are widened to meet with the next wider ones as long as that costs less than a run of their own.
    """
    runs: list[tuple[int, list[int]]] = []
    for width in sorted({own for _, own in shapes}, reverse=True):
        alike = [number for number, (_, own) in enumerate(shapes) if own == width]
        wider = runs[-1][0] if runs else width
        if runs and sum(shapes[number][0] for number in alike) * (wider - width) <= _PADDED:
            runs[-1][1].extend(alike)
        else:
            runs.append((width, alike))
    return runs


def _widened(group: Indices, width: int) -> Indices:
    """``group`` [n, members] with -1 for who is not there."""
    count, own = group.shape
    if own == width:
        return group
    return np.concatenate([group, np.full((count, width - own), -1)], axis=1)


def _half(net: Net, path: Path, expected: list[str]) -> Net:
    if net.inputs != expected:
        raise ModelError(f"{path}: takes {net.inputs}, where {expected} are needed; {_MENDING}")
    return net


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """exp(l) / sum over the last axis, in float64."""
    raised = logits - logits.max(axis=-1, keepdims=True)
    np.exp(raised, out=raised)
    raised /= raised.sum(axis=-1, keepdims=True)
    return np.asarray(raised)
