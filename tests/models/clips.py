"""Made recordings of people who do four things, with two sensors: small enough to train on in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("rise", "fall", "swing", "rest")


def some_clips(people: int = 4, each: int = 3, seed: int = 0) -> dict[str, Any]:
    """The arrays of a dataset: a worn sensor of 3 numbers and a camera of 4, each clip a little different."""
    rng = np.random.default_rng(seed)
    y = np.tile(np.repeat(np.arange(4), each), people)
    group = np.repeat(np.arange(people), 4 * each)
    worn, camera = np.zeros((len(y), 40, 3), np.float32), np.zeros((len(y), 24, 4), np.float32)
    steps = rng.integers(24, 41, len(y)), rng.integers(14, 25, len(y))
    for row, what in enumerate(y):
        for x, long in ((worn[row], steps[0][row]), (camera[row], steps[1][row])):
            at = np.linspace(0, 1, long)
            way = (at, 1 - at, np.sin(9 * at), 0 * at)[what]
            size = x.shape[1]
            x[:long] = np.outer(way, np.linspace(1, 2, size)) + group[row] * 0.1 + rng.normal(0, 0.05, (long, size))
    return {
        "x_worn": worn,
        "len_worn": steps[0],
        "x_camera": camera,
        "len_camera": steps[1],
        "y": y,
        "group": group,
        "names": np.array(NAMES),
        "descriptions": np.array([f"to {n}" for n in NAMES]),
    }


def a_file(folder: Path, name: str = "clips.npz", **changes: Any) -> Path:
    """`some_clips` as a file, with arrays replaced, or left out if None."""
    arrays = {**some_clips(), **changes}
    path = folder / name
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path
