"""Sample photos, spoilt more and more: is the picture's vector still nearest to its own scene, and how good was it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from hand_photos import Photo
from reliability_hands import Picture, Rng, Spoil
from reliability_looks import Look

from sensorium_agent.infer.video import measures
from sensorium_models import store

_SIDE: Final = 224
_BATCH: Final = 16


def looks(photos: Sequence[Photo], spoils: Sequence[Spoil], rng: Rng, *, each: int) -> Iterator[Look]:
    """``each`` looks at a part of every photo in each way it is spoilt: right if no other photo is nearer."""
    net = ort.InferenceSession(str(store.path("frame_embedding")), providers=["CPUExecutionProvider"])
    scenes = _vectors(net, [_small(photo.pixels) for photo in photos])
    for place, photo in enumerate(photos):
        shown = [_small(spoil(_part(photo.pixels, rng), rng)) for spoil in (_as_it_is, *spoils) for _ in range(each)]
        for picture, likeness in zip(shown, _vectors(net, shown) @ scenes.T, strict=True):
            grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
            told = measures(grey)
            yield Look(
                told, told["sharpness"] * _exposure(255 * told["light"]), int(likeness.argmax()) == place, photo.name
            )


def _as_it_is(picture: Picture, _: Rng) -> Picture:
    return picture


def _exposure(mean: float) -> float:
    """By the formula: 1 for a mean level of 40 to 215, falling to 0 at black and at white."""
    return min(max(min(mean / 40.0, (255.0 - mean) / 40.0), 0.0), 1.0)


def _part(picture: Picture, rng: Rng) -> Picture:
    """From nine tenths on of each side, at any place."""
    height, width = (round(side * rng.uniform(0.9, 1.0)) for side in picture.shape[:2])
    top, left = rng.integers(picture.shape[0] - height + 1), rng.integers(picture.shape[1] - width + 1)
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def _small(picture: Picture) -> Picture:
    return np.asarray(cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _vectors(net: ort.InferenceSession, pictures: Sequence[Picture]) -> npt.NDArray[np.float32]:
    """Unit vectors [n, 1280]."""
    pixels = (np.stack(pictures).astype(np.float32) / 255).transpose(0, 3, 1, 2)
    rows = np.concatenate([net.run(None, {"pixels": pixels[k : k + _BATCH]})[0] for k in range(0, len(pixels), _BATCH)])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
