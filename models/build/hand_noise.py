"""Measures how the landmark model scatters: the joints of one hand, seen again in crops moved, turned and scaled.

    python models/build/hand_noise.py [--photos FOLDER]

What changes between such looks is the model's error, not the hand. It prints for each joint the standard deviation of
x, y and z in units of the hand's extent, and how much the joints of one finger move together; `hand_view` scatters
generated hands in these proportions. What all looks get wrong alike cannot be seen so.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import hand_photos
import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.gesture.landmark import LandmarkModel
from sensorium_agent.infer.gesture.palm import PalmDetector
from sensorium_agent.infer.gesture.region import Picture, Region
from sensorium_agent.infer.gesture.track import HandTracker
from sensorium_agent.infer.runtime.model import load
from sensorium_models import store

_LOOKS: Final = 16
Floats = npt.NDArray[np.float64]


def scatter(photos: Sequence[hand_photos.Photo]) -> Floats:
    """Deviations [hands, looks, 21, 3] of the joints from their mean over the looks, in units of the hand's extent."""
    landmarks = LandmarkModel(load(store.path("hand_landmark")))
    palms = PalmDetector(load(store.path("palm_detection")))
    rng = np.random.default_rng(21)
    found = [
        np.stack(list(_looks(landmarks, photo.pixels, track.hand.next_crop(), rng)))
        for photo in photos
        for track in HandTracker(palms, landmarks).follow(photo.pixels, 0)
    ]
    joints = np.stack(found).astype(float)
    joints[..., 2] -= joints[..., 2].mean(axis=2, keepdims=True)
    middle = joints.mean(axis=1, keepdims=True)
    across = middle[..., :2] - middle[..., :2].mean(axis=2, keepdims=True)
    extent = np.sqrt((across**2).sum(axis=3).mean(axis=2))[..., np.newaxis, np.newaxis]
    return np.asarray((joints - middle) / extent)


def _looks(
    landmarks: LandmarkModel, picture: Picture, crop: Region, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.float32]]:
    for _ in range(_LOOKS):
        right, down = rng.uniform(-0.08, 0.08, 2)
        moved = crop.shifted(right, down, scale=rng.uniform(0.85, 1.2))
        turned = Region(moved.center_x, moved.center_y, moved.side, moved.angle_rad + rng.uniform(-0.35, 0.35))
        yield landmarks.look(picture, turned).joints


def together(deviations: Floats) -> float:
    """Correlation of neighbouring joints of a finger, mean over x, y and z."""
    one, other = deviations[:, :, 1:20], deviations[:, :, 2:21]
    inner = np.arange(1, 20) % 4 != 0
    both = (one * other)[:, :, inner].mean(axis=(0, 1, 2))
    alone = np.sqrt((one**2)[:, :, inner].mean(axis=(0, 1, 2)) * (other**2)[:, :, inner].mean(axis=(0, 1, 2)))
    return float((both / alone).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the scatter of the landmark model.")
    parser.add_argument("--photos", type=Path, help="a folder of more photos, see hand_photos.py")
    options = parser.parse_args()
    photos = [*hand_photos.samples(), *(hand_photos.folder(options.photos) if options.photos else ())]
    deviations = scatter([photo for photo in photos if photo.has_hand])
    size = np.sqrt((deviations**2).mean(axis=1))  # of each hand
    print(f"{len(deviations)} hands, {_LOOKS} looks each; median over the hands of the deviation of x, y, z:")
    for joint, values in enumerate(np.median(size, axis=0)):
        print(f"  {joint:2d}  " + " ".join(f"{value:.3f}" for value in values))
    overall = np.sqrt((size[..., :2] ** 2).mean(axis=(1, 2)))
    print("a hand's deviation in the picture, 5 %, 50 %, 95 %:", np.quantile(overall, [0.05, 0.5, 0.95]).round(3))
    print(f"neighbouring joints of a finger move together: correlation {together(deviations):.2f}")


if __name__ == "__main__":
    main()
