"""Sound as the speech embedding hears it: a mel spectrogram, and a vector every 80 ms.

The embedding is that of J. Lin et al., "Training keyword spotters with limited and synthesized speech data", 2020. It
has heard many thousands of voices: what is trained on its vectors with synthetic ones knows a word from people too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium_agent.infer.runtime.model import Model

STEP: Final = 160
"""Samples from one row of the spectrogram to the next: 10 ms at 16 kHz."""
HOP: Final = 1280
"""Samples from one embedding to the next: 80 ms."""
ROWS: Final = 76
"""Rows of the spectrogram an embedding sees: 775 ms."""
BANDS: Final = 32
WIDTH: Final = 96

_FRAME: Final = 400
_FFT: Final = 512
_LOWEST_HZ: Final = 60.0
_HIGHEST_HZ: Final = 3800.0
_ROWS_A_HOP: Final = HOP // STEP
_REMEMBERED: Final = 32

Floats = npt.NDArray[np.float32]


class Spectrogram:
    """Mel spectrogram as the embedding was trained on: 32 bands from 60 to 3800 Hz every 10 ms."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._held: npt.NDArray[np.int16] = np.zeros(_FRAME - STEP, np.int16)

    def feed(self, pcm: npt.NDArray[np.int16]) -> Floats:
        """The rows [n, 32] that ``pcm`` (int16 at 16 kHz) completes."""
        self._held = np.concatenate([self._held, pcm])
        count = (len(self._held) - _FRAME) // STEP + 1
        if count <= 0:
            return np.zeros((0, BANDS), np.float32)
        rows = mel(self._held[: (count - 1) * STEP + _FRAME])
        self._held = self._held[count * STEP :]
        return rows


def mel(pcm: npt.NDArray[np.int16]) -> Floats:
    """Rows [n, 32] of sound, one for each 25 ms, 10 ms apart: log10 of power + 2, in units of 16-bit steps.

    Anything below one step counts as one, so that digital silence is no stranger than a quiet room.
    """
    frames = np.lib.stride_tricks.sliding_window_view(pcm, _FRAME)[::STEP]
    spectrum = np.fft.rfft(frames * _window(), _FFT)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) @ _filters()
    return np.asarray(np.log10(np.maximum(power, 1.0)) + 2.0, np.float32)


class Embeddings:
    """Runs the embedding over a spectrogram of any run length."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.reset()

    def reset(self) -> None:
        """Forget what was heard: before it there was silence."""
        self._rows: Floats = np.full((ROWS, BANDS), 2.0, np.float32)

    def feed(self, rows: Floats) -> Iterator[Floats]:
        """An embedding [96] for each eight rows that ``rows`` ([n, 32]) completes."""
        self._rows = np.concatenate([self._rows, rows])
        while len(self._rows) >= ROWS + _ROWS_A_HOP:
            self._rows = self._rows[_ROWS_A_HOP:]
            (vector,) = self._model.run(self._rows[None, :ROWS, :, None])
            yield vector.reshape(WIDTH)


class Remembered:
    """The embedding, for several who listen to the same sound: what one has asked, another gets for nothing."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._answers: dict[bytes, list[npt.NDArray[Any]]] = {}

    def run(self, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """One inference, or what it gave lately."""
        asked = inputs[0].tobytes()
        if asked not in self._answers:
            self._answers[asked] = [answer.copy() for answer in self._model.run(*inputs)]
            while len(self._answers) > _REMEMBERED:
                del self._answers[next(iter(self._answers))]
        return self._answers[asked]

    def reset(self) -> None:
        """Forget what the runtime's variables hold."""
        self._answers.clear()
        self._model.reset()


@functools.cache
def _window() -> Floats:
    """Periodic Hann."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)).astype(np.float32)


@functools.cache
def _filters() -> Floats:
    """Triangles of equal width on Slaney's mel scale (Auditory Toolbox, 1998) and of equal area, [257, 32]."""
    edges = _hz(np.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), BANDS + 2))
    bins = np.arange(_FFT // 2 + 1)[:, None] * 16_000 / _FFT
    rise = (bins - edges[None, :-2]) / np.diff(edges)[None, :-1]
    fall = (edges[None, 2:] - bins) / np.diff(edges)[None, 1:]
    area = 2.0 / (edges[2:] - edges[:-2])
    return (np.clip(np.minimum(rise, fall), 0.0, None) * area).astype(np.float32)


def _mel(hz: float) -> float:
    """Linear up to 1 kHz, logarithmic above."""
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * float(np.log(hz / 1000) / np.log(6.4))


def _hz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
