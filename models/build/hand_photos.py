"""Photos of hands and of none, with what they show: the sample photos, and a folder of one's own.

The folder has a folder for each label of the classifier that it shows (``fist``, ``open_palm``, ...), one ``none`` for
hands that show nothing we know, one ``any_hand`` for hands about which people may disagree, and one ``no_hand``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sensorium_models import media

NO_HAND: Final = "no_hand"
ANY_HAND: Final = "any_hand"
_SAMPLES: Final = {
    "handSrc.jpg": "open_palm",
    "handDst.jpg": "open_palm",
    "Histogram_Comparison_Source_0.jpg": "open_palm",
    "right04.jpg": "none",
}


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A picture (RGB) and what it shows."""

    name: str
    pixels: npt.NDArray[np.uint8]
    truth: str

    @property
    def has_hand(self) -> bool:
        """Whether there is a hand to find."""
        return self.truth != NO_HAND


def samples() -> list[Photo]:
    """The sample photos of `sensorium_models.media`: four with hands, the others without."""
    names = [name for name in media.names() if name.startswith("opencv-doc/") and name.endswith(".jpg")]
    return [_read(media.path(name), _SAMPLES.get(Path(name).name, NO_HAND)) for name in names if "Source_1" not in name]


def folder(root: Path) -> list[Photo]:
    """The photos of a folder of one's own."""
    return [_read(path, path.parent.name) for path in sorted(root.glob("*/*"))]


def varied(cut: npt.NDArray[np.uint8], rng: np.random.Generator, count: int) -> Iterator[npt.NDArray[np.uint8]]:
    """``count`` variants of a crop: mirrored, brighter or darker, with more or less contrast."""
    for number in range(count):
        picture = cut[:, ::-1] if number % 2 else cut
        curve = (np.arange(256) / 255) ** rng.uniform(0.5, 1.8) * rng.uniform(0.7, 1.3)
        yield np.clip(255 * curve, 0, 255).astype(np.uint8)[picture]


def _read(path: Path, truth: str) -> Photo:
    picture = cv2.imread(str(path))
    assert picture is not None, path
    return Photo(path.name, np.ascontiguousarray(picture[:, :, ::-1]), truth)
