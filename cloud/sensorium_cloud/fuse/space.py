"""The space in which sentences are compared with concepts: a linear map of the encoder's vectors.

The encoder was trained to find any two sentences of one meaning. Which of its directions tell requests apart, and
which only how or about what one speaks, was learnt on the names and sentences of 334 intents of public collections
(``models/build/sentence_space.py``). Nothing of the user's vocabulary is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from sensorium_cloud.runtime.net import ModelError

Floats = npt.NDArray[np.float32]
_WORDINGS: Final = ("{}", "the user wants to {}", "{} please", "I want to {}", "a question about {}")
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """A row x of the encoder becomes x ``matrix`` + ``offset``, at unit length.

    Attributes:
        matrix: float32 [384, 384].
        offset: float32 [384].
        words: those that the encoder has a piece of their own for, nearly all English; empty where that is not known.
    """

    matrix: Floats
    offset: Floats
    words: frozenset[str] = frozenset()

    @classmethod
    def load(cls, path: Path) -> Self:
        """The space in ``path``.

        Raises:
            ModelError: it is not the file of a space.
        """
        try:
            with np.load(path, allow_pickle=False) as held:
                matrix, offset = (np.asarray(held[name], np.float32) for name in ("matrix", "offset"))
                known = frozenset(held["words"].tobytes().decode("ascii").split())
        except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
            raise ModelError(f"{path}: not a space of sentences; run: sensorium-cloud models fetch") from error
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or offset.shape != matrix.shape[1:]:
            raise ModelError(f"{path}: a space of {list(matrix.shape)} and {list(offset.shape)} numbers is none")
        return cls(matrix, offset, known)

    def familiar(self, words: Sequence[str]) -> float:
        """Share of the words that the encoder knows whole; 1 where nobody knows which those are."""
        return sum(word in self.words for word in words) / len(words) if words and self.words else 1.0

    def __call__(self, rows: Floats) -> Floats:
        """Rows [n, 384] of the encoder as rows [n, 384] of the space, at unit length."""
        # One product a row: a product of many may add up in another order, and no answer depends on its neighbours.
        moved = [row @ self.matrix + self.offset for row in rows]
        return unit(np.stack(moved)) if moved else np.zeros((0, len(self.offset)), np.float32)


@cache
def encoders_own(width: int) -> Space:
    """The encoder's own space, unchanged."""
    return Space(np.eye(width, dtype=np.float32), np.zeros(width, np.float32))


def in_words(name: str) -> tuple[str, ...]:
    """A concept's name as people may word it; the mean of these says more than a bare "light off" does."""
    said = name.replace("_", " ")
    return tuple(wording.format(said) for wording in _WORDINGS)


def unit(rows: Floats) -> Floats:
    """The rows at unit length."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), _TINY), np.float32)
