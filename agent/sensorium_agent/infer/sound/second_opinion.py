"""Was that really the wake word? Asked only when a wake word's network says so: until then it costs nothing.

The networks of the wake words hear 40 bands and are small; this one hears the last 1.4 s as the speech embedding does,
which knows many more voices, and has learnt what those networks mistake for their words (models/cards/wake_words.md).
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from sensorium.errors import SensoriumError
from sensorium_agent.infer.runtime.model import Model, ModelError
from sensorium_agent.infer.sound.embedding import ROWS, STEP, WIDTH, mel

DEPTH: Final = 5
"""Vectors of the embedding that are looked at."""
APART: Final = 16
"""Rows from one to the next: 160 ms."""
LISTENED: Final = (ROWS + (DEPTH - 1) * APART - 1) * STEP + 400
"""Samples a look takes: 1.415 s."""

Floats = npt.NDArray[np.float32]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """A network of one hidden layer, and what it must not fall below.

    Attributes:
        first, first_bias: float32 [DEPTH * 96, n] and [n].
        last, last_bias: float32 [n, words] and [words].
        least: for each word it knows, by name: its column, and the log odds from which it was said.
    """

    first: Floats
    first_bias: Floats
    last: Floats
    last_bias: Floats
    least: Mapping[str, tuple[int, float]]

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a ``.npz`` file.

        Raises:
            ModelError: it is none of these.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                first, last = file["first"].astype(np.float32), file["last"].astype(np.float32)
                biases = file["first_bias"].astype(np.float32), file["last_bias"].astype(np.float32)
                words, least = file["words"].astype(str).tolist(), file["least"].astype(float).tolist()
            return cls(first, biases[0], last, biases[1], dict(zip(words, enumerate(least), strict=True)))
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{path}: not the wake words' second opinion; run: sensorium models verify") from error

    def odds(self, vectors: Floats) -> Floats:
        """Log odds [n, words] that the words were said, from vectors [n, DEPTH * 96]."""
        hidden = np.maximum(vectors @ self.first + self.first_bias, 0)
        return np.asarray(hidden @ self.last + self.last_bias, np.float32)


class SecondOpinion:
    """Says whether a word was said, from the sound up to where its network was sure.

    Args:
        embedding: gives the speech embedding; asked at the first word, for not every device keeps it loaded.
        path: gives the file of the judge.

    Where one of the two cannot be had, every word is believed, and one line says why.
    """

    def __init__(self, embedding: Callable[[], Model], path: Callable[[], Path]) -> None:
        self._embedding = embedding
        self._path = path

    def odds(self, word: str, pcm: npt.NDArray[np.int16]) -> float:
        """Log odds beyond what ``word`` needs, from the last `LISTENED` samples (int16 at 16 kHz); inf if unknown."""
        judge, embedding = self._both
        if judge is None or embedding is None or word not in judge.least:
            return math.inf
        column, least = judge.least[word]
        return float(judge.odds(look(embedding, pcm).reshape(1, -1))[0, column]) - least

    @functools.cached_property
    def _both(self) -> tuple[Judge, Model] | tuple[None, None]:
        try:
            return Judge.read(self._path()), self._embedding()
        except SensoriumError as error:
            log.warning("wake.undoubted why=%r", str(error))
            return None, None


def look(embedding: Model, pcm: npt.NDArray[np.int16]) -> Floats:
    """The vectors [DEPTH, 96] of the sound's end, oldest first."""
    heard = pcm[-LISTENED:]
    rows = mel(np.concatenate([np.zeros(LISTENED - len(heard), np.int16), heard]))
    ends = range(len(rows) - (DEPTH - 1) * APART, len(rows) + 1, APART)
    vectors = [embedding.run(rows[None, end - ROWS : end, :, None])[0].reshape(WIDTH) for end in ends]
    return np.stack(vectors).astype(np.float32)
