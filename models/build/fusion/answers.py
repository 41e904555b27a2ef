"""What a trained model says of a dataset, and an exported model that says it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from models.build.figures import softmax
from models.build.fusion.dataset import Dataset, DatasetError, Doubles, Floats

from sensorium.errors import SensoriumError

OUTPUTS: Final = ("log_pool", "alone", "reliability", "weights", "paired", "features", "embedding")
_BATCH: Final = 64


class ModelError(SensoriumError):
    """A folder does not hold a model, or not one for this dataset."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Of n clips, K classes, M modalities; float32.

    Attributes:
        log_pool: [n, K], mean over the members of their log probabilities, before the temperature.
        alone: [n, M, K], log probabilities of each modality by itself, pooled likewise.
        reliability: [n, M], how likely each modality alone is right; 0 where it is absent.
        weights: [n, M], where the answer looked.
        paired: [n], probability that all modalities saw the same thing.
        features: [n, 1 + M, F], where prototypes live: of the joint answer, then of each sense by itself.
        embedding: [n, P], unit length, in the space of the sentences.
    """

    log_pool: Floats
    alone: Floats
    reliability: Floats
    weights: Floats
    paired: Floats
    features: Floats
    embedding: Floats

    def probabilities(self, temperature: float) -> Doubles:
        """[n, K], calibrated."""
        return softmax(self.log_pool.astype(np.float64) / temperature)

    def disagreement_bits(self) -> Doubles:
        """[n], Jensen-Shannon divergence of the modalities' own answers, weighed by reliability (Lin 1991)."""
        own = softmax(self.alone.astype(np.float64))
        weights = self.reliability.astype(np.float64)
        weights = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
        mixed = np.einsum("nm,nmk->nk", weights, own)
        return np.asarray(_bits(mixed) - (weights * _bits(own)).sum(axis=1), np.float64)

    def conflict(self) -> Doubles:
        """[n], how badly the sense that fits worst goes with what the others say together; 0 where there are no two.

        -log of the cosine between a sense's own answer and the normalised product of the others' (as if they were
        independent given the class), the largest over the senses. Unlike a divergence it does not grow when senses are
        unsure, only when they are sure of different things.
        """
        own = softmax(self.alone.astype(np.float64))
        there = self.reliability > 0
        told = np.log(own + 1e-6) * there[..., None]
        rest = softmax(told.sum(axis=1, keepdims=True) - told)
        lengths = np.sqrt((own**2).sum(axis=-1) * (rest**2).sum(axis=-1))
        apart = -np.log((own * rest).sum(axis=-1) / lengths + 1e-4)
        many = there.sum(axis=1, keepdims=True) > 1
        return np.asarray(np.where(there & many, apart, 0.0).max(axis=1), np.float64)

    def take(self, chosen: Any) -> Answers:
        """Those of some clips."""
        return Answers(*(getattr(self, f.name)[chosen] for f in fields(self)))


Run = Callable[[Dataset], Answers]


def _bits(p: Doubles) -> Doubles:
    return np.asarray(-(p * np.log2(np.maximum(p, 1e-12))).sum(axis=-1))


def joined(parts: Sequence[Answers]) -> Answers:
    """Answers to several datasets, one after the other."""
    return Answers(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Answers)))


def pooled(members: Sequence[Answers]) -> Answers:
    """What several networks say together: the geometric mean of their probabilities (Genest and Zidek 1986)."""
    mean = {f.name: np.mean([getattr(m, f.name) for m in members], axis=0) for f in fields(Answers)}
    features = np.concatenate([m.features for m in members], axis=2)
    length = np.linalg.norm(mean["embedding"], axis=1, keepdims=True)
    return replace(Answers(**mean), features=features, embedding=mean["embedding"] / np.maximum(length, 1e-12))


# --- exported models -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """An exported model: a folder with model.onnx and model.json.

    Attributes:
        card: what model.json says.
        session: of ONNX Runtime.
    """

    card: Mapping[str, Any]
    session: Any
    folder: Path

    @classmethod
    def load(cls, folder: Path) -> Exported:
        """The model in ``folder``.

        Raises:
            ModelError: there is none, or it cannot be read.
        """
        import onnxruntime as ort

        try:
            card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            session = ort.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        except FileNotFoundError as error:
            raise ModelError(f"{folder}: has no model.json; make one: python -m models.build.fusion train") from error
        except Exception as error:  # ONNX Runtime's own errors share no narrower base
            raise ModelError(f"{folder}: not a model ({str(error).splitlines()[0]}); train it again") from error
        return cls(card, session, folder)

    @property
    def names(self) -> tuple[str, ...]:
        """The classes it knows."""
        return tuple(self.card["names"])

    def run(self, dataset: Dataset) -> Answers:
        """Its answers; modalities it does not know are not looked at, those a dataset lacks are absent.

        Raises:
            DatasetError: the dataset has none of its modalities, or another width.
        """
        arrays = inputs(dataset, self.card["modalities"])
        starts = range(0, len(dataset), _BATCH)
        batches = [{name: x[s : s + _BATCH] for name, x in arrays.items()} for s in starts]
        told = [self.session.run(list(OUTPUTS), batch) for batch in batches]
        return joined([Answers(*parts) for parts in told])


def inputs(dataset: Dataset, widths: Mapping[str, int]) -> dict[str, Any]:
    """A dataset as an exported model takes it: x_<name>, len_<name> by modality, and present [n, M].

    Raises:
        DatasetError: it has none of the modalities in ``widths``, or one of another width.
    """
    if not set(widths) & set(dataset.senses):
        raise DatasetError(f"{dataset.source}: has {', '.join(dataset.senses)}, the model takes {', '.join(widths)}")
    arrays: dict[str, Any] = {}
    for name, width in widths.items():
        sense = dataset.senses.get(name)
        if sense is not None and sense.x.shape[2] != width:
            have = sense.x.shape[2]
            raise DatasetError(f"{dataset.source}: x_{name} has {have} numbers a step; the model takes {width}")
        arrays[f"x_{name}"] = np.zeros((len(dataset), 2, width), np.float32) if sense is None else sense.x
        arrays[f"len_{name}"] = np.ones(len(dataset), np.int64) if sense is None else sense.steps
    absent = np.zeros(len(dataset), bool)
    senses = [dataset.senses.get(name) for name in widths]
    arrays["present"] = np.stack([absent if s is None else s.present for s in senses], axis=1)
    return arrays
