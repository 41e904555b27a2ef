"""How far pictures of hands may be spoilt before the hand is not found, or one is seen where there is none.

    python models/build/hand_degraded.py [--photos FOLDER] [--most 60]

Each photo is spoilt in one way at a time and looked at as a first picture, by the models of this machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import cv2
import hand_photos
import numpy as np
import numpy.typing as npt
from gesture_scores import interval
from hand_photos import Photo

from sensorium_agent.infer.gesture.landmark import LandmarkModel
from sensorium_agent.infer.gesture.palm import PalmDetector
from sensorium_agent.infer.gesture.region import Region
from sensorium_agent.infer.gesture.track import HandTracker
from sensorium_agent.infer.runtime.model import load
from sensorium_models import store

Picture = npt.NDArray[np.uint8]
Spoil = Callable[[Picture, Region, np.random.Generator], Picture]


def _bytes(values: npt.NDArray[np.floating]) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _dark(light: float, noise: float) -> Spoil:
    """As a camera shows a dim room: little light, and the noise of a high gain."""
    return lambda picture, _, rng: _bytes(picture * light + rng.normal(0, noise, picture.shape))


def _noisy(level: float) -> Spoil:
    return lambda picture, _, rng: _bytes(picture + rng.normal(0, level, picture.shape))


def _blurred(part: float) -> Spoil:
    """By a part of the hand's size, as by movement."""

    def spoil(picture: Picture, hand: Region, _: np.random.Generator) -> Picture:
        length = max(3, round(part * hand.side) | 1)
        return np.asarray(cv2.filter2D(picture, -1, np.full((1, length), 1 / length, np.float32)), np.uint8)

    return spoil


def _small(pixels: float) -> Spoil:
    """The picture shrunk until the hand is so large."""

    def spoil(picture: Picture, hand: Region, _: np.random.Generator) -> Picture:
        scale = min(1.0, pixels / (hand.side / 2))
        size = (max(32, round(picture.shape[1] * scale)), max(32, round(picture.shape[0] * scale)))
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)

    return spoil


def _cut_off(part: float) -> Spoil:
    """The picture's edge through the hand: so much of it is out of sight, at the left."""

    def spoil(picture: Picture, hand: Region, _: np.random.Generator) -> Picture:
        edge = round(hand.center_x + hand.side / 2 * (part - 0.5))
        return np.ascontiguousarray(picture[:, int(np.clip(edge, 0, picture.shape[1] - 32)) :])

    return spoil


def _covered(part: float) -> Spoil:
    """A grey bar over so much of the hand, across its middle."""

    def spoil(picture: Picture, hand: Region, _: np.random.Generator) -> Picture:
        spoilt, half = picture.copy(), hand.side / 4 * part
        top, bottom = (max(0, round(hand.center_y + side * half)) for side in (-1, 1))
        left, right = (max(0, round(hand.center_x + side * hand.side / 3)) for side in (-1, 1))
        spoilt[top:bottom, left:right] = 128
        return spoilt

    return spoil


def _turned(quarters: int) -> Spoil:
    return lambda picture, _, __: np.ascontiguousarray(np.rot90(picture, quarters))


def _compressed(quality: int) -> Spoil:
    def spoil(picture: Picture, _: Region, __: np.random.Generator) -> Picture:
        _, jpeg = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.ascontiguousarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[:, :, ::-1])

    return spoil


SPOILS: Final[Mapping[str, Spoil]] = {
    "as it is": lambda picture, _, __: picture,
    "mirrored": lambda picture, _, __: np.ascontiguousarray(picture[:, ::-1]),
    "a quarter of the light, noise 4": _dark(0.25, 4),
    "a tenth of the light, noise 4": _dark(0.1, 4),
    "noise 20": _noisy(20),
    "noise 40": _noisy(40),
    "blurred by 4 % of the hand": _blurred(0.02),
    "blurred by 12 % of the hand": _blurred(0.06),
    "a hand of 80 pixels": _small(80),
    "a hand of 40 pixels": _small(40),
    "a hand of 25 pixels": _small(25),
    "a quarter of the hand out of sight": _cut_off(0.25),
    "half of the hand out of sight": _cut_off(0.5),
    "a quarter of the hand covered": _covered(0.25),
    "half of the hand covered": _covered(0.5),
    "on its side": _turned(1),
    "upside down": _turned(2),
    "JPEG of quality 10": _compressed(10),
}


class Looker:
    """Looks at single pictures."""

    def __init__(self) -> None:
        self._palms = PalmDetector(load(store.path("palm_detection")))
        self._landmarks = LandmarkModel(load(store.path("hand_landmark")))

    def hand(self, picture: Picture) -> Region | None:
        """The crop of the first hand found."""
        tracks = HandTracker(self._palms, self._landmarks, most=1).follow(picture, 0)
        return tracks[0].crop if tracks else None


def measure(hands: Sequence[tuple[Photo, Region]], empty: Sequence[Photo], looker: Looker) -> None:
    """Print, for each way to spoil, in how many photos the hand is still found, and seen where there is none."""
    for name, spoil in SPOILS.items():
        rng = np.random.default_rng(0)
        found = sum(looker.hand(spoil(photo.pixels, hand, rng)) is not None for photo, hand in hands)
        line = f"{name:36} hand found {interval(found, len(hands))}"
        if empty:
            seen = [looker.hand(spoil(photo.pixels, Region.around(photo.pixels), rng)) is not None for photo in empty]
            line += f"   seen where there is none {interval(sum(seen), len(seen))}"
        print(line, flush=True)


def main() -> None:
    """Print a line for each way to spoil a picture."""
    parser = argparse.ArgumentParser(description="Measure how far pictures of hands may be spoilt.")
    parser.add_argument("--photos", type=Path, help="a folder of more photos, see hand_photos.py")
    parser.add_argument("--most", type=int, default=60, help="photos with and without a hand (default: 60)")
    options = parser.parse_args()
    photos = [*hand_photos.samples(), *(hand_photos.folder(options.photos) if options.photos else ())]
    looker = Looker()
    crops = [(photo, looker.hand(photo.pixels)) for photo in photos if photo.has_hand]
    hands = [(photo, crop) for photo, crop in crops if crop is not None]
    print(f"{len(hands)} of {len(crops)} photos with a hand are clear enough to begin with")
    empty = [photo for photo in photos if not photo.has_hand]
    measure(hands[:: max(1, len(hands) // options.most)], empty[:: max(1, len(empty) // options.most)], looker)


if __name__ == "__main__":
    main()
