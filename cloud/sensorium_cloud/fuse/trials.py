"""What each net is tried on before its runtime is chosen: batches as the service has them, made from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.event import Modality
from sensorium_cloud.encode.encoders import FrameEncoder, SentenceEncoder
from sensorium_cloud.fuse.network import GROUPS, Inputs, Network
from sensorium_cloud.runtime.choice import Floats, Task

_WINDOWS: Final = 32
_MODALITIES: Final = (1, 3, 4)
"""Sound, a gesture and a touch: as many as most windows have."""
_SENTENCES: Final = ("stop", "turn the light off, please", "would you mind to open the door of the garage for me?")
_SIDE: Final = 224


def largest_difference(answers: Floats, expected: Floats) -> float:
    """Of any two numbers in the same place."""
    return float(np.abs(answers - expected).max())


def largest_angle(answers: Floats, expected: Floats) -> float:
    """1 - the least cosine of any two rows [n, d]."""
    lengths = np.linalg.norm(answers, axis=1) * np.linalg.norm(expected, axis=1)
    return float(1.0 - ((answers * expected).sum(axis=1) / lengths).min())


def _asked(network: Network) -> Callable[[], object]:
    """All that is asked about a batch of windows: what each sense says alone, all together, and without each."""
    inputs = _evidence(network, _MODALITIES)
    members = np.arange(len(inputs.windows)).reshape(len(_MODALITIES), -1).T
    without = np.concatenate([np.delete(members, place, axis=1) for place in range(len(_MODALITIES))])

    def asked() -> object:
        told = network.hear(inputs)
        return network.alone(told), network.meet_alike(told, [members, without])

    return asked


def _answered(network: Network) -> Floats:
    """Posteriors [n, K + 1] of groups of one to six senses, one to 32 groups together."""
    told = network.hear(_evidence(network, range(len(Modality))))
    members = np.arange(len(told.tokens)).reshape(len(Modality), -1).T
    groups = [members[:count, :senses] for count, senses in GROUPS.each]
    return np.concatenate([network.meet_alike(told, [group])[0] for group in groups])


def _evidence(network: Network, modalities: Sequence[int]) -> Inputs:
    """One event of each sense in each window, with a label that is as sure as most."""
    rng = np.random.default_rng(0)
    inputs = Inputs.zeros([(m, w) for m in modalities for w in range(_WINDOWS)], network.card, events=1)
    for features in inputs.features:
        features[:] = rng.normal(size=features.shape)
    concepts = network.concepts[rng.integers(len(network.concepts), size=len(inputs.phrases))]
    inputs.phrases[:] = concepts[:, None]
    inputs.facts[..., :2] = 1.0  # features and a phrase are given
    inputs.facts[..., 2:] = rng.uniform(0.5, 1.0, (*inputs.facts.shape[:2], 2))  # score and trust
    return inputs


def _reading(encoder: SentenceEncoder) -> Callable[[], object]:
    return lambda: [encoder.vectors([sentence]) for sentence in _SENTENCES]


def _read(encoder: SentenceEncoder) -> Floats:
    """Vectors [n, 384] of sentences of any length, by themselves and several together."""
    said = [" ".join(_SENTENCES[:1] * count + _SENTENCES[2:]) for count in (*range(20), 60, 110)]
    return np.concatenate([encoder.vectors(said), *(encoder.vectors([own]) for own in said)])


def _looking(encoder: FrameEncoder) -> Callable[[], object]:
    picture = _picture()
    return lambda: encoder.vector(picture)


def _seen(encoder: FrameEncoder) -> Floats:
    return encoder.vector(_picture())[None]


def _picture() -> npt.NDArray[np.uint8]:
    """Soft light and a round thing before it, in colour."""
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    light = 0.5 + 0.3 * np.sin(2 * x)[..., None] * np.cos(np.arange(3)) + 0.2 * y[..., None]
    shade: npt.NDArray[Any] = np.where((x**2 + y**2 < 0.3)[..., None], [0.8, 0.3, 0.2], light)
    return np.asarray(255 * shade, np.uint8)


FUSION: Final = Task("fusion", _asked, _answered, largest_difference, tolerance=0.05)
"""Tolerance in probability: bfloat16, which keeps eight bits of a number, makes hundredths; what is wrong, tenths."""
SENTENCES: Final = Task("sentences", _reading, _read, largest_angle, tolerance=1e-3)
FRAMES: Final = Task("frames", _looking, _seen, largest_angle, tolerance=1e-2)
"""Tolerances in 1 - cosine."""
