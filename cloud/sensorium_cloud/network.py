"""The cross-modal attention network: a window's evidence as arrays, and the network's answers.

The network is trained and written by ``models/build/fusion.py``; its card, a JSON file beside it, says
which sizes it takes and how its answers are calibrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from sensorium.assemble import Thresholds
from sensorium.event import Modality
from sensorium_cloud.runtime import ModelError, Net

Floats = npt.NDArray[np.float32]

FACTS: Final = 4
"""Of an event: features given (0 or 1), phrase given (0 or 1), score, trust (reliability x decay)."""
_MENDING: Final = "run: sensorium-cloud models verify"
_TRUST: Final = 3

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
        about: how it was made and measured.
    """

    dims: dict[Modality, _Size]
    phrase: _Size
    events: _Size
    scale: _Positive
    temperature: _Positive
    thresholds: Thresholds
    vocabulary: str
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
    """Evidence of n windows; zeros where there is none.

    Attributes:
        features: by modality, float32 [n, events, dims].
        phrases: float32 [n, 6, events, 384]: what each event's label or words mean.
        facts: float32 [n, 6, events, 4], see `FACTS`; an event without trust is not looked at.
    """

    features: tuple[Floats, ...]
    phrases: Floats
    facts: Floats

    @classmethod
    def zeros(cls, windows: int, card: Card) -> Inputs:
        """Room for ``windows`` windows."""
        shape = (windows, len(Modality), card.events)
        return cls(
            tuple(np.zeros((windows, card.events, size), np.float32) for size in card.dims.values()),
            np.zeros((*shape, card.phrase), np.float32),
            np.zeros((*shape, FACTS), np.float32),
        )

    @property
    def trust(self) -> Floats:
        """How far each modality can be trusted, [n, 6]: its best event's; 0 is absent."""
        return np.asarray(self.facts[..., _TRUST].max(axis=-1), np.float32)

    def masked(self, rows: Sequence[int], kept: npt.NDArray[np.bool_]) -> Inputs:
        """Copies of ``rows``, each with only those modalities that ``kept`` [rows, 6] keeps."""
        index = np.asarray(rows, np.intp)
        keep = kept.astype(np.float32)
        return Inputs(
            tuple(x[index] * keep[:, m, None, None] for m, x in enumerate(self.features)),
            self.phrases[index] * keep[:, :, None, None],
            self.facts[index] * keep[:, :, None, None],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """The network's answers for n windows.

    Attributes:
        posteriors: float64 [n, K + 1], calibrated; the last is "none of them".
        attention: float32 [n, 6], sums to 1.
    """

    posteriors: npt.NDArray[np.float64]
    attention: Floats


class Network:
    """The network with the concepts it answers in.

    Args:
        path: the ``.onnx`` file.
        card: its card.
        concepts: float32 [K, 384], the concepts' sentence embeddings at unit length.
        threads: for one run.

    Raises:
        ModelError: the file is not the network that the card describes.
    """

    def __init__(self, path: Path, card: Card, concepts: Floats, *, threads: int = 1) -> None:
        self.card = card
        self._net = Net(path, threads=threads)
        self._concepts = concepts.astype(np.float64)
        expected = [*map(str, Modality), "phrases", "facts"]
        if self._net.inputs != expected:
            raise ModelError(f"{path}: takes {self._net.inputs}, where {expected} are needed; {_MENDING}")
        try:
            self.run(Inputs.zeros(2, card))
        except Exception as error:  # ONNX Runtime's own errors share no narrower base
            raise ModelError(f"{path}: not the network its card describes; {_MENDING}") from error

    def run(self, inputs: Inputs) -> Outputs:
        """The answers, row by row; no row depends on another."""
        arrays = [*inputs.features, inputs.phrases, inputs.facts]
        embedding, attention, none = self._net.run(dict(zip(self._net.inputs, arrays, strict=True)))
        cosines = np.concatenate([embedding @ self._concepts.T, none[:, None]], axis=1)
        return Outputs(softmax(cosines * (self.card.scale / self.card.temperature)), attention)


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """exp(l) / sum over the last axis, in float64."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float64)
