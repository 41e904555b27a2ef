"""Draws what was seen of hands: skeleton, region, label and score, on the picture or on paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import SensoriumError
from sensorium_agent.opencv import opencv

Pixels = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]

_FINGERS: Final = (
    ((0, 1, 2, 3, 4), (235, 70, 60)),
    ((5, 6, 7, 8), (245, 165, 35)),
    ((9, 10, 11, 12), (70, 190, 80)),
    ((13, 14, 15, 16), (60, 140, 240)),
    ((17, 18, 19, 20), (190, 90, 220)),
)
_PALM: Final = ((0, 5, 9, 13, 17, 0), (235, 235, 235))
_REGION: Final = (255, 230, 90)
_DARK: Final = (20, 20, 20)
_PAPER: Final = 250
_CELL_PX: Final = 240
_ALONE_PX: Final = (480, 1600)
_COLUMNS: Final = 6
_MOST: Final = 48
_KINDS: Final = frozenset({".png", ".jpg", ".jpeg", ".webp"})


class SketchError(SensoriumError):
    """What was drawn could not be kept."""


def keep(path: Path, picture: Pixels) -> None:
    """Write a drawing (RGB) as the kind of picture that its name says.

    Raises:
        SketchError: the name is of no such kind, or the file cannot be written.
    """
    cv2 = opencv()
    kind = path.suffix.lower() or ".png"
    if kind not in _KINDS:
        raise SketchError(f"{path}: {kind} is no kind of picture that can be drawn; name it .png or .jpg")
    _, data = cv2.imencode(kind, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise SketchError(f"{path}: {error.strerror}; name a file that can be written") from error


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A hand to draw: its ``joints`` [21, 2] and the ``corners`` [4, 2] of where it was looked for, in pixels."""

    joints: Points
    corners: Points | None = None


class Sheet:
    """Collects drawings for one picture: one by itself large, several as a sheet of at most 48, thinned evenly."""

    def __init__(self) -> None:
        self._alone: Pixels | None = None
        self._cells: list[Pixels] = []
        self._offered = 0
        self._every = 1

    def add(self, picture: Pixels | None, outlines: Sequence[Outline], caption: str) -> None:
        """Draw ``outlines`` over ``picture`` (RGB), or on paper, with ``caption`` above them."""
        if picture is None:
            picture, outlines = _on_paper(outlines)
        if self._offered == 0:
            self._alone = _drawn(picture, outlines, caption, min(max(picture.shape[1], _ALONE_PX[0]), _ALONE_PX[1]))
        if self._offered % self._every == 0:
            self._cells.append(_drawn(picture, outlines, caption, _CELL_PX))
        self._offered += 1
        if len(self._cells) > _MOST:
            self._cells = self._cells[::2]
            self._every *= 2

    def save(self, path: Path) -> None:
        """Write it.

        Raises:
            SketchError: nothing was drawn, or the file cannot be written.
        """
        if self._alone is None:
            raise SketchError(f"{path}: there is nothing to draw, no file could be read")
        keep(path, self._alone if self._offered == 1 else _sheet(self._cells))


def _on_paper(outlines: Sequence[Outline]) -> tuple[Pixels, list[Outline]]:
    """An empty sheet, and the hands brought to its size, each on its own scale."""
    paper = np.full((_CELL_PX, _CELL_PX, 3), _PAPER, np.uint8)
    placed = []
    for outline in outlines:
        low, high = outline.joints.min(axis=0), outline.joints.max(axis=0)
        scale = 0.75 * _CELL_PX / max(float((high - low).max()), 1e-9)
        placed.append(Outline((outline.joints - (low + high) / 2) * np.float32(scale) + np.float32(_CELL_PX / 2)))
    return paper, placed


def _drawn(picture: Pixels, outlines: Sequence[Outline], caption: str, width: int) -> Pixels:
    """A copy of the picture, ``width`` pixels wide, with hands and words on it."""
    cv2 = opencv()
    scale = width / picture.shape[1]
    size = (width, max(1, round(picture.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    copy = np.ascontiguousarray(cv2.resize(picture, size, interpolation=method))
    for outline in outlines:
        if outline.corners is not None:
            corners = [_at(corner, scale) for corner in outline.corners]
            _line(cv2, copy, [*corners, corners[0]], _REGION, 1)
        _skeleton(cv2, copy, [_at(joint, scale) for joint in outline.joints])
    _write(cv2, copy, caption)
    return copy


def _skeleton(cv2: Any, picture: Pixels, joints: Sequence[tuple[int, int]]) -> None:
    thick = max(1, round(math.sqrt(picture.shape[1]) / 12))
    for color, extra in ((_DARK, 2), (None, 0)):
        for chain, own in (_PALM, *_FINGERS):
            _line(cv2, picture, [joints[j] for j in chain], color or own, thick + extra)
    for chain, own in _FINGERS:
        for j in chain:
            cv2.circle(picture, joints[j], thick + 1, own, -1, cv2.LINE_AA)


def _line(cv2: Any, picture: Pixels, points: Sequence[tuple[int, int]], color: Sequence[int], thick: int) -> None:
    placed = np.array(points, np.int32)
    cv2.polylines(picture, [placed], isClosed=False, color=tuple(color), thickness=thick, lineType=cv2.LINE_AA)


def _at(point: Points, scale: float) -> tuple[int, int]:
    """Whole pixels, kept within what OpenCV can draw."""
    x, y = np.clip(np.rint(point * scale), -30_000, 30_000)
    return int(x), int(y)


def _write(cv2: Any, picture: Pixels, caption: str) -> None:
    """Words on a dark bar along the top, as large as fits."""
    width = picture.shape[1]
    size = min(1.0, max(0.4, width / 900))
    (long, high), below = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    size *= min(1.0, (width - 8) / max(long, 1))
    bar = picture[: high + below + 6]
    bar //= 4
    cv2.putText(picture, caption, (4, high + 3), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)


def _sheet(cells: Sequence[Pixels]) -> Pixels:
    """Cells of one width in rows, each row as high as its highest."""
    columns = min(_COLUMNS, len(cells))
    rows = [cells[first : first + columns] for first in range(0, len(cells), columns)]
    return np.concatenate([_row(row, columns) for row in rows])


def _row(cells: Sequence[Pixels], columns: int) -> Pixels:
    row = np.full((max(cell.shape[0] for cell in cells), columns * _CELL_PX, 3), _PAPER, np.uint8)
    for number, cell in enumerate(cells):
        row[: cell.shape[0], number * _CELL_PX :][:, :_CELL_PX] = cell
    return row
