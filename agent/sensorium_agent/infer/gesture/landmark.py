"""The 21 joints of a hand in a square of a picture.

Joint order, crop and the box of the next crop as in F. Zhang et al., arXiv:2006.10214: 0 is the wrist, then four
joints a finger from the thumb's base to the little finger's tip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.gesture.region import Picture, Points, Region
from sensorium_agent.infer.runtime.model import Model

SIZE_PX: Final = 224
JOINTS: Final = 21
# The box of the next crop leaves the finger tips out: they move most, and the crop is twice the box.
_STEADY: Final = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
_SHARP: Final = 120.0  # variance of the Laplacian at which half the quality is given


@dataclass(frozen=True, slots=True, eq=False)
class Hand:
    """A hand in a picture.

    Attributes:
        joints: float32 [21, 3]: x right and y down in pixels of the picture, z away from the camera on the same
            scale, 0 at the wrist.
        presence: probability that a hand is in the crop.
        right: probability that it is a right hand, the picture not being mirrored.
        cut: the crop in which it was seen, [224, 224, 3].
    """

    joints: npt.NDArray[np.float32]
    presence: float
    right: float
    cut: Picture

    def box(self) -> Points:
        """Upper left and lower right corner [2, 2] of the joints."""
        xy = self.joints[:, :2]
        return np.stack([xy.min(axis=0), xy.max(axis=0)])

    def sharpness(self) -> float:
        """0 (blurred) to 1 by the variance of the Laplacian: J. Pech-Pacheco et al., ICPR 2000."""
        green = np.ascontiguousarray(self.cut[::2, ::2, 1])
        _, deviation = cv2.meanStdDev(cv2.Laplacian(green, cv2.CV_16S))
        variance = float(deviation[0, 0]) ** 2
        return variance / (variance + _SHARP)

    def measures(self) -> dict[str, float]:
        """What its answer's reliability is learnt from (`sensorium.reliability`)."""
        some = self.cut[::4, ::4, 1]
        light, contrast = float(some.mean()) / 255.0, float(some.std()) / 255.0
        return {"presence": self.presence, "sharpness": self.sharpness(), "light": light, "contrast": contrast}

    def next_crop(self) -> Region:
        """Where to look for this hand in the next picture."""
        points: list[list[float]] = self.joints.tolist()  # for so few, plain numbers are quicker than arrays
        wrist, index, middle, ring = (points[joint] for joint in (0, 5, 9, 13))
        dx, dy = ((index[axis] + 2 * middle[axis] + ring[axis]) / 4 - wrist[axis] for axis in (0, 1))
        angle = math.atan2(dx, -dy)
        cos, sin = math.cos(angle), math.sin(angle)
        steady = [points[joint] for joint in _STEADY]
        across = [p[0] * cos + p[1] * sin for p in steady]
        along = [p[1] * cos - p[0] * sin for p in steady]
        left, right, top, bottom = min(across), max(across), min(along), max(along)
        x, y = (left + right) / 2, (top + bottom) / 2
        box = Region(x * cos - y * sin, x * sin + y * cos, max(right - left, bottom - top), angle)
        return box.shifted(0.0, -0.1, scale=2.0)


class LandmarkModel:
    """Runs the landmark model on a crop."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def look(self, picture: Picture, crop: Region, *, quick: bool = False) -> Hand:
        """The hand in ``crop``, whether or not there is one: see its presence."""
        # As the model was trained: black beside a hand at the edge bends its fingers away from it.
        cut = crop.cut(picture, SIZE_PX, quick=quick, edge_goes_on=True)
        joints, presence, right, _world = self._model.run(cut[np.newaxis])
        placed = _placed(joints.reshape(JOINTS, 3), crop)
        return Hand(placed, float(presence[0, 0]), float(right[0, 0]), cut)


def _placed(joints: npt.NDArray[np.float32], crop: Region) -> npt.NDArray[np.float32]:
    """As `Region.place`, with the depth on the same scale, in two steps of NumPy: this is done for every picture."""
    scale, half = crop.side / SIZE_PX, crop.side / 2
    cos, sin = math.cos(crop.angle_rad), math.sin(crop.angle_rad)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]], np.float32) * np.float32(scale)
    corner = (crop.center_x - half * (cos - sin), crop.center_y - half * (sin + cos), 0.0)
    return joints @ turn + np.array(corner, np.float32)
