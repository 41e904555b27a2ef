"""Landmarks of real hands from other people's collections, with what their authors say they show.

A folder has one ``.npz`` file a collection: ``x`` as `sensorium see` takes it and ``label`` [n], each one of the
classifier's labels, ``none`` for a hand that shows nothing it knows, or anything else, which is left out. None is
shipped: `models/cards/gesture_classifier.md` says whose were measured.
"""

from __future__ import annotations

from collections.abc import Iterator
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
