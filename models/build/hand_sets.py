"""Landmarks of real hands from other people's collections, with what their authors say they show.

    python models/build/hand_sets.py KEYPOINTS.csv OUT.npz --labels open_palm,fist,point,ok
    python models/build/hand_sets.py PHOTOS OUT.npz

A folder has one ``.npz`` file a collection: ``x`` as `sensorium see` takes it and ``label`` [n], each one of the
classifier's labels, ``none`` for a hand that shows nothing it knows, or anything else, which is left out. None is
shipped or trained on: `models/cards/gesture_classifier.md` says whose were measured. The commands make such a file:
from rows of the number of a label and 21 x (x, y), or from photos as `hand_photos` describes them, by the models of
this machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sensorium_agent.capture.landmarks import read_landmarks


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """Real hands: ``joints`` [n, 21, 3] and ``truth`` [n], labels or ``none``."""

    name: str
    joints: npt.NDArray[np.float32]
    truth: npt.NDArray[np.str_]


def collections(root: Path, labels: tuple[str, ...]) -> Iterator[Collection]:
    """The collections of a folder, in order of name, without what has none of ``labels``."""
    for path in sorted(root.glob("*.npz")):
        joints = read_landmarks(path).joints
        with np.load(path, allow_pickle=False) as arrays:
            truth = arrays["label"].astype(str)
        known = np.isin(truth, labels)
        yield Collection(path.stem, joints[known], truth[known])


# --- making a collection ---------------------------------------------------------------


def from_keypoints(path: Path, labels: Sequence[str]) -> Collection:
    """Rows of a label's number and 42 coordinates; what has no name, or is no such row, is left out."""
    rows = [line.split(",") for line in path.read_text(encoding="utf-8-sig").splitlines()]
    known = [row for row in rows if len(row) == 43 and row[0].isdecimal() and int(row[0]) < len(labels)]
    joints = np.array([row[1:] for row in known], np.float32).reshape(-1, 21, 2)
    return Collection(path.stem, joints, np.array([labels[int(row[0])] for row in known]))


def from_photos(root: Path) -> Collection:
    """The surest hand of each photo, in pixels."""
    import hand_photos

    from sensorium_agent.infer.gesture.landmark import LandmarkModel
    from sensorium_agent.infer.gesture.palm import PalmDetector
    from sensorium_agent.infer.gesture.track import HandTracker
    from sensorium_agent.infer.runtime.model import load
    from sensorium_models import store

    palms = PalmDetector(load(store.path("palm_detection")))
    landmarks = LandmarkModel(load(store.path("hand_landmark")))
    seen = [
        (track.hand.joints, photo.truth)
        for photo in hand_photos.folder(root)
        for track in HandTracker(palms, landmarks, most=1).follow(photo.pixels, 0)
    ]
    return Collection(root.name, np.stack([joints for joints, _ in seen]), np.array([truth for _, truth in seen]))


def main() -> None:
    """Write a collection."""
    parser = argparse.ArgumentParser(description="Make a collection of real hands' landmarks.")
    parser.add_argument("source", type=Path, help="a .csv of keypoints, or a folder of photos")
    parser.add_argument("out", type=Path, metavar="OUT.npz")
    parser.add_argument("--labels", default="", help="of a .csv: what the numbers 0, 1, ... mean, with commas")
    options = parser.parse_args()
    labels = options.labels.split(",")
    made = from_photos(options.source) if options.source.is_dir() else from_keypoints(options.source, labels)
    np.savez_compressed(options.out, x=made.joints, label=made.truth)
    print(f"{options.out}: {len(made.truth)} hands")


if __name__ == "__main__":
    main()
