"""When to look for hands, and where: the detector costs two landmark models, so it runs where something changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.gesture.palm import far_view, views
from sensorium_agent.infer.gesture.region import Picture, Region

_MS: Final = 1_000_000
_LOST: Final = 1000 * _MS  # so long a lost hand is looked for in every picture
_NONE: Final = (45 * _MS, 200 * _MS)  # least and most between two looks while no hand is followed
_ONE: Final = (200 * _MS, 4000 * _MS)  # and while one is, for a second
_CELLS: Final = (16, 12)
_CHANGED: Final = 16.0  # levels; the mean of 16 pixels changes by 4 where each is noisy by 10

Glance = npt.NDArray[np.float32]


class Search:
    """Decides for one tracker; told the time."""

    def __init__(self) -> None:
        self._glance: Glance | None = None
        self._searched_ns = 0
        self._checked_ns = 0
        self._followed_ns = 0
        self._pause_ns = _ONE[0]
        self._turns = {True: 0, False: 0}

    def start(self, picture: Picture, at_ns: int) -> Sequence[Region]:
        """Where to look in a first picture: everywhere."""
        self._glance, self._searched_ns, self._followed_ns = glance(picture), at_ns, at_ns
        return (*views(picture), far_view(picture))

    def go_on(self, picture: Picture, at_ns: int, followed: Sequence[Region]) -> Sequence[Region]:
        """Where to look for another hand than those ``followed``: one square, or none."""
        if followed:
            self._followed_ns = at_ns
        hurry = not followed and at_ns - self._followed_ns < _LOST
        if not hurry and not self._due(picture, at_ns, followed):
            return ()
        self._glance, self._searched_ns = glance(picture), at_ns
        return (self._next_view(picture, following=bool(followed)),)

    def _due(self, picture: Picture, at_ns: int, followed: Sequence[Region]) -> bool:
        """Whether a new hand may be there; while all moves around a followed hand, ever more seldom."""
        waited_ns = at_ns - self._searched_ns
        least, most = (self._pause_ns, _ONE[1]) if followed else _NONE
        if waited_ns < most and min(waited_ns, at_ns - self._checked_ns) < least:
            return False
        self._checked_ns = at_ns
        moved = self._glance is None or changed(self._glance, glance(picture), picture, followed)
        self._pause_ns = min(2 * self._pause_ns, _ONE[1]) if followed and moved else _ONE[0]
        return moved or waited_ns >= most

    def _next_view(self, picture: Picture, *, following: bool) -> Region:
        """The whole picture every other time, the other squares in turn."""
        squares = views(picture)
        self._turns[following] += 1
        turn = self._turns[following]
        return squares[0 if turn % 2 else 1 + turn // 2 % (len(squares) - 1)]


def glance(picture: Picture) -> Glance:
    """The picture as 12 rows of 16 means of green, each of 16 pixels of the cell."""
    step = max(1, min(picture.shape[0] // 48, picture.shape[1] // 64))
    few = np.ascontiguousarray(picture[::step, ::step, 1])
    return np.asarray(cv2.resize(few, _CELLS, interpolation=cv2.INTER_AREA), np.float32)


def changed(before: Glance, now: Glance, picture: Picture, followed: Sequence[Region]) -> bool:
    """Whether a cell outside the hands' crops became another, apart from the exposure's own changes."""
    difference = now - before
    other = np.abs(difference - np.median(difference)) > _CHANGED
    for crop in followed:
        other &= ~_near(picture, crop)
    return bool(other.any())


def _near(picture: Picture, crop: Region) -> npt.NDArray[np.bool_]:
    """The cells [12, 16] around a crop."""
    height, width = picture.shape[:2]
    x = (np.arange(_CELLS[0]) + 0.5) * (width / _CELLS[0]) - crop.center_x
    y = (np.arange(_CELLS[1]) + 0.5) * (height / _CELLS[1]) - crop.center_y
    return np.asarray(np.hypot(x, y[:, np.newaxis]) < 0.75 * crop.side, np.bool_)
