"""Reads hands that someone else has measured: their joints, without the pictures.

A ``.npz`` file of NumPy holds ``x`` [n, 21, 2] or [n, 21, 3], the joints in the order of `infer.gesture.landmark`: x
right, y down, and away from the camera, in any unit; and ``right`` [n], if the sides are known, from 0 (left) to 1. A
``.npy`` file holds ``x`` alone.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

from sensorium_agent.capture.files import BadFile

LANDMARK_KINDS: Final = frozenset({".npz", ".npy"})
_JOINTS: Final = 21
_FARTHEST: Final = 1e15
"""The square of what is farther off is no float32."""
_SHAPES: Final = "x of shape [n, 21, 2] or [n, 21, 3]"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """Hands: ``joints`` float32 [n, 21, 3], 0 deep where no depth is known; ``right`` [n], 0.5 where no side is.

    Numbers may be other than finite: some collections mark so the pictures in which no hand was found.
    """

    joints: Floats
    right: Floats


def read_landmarks(path: Path) -> Landmarks:
    """The hands in a ``.npz`` or ``.npy`` file.

    Raises:
        BadFile: it is damaged, or has no such arrays of numbers.
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            found = _arrays(np.load(file, allow_pickle=False))
    except (ValueError, zipfile.BadZipFile, EOFError, AttributeError, KeyError, TypeError) as error:
        raise BadFile("it is damaged, or not an archive of plain NumPy arrays") from error
    if "x" not in found:
        raise BadFile(f"it has no array {_SHAPES}")
    joints = _joints(found["x"])
    return Landmarks(joints, _right(found.get("right"), len(joints)))


def _arrays(loaded: NpzFile | npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays of an archive; the only one of a ``.npy`` file is x."""
    if isinstance(loaded, np.ndarray):
        return {"x": loaded}
    return {name: np.asarray(loaded[name]) for name in ("x", "right") if name in loaded}


def _joints(x: npt.NDArray[np.generic]) -> Floats:
    if x.shape[:1] == (0,):
        raise BadFile("there are no hands in it")
    if x.ndim != 3 or x.shape[1] != _JOINTS or x.shape[2] not in (2, 3):
        raise BadFile(f"its x has shape {list(x.shape)}: needed is {_SHAPES}")
    joints = _numbers("x", x)
    joints[np.abs(joints) > _FARTHEST] = np.inf
    return joints if x.shape[2] == 3 else np.concatenate([joints, np.zeros_like(joints[..., :1])], axis=2)


def _right(right: npt.NDArray[np.generic] | None, count: int) -> Floats:
    if right is None:
        return np.full(count, 0.5, np.float32)
    if right.shape != (count,):
        raise BadFile(f"its right has shape {list(right.shape)}: needed is one number for each of {count} hands")
    return np.clip(np.nan_to_num(_numbers("right", right), nan=0.5), 0, 1)


def _numbers(name: str, values: npt.NDArray[np.generic]) -> Floats:
    if values.dtype.kind not in "biuf":
        raise BadFile(f"its {name} has no numbers in it, but {values.dtype}")
    with np.errstate(over="ignore"):  # what is too large becomes infinite: a hand that was not found
        return values.astype(np.float32)
