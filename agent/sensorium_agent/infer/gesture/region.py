"""A turned square of a picture: what a detector is shown, and where a hand was."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

# A picture is small work: OpenCV's pool would spend more time spinning than it saves.
cv2.setNumThreads(1)

Picture = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Region:
    """A square of a picture, turned clockwise by ``angle_rad``; all else in pixels, x right and y down."""

    center_x: float
    center_y: float
    side: float
    angle_rad: float = 0.0

    @classmethod
    def around(cls, picture: Picture) -> Region:
        """The smallest upright square that holds the whole picture."""
        height, width = picture.shape[:2]
        return cls(width / 2, height / 2, float(max(height, width)))

    def shifted(self, right: float, down: float, *, scale: float) -> Region:
        """This square moved along its own axes by parts of its side, then made ``scale`` times larger."""
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        x = self.center_x + self.side * (right * cos - down * sin)
        y = self.center_y + self.side * (right * sin + down * cos)
        return Region(x, y, self.side * scale, self.angle_rad)

    def place(self, points: Points) -> Points:
        """Points [n, 2] in units of the square (0 to 1 from its own upper left corner) as picture pixels."""
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        turn = np.array([[cos, sin], [-sin, cos]], np.float32) * np.float32(self.side)
        center = np.array([self.center_x, self.center_y], np.float32)
        return ((points - np.float32(0.5)) @ turn + center).astype(np.float32)

    def cut(self, picture: Picture, size: int, *, quick: bool = False, edge_goes_on: bool = False) -> Picture:
        """The square as a picture [size, size, 3]; black where it reaches over the edge, or as the edge is.

        ``quick`` takes the nearest pixel: a quarter of the time, and joints 0.4 of 224 pixels off, as int8 is.
        """
        beyond = cv2.BORDER_REPLICATE if edge_goes_on else cv2.BORDER_CONSTANT
        if quick and size / 2 < self.side < 4 * size:
            near, region = (picture, self) if self.side > 2 * size else self._fetched(picture)
            return _warped(near, region, size, cv2.INTER_NEAREST, beyond)
        region = self
        while region.side >= 2 * size:  # bilinear sampling alone would skip pixels and see their noise
            picture, region = _halved(picture), region.halved()
        return _warped(picture, region, size, cv2.INTER_LINEAR, beyond)

    def _fetched(self, picture: Picture) -> tuple[Picture, Region]:
        """A copy of the part around the square, and the square in it.

        OpenCV samples in small blocks and waits for memory at each; copying whole rows first takes half the time.
        """
        reach = self.side / 2 * (abs(math.cos(self.angle_rad)) + abs(math.sin(self.angle_rad))) + 1
        left, top = max(0, int(self.center_x - reach)), max(0, int(self.center_y - reach))
        right, bottom = max(left + 1, int(self.center_x + reach) + 1), max(top + 1, int(self.center_y + reach) + 1)
        near = picture[top:bottom, left:right]
        if not near.size:  # the square lies beside the picture
            return picture, self
        return near.copy(), Region(self.center_x - left, self.center_y - top, self.side, self.angle_rad)

    def halved(self) -> Region:
        """The same square in a picture of half the width and height."""
        return Region(self.center_x / 2, self.center_y / 2, self.side / 2, self.angle_rad)


def _halved(picture: Picture) -> Picture:
    """Means of two by two pixels; whole factors only, for which OpenCV is five times as fast."""
    height, width = max(1, picture.shape[0] // 2), max(1, picture.shape[1] // 2)
    even = picture[: 2 * height, : 2 * width]
    return _pixels(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA))


def _warped(picture: Picture, region: Region, size: int, sampling: int, beyond: int) -> Picture:
    """Sample by a matrix from the cut's pixels to the picture's, centres of pixels at halves."""
    step = region.side / size
    cos, sin = step * math.cos(region.angle_rad), step * math.sin(region.angle_rad)
    half = (size - 1) / 2
    x = region.center_x - 0.5 - half * (cos - sin)
    y = region.center_y - 0.5 - half * (sin + cos)
    matrix = np.array([[cos, -sin, x], [sin, cos, y]])
    how = sampling | cv2.WARP_INVERSE_MAP
    return _pixels(cv2.warpAffine(picture, matrix, (size, size), flags=how, borderMode=beyond))


def _pixels(picture: Any) -> Picture:
    """OpenCV's answers have no type."""
    assert isinstance(picture, np.ndarray)
    return picture
