"""Real LiteRT and ONNX files of a few hundred bytes, written in a moment."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "models" / "build"))

from int8_network import Network, to_litert

WIDTH, CLASSES = 4, 3


def network(seed: int = 0, classes: int = CLASSES) -> Network:
    """A random network whose answers differ clearly from one input to the next."""
    made = Network.random((WIDTH, 16, classes), np.random.default_rng(seed))
    made.weights[-1] *= 3
    return made


def inputs(count: int, seed: int = 1) -> list[np.ndarray]:
    """Inputs [1, 4] float32."""
    return list(np.random.default_rng(seed).normal(0, 1, (count, 1, WIDTH)).astype(np.float32))


def litert(path: Path, seed: int = 0, classes: int = CLASSES, of: Network | None = None) -> Path:
    """Write an int8 network [1, 4] -> [1, classes] as LiteRT."""
    examples = np.concatenate(inputs(256, 2))
    path.write_bytes(to_litert(of or network(seed, classes), examples))
    return path
