"""Sounds one can learn from: where they begin and end, and the numbers by which two of them are compared.

A piece of sound, a word, a phrase, a clap, is looked at in four places: the speech embedding that ends 120 ms after
the piece, and three before it, evenly as far back as the piece is long. So words of any length have as many numbers,
and one said faster has the same sounds in the same places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.runtime.model import Model
from sensorium_agent.infer.sound.embedding import BANDS, HOP, ROWS, STEP, WIDTH, Spectrogram

PLACES: Final = 4
NUMBERS: Final = PLACES * WIDTH
"""Of a piece."""
AFTER: Final = 12
"""Rows (10 ms) from a piece's end to the last embedding's."""
LONGEST: Final = 240
"""Rows of a piece: 2.4 s."""
A_HOP: Final = HOP // STEP

_SEEN_ANYWAY: Final = 30  # rows of a piece that the last embedding is there for
_SPAN: Final = (24, 200)
_SHORTEST: Final = 2
_PAUSE: Final = 40  # rows of quiet between two pieces
_BELOW_PEAK: Final = 2.5  # log10 of power: what is 25 dB below the loudest is quiet
_ABOVE_FLOOR: Final = 0.35  # of the way from the softest to the loudest
_LEAST: Final = 0.8  # log10 of power: a piece is 8 dB louder than what is around it
_QUIET: Final = 2.0  # a row at one step of 16 bits

Floats = npt.NDArray[np.float32]
Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A sound between two pauses: rows ``begin`` to ``end`` (exclusive), and its numbers [384]."""

    begin: int
    end: int
    numbers: Floats

    @property
    def length_s(self) -> float:
        """How long it is."""
        return (self.end - self.begin) * STEP / 16_000


def span(rows: float) -> float:
    """How far back the first place lies before the last, in rows, for a piece that is so long."""
    return min(max(rows - _SEEN_ANYWAY, _SPAN[0]), _SPAN[1])


def pieces(pcm: Pcm, embedding: Model) -> Iterator[Piece]:
    """The pieces of a recording (int16 [n] at 16 kHz), in order; what is too long for one is left out."""
    rows = Spectrogram().feed(pcm)
    for begin, end in bounds(rows):
        if _SHORTEST <= end - begin <= LONGEST:
            yield Piece(begin, end, numbers(rows, begin, end, embedding))


def bounds(rows: Floats) -> list[tuple[int, int]]:
    """First and last row (exclusive) of what stands out in a spectrogram [n, 32]."""
    if not len(rows):
        return []
    level = np.log10(np.convolve((10.0**rows).mean(axis=1), np.full(3, 1 / 3), "same"))
    top, floor = float(level.max()), float(np.quantile(level, 0.1))
    if top - floor < _LEAST and top - float(np.quantile(level, 0.5)) < _LEAST:
        return [(0, len(rows))] if top > _QUIET + 1 and len(rows) <= LONGEST else []
    loud = np.flatnonzero(level > max(top - _BELOW_PEAK, floor + _ABOVE_FLOOR * (top - floor)))
    parts = np.split(loud, np.flatnonzero(np.diff(loud) > _PAUSE) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)]


def numbers(rows: Floats, begin: int, end: int, embedding: Model) -> Floats:
    """The numbers [384] of rows ``begin`` to ``end``; around the recording there was silence."""
    back = span(end - begin) / (PLACES - 1)
    around = np.full((ROWS + _SPAN[1], BANDS), _QUIET, np.float32)
    known = np.concatenate([around, rows, around])
    ends = (round(len(around) + end + AFTER - back * n) for n in range(PLACES - 1, -1, -1))
    vectors = [embedding.run(known[None, last - ROWS : last, :, None])[0].reshape(WIDTH) for last in ends]
    return np.concatenate(vectors).astype(np.float32)
