"""Hands in photos, spoilt more and more: was the gesture named right, and how good was the picture?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt
from hand_photos import ANY_HAND, NO_HAND, Photo
from reliability_looks import Look

from sensorium.event import EventStream, Frame, Modality, Sample
from sensorium_agent.infer.gesture.perceive import GesturePerceiver
from sensorium_agent.infer.runtime.model import load
from sensorium_models import store

Picture = npt.NDArray[np.uint8]
Rng = np.random.Generator
Spoil = Callable[[Picture, Rng], Picture]


def _bytes(values: npt.NDArray[np.floating]) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def dark(picture: Picture, rng: Rng) -> Picture:
    """Little light, and the noise of a high gain."""
    return _bytes(picture * math.exp(rng.uniform(-4.5, -0.7)) + rng.normal(0, rng.uniform(1, 6), picture.shape))


def noisy(picture: Picture, rng: Rng) -> Picture:
    """White noise."""
    return _bytes(picture + rng.normal(0, rng.uniform(5, 90), picture.shape))


def unsteady(picture: Picture, rng: Rng) -> Picture:
    """Moved by up to a quarter of the picture, in any direction."""
    length = max(3, round(math.exp(rng.uniform(-4.0, -1.4)) * min(picture.shape[:2])) | 1)
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1.0
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), rng.uniform(0, 180), 1.0)
    turned = cv2.warpAffine(line, turn, (length, length))
    return np.asarray(cv2.filter2D(picture, -1, turned / max(float(turned.sum()), 1e-6)), np.uint8)


def unfocused(picture: Picture, rng: Rng) -> Picture:
    """Blurred evenly."""
    sigma = math.exp(rng.uniform(-5.0, -2.5)) * min(picture.shape[:2])
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(sigma, 0.4)), np.uint8)


def glaring(picture: Picture, rng: Rng) -> Picture:
    """Too much light: most is white."""
    return _bytes(picture * rng.uniform(1.5, 8.0) + rng.uniform(0, 100))


def blocky(picture: Picture, rng: Rng) -> Picture:
    """Shrunk and blown up again, as a poor video stream does."""
    height, width = picture.shape[:2]
    part = rng.uniform(0.08, 0.6)
    small = cv2.resize(
        picture, (max(8, round(width * part)), max(8, round(height * part))), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def foggy(picture: Picture, rng: Rng) -> Picture:
    """Behind dirty glass: grey over all, and a little blurred."""
    part = rng.uniform(0.03, 0.5)
    soft = cv2.GaussianBlur(picture, (0, 0), max(0.004 * min(picture.shape[:2]), 0.4))
    return _bytes(part * soft + (1 - part) * rng.uniform(60, 220) + rng.normal(0, 2, picture.shape))


PRACTICE: tuple[Spoil, ...] = (dark, noisy, unsteady, glaring)
EXAM: tuple[Spoil, ...] = (dark, unfocused, foggy, blocky)
"""Other ways, of other photos; darkness in both."""


def looks(photos: Sequence[Photo], spoils: Sequence[Spoil], rng: Rng, *, most: int) -> Iterator[Look]:
    """An answer for each of ``most`` photos in each way they are spoilt, where a hand is found at all.

    Photos that are not named right as they are say nothing of what a bad picture does, and are left out.
    """
    look = Looker()
    known = [photo for photo in photos if photo.truth not in (ANY_HAND, NO_HAND)]
    for number in rng.permutation(len(known))[:most].tolist():
        photo = known[number]
        unspoilt = look(photo.pixels, photo)
        if unspoilt is None or not unspoilt.right:
            continue
        yield unspoilt
        for spoil in spoils:
            if (found := look(spoil(photo.pixels, rng), photo)) is not None:
                yield found


class Looker:
    """Looks at single pictures as the device does."""

    def __init__(self) -> None:
        names = ("palm_detection", "hand_landmark", "gesture_classifier")
        self._palm, self._landmark, self._classifier = (load(store.path(name)) for name in names)

    def __call__(self, pixels: Picture, photo: Photo) -> Look | None:
        """What is said of ``pixels``, made of ``photo``; None where no hand is found."""
        perceiver = GesturePerceiver(
            EventStream("s", Modality.GESTURE), palm=self._palm, landmark=self._landmark, classifier=self._classifier
        )
        events = perceiver.perceive(Sample(Modality.VIDEO, "camera", 0, 0, Frame(pixels)))
        if not events:
            return None
        hand = perceiver.hands[0].hand
        formula = hand.presence * (0.5 + 0.5 * hand.sharpness())
        return Look(hand.measures(), formula, (events[-1].label or "none") == photo.truth, photo.name)
