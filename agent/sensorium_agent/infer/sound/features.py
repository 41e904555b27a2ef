"""What a stretch of sound is like, in 256 numbers."""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import numpy.typing as npt

RATE_HZ: Final = 16_000
BANDS: Final = 64

_FRAME: Final = 400  # 25 ms
_HOP: Final = 160  # 10 ms
_FFT: Final = 1024  # 15.6 Hz a bin: the lowest of 64 mel bands is narrower than a bin of 512
_LOWEST_HZ: Final = 60.0
_HIGHEST_HZ: Final = 7600.0
_FLOOR: Final = 1e-10

Floats = npt.NDArray[np.float32]


def describe(pcm: npt.NDArray[np.int16]) -> Floats:
    """Features of sound (int16 [n] at 16 kHz, any n): float32 [256].

    Four figures for each of 64 mel bands, lowest band first: [0:64] mean, [64:128] standard deviation,
    [128:192] maximum, [192:256] mean absolute change from one 10 ms step to the next. A band's level is
    1 + log10(power) / 5, so that digital silence is -1 and full scale about 1; deviation and change are
    doubled and quadrupled to fill the same range.
    """
    level = 1.0 + np.log10(_power(pcm) @ _filters() + _FLOOR) / 5.0
    change = np.abs(np.diff(level, axis=0)).mean(axis=0) if len(level) > 1 else np.zeros(BANDS)
    figures = (level.mean(axis=0), 2 * level.std(axis=0), level.max(axis=0), 4 * change)
    return np.concatenate(figures).astype(np.float32)


def _power(pcm: npt.NDArray[np.int16]) -> Floats:
    """Power spectrum of each 25 ms frame, [frames, 513]; a sine of full scale peaks near 1."""
    if len(pcm) < _FRAME:
        pcm = np.pad(pcm, (_FRAME - len(pcm), 0))
    frames = np.lib.stride_tricks.sliding_window_view(pcm, _FRAME)[::_HOP].astype(np.float32) / np.float32(32768)
    window = _window()
    spectrum = np.fft.rfft(frames * window, _FFT)
    scale = 2.0 / float(window.sum())
    return np.asarray((spectrum.real**2 + spectrum.imag**2) * scale**2, np.float32)


@functools.cache
def _window() -> Floats:
    return np.hanning(_FRAME).astype(np.float32)


@functools.cache
def _filters() -> Floats:
    """Triangles of equal width in mel, [513, 64].

    Mel scale: 2595 log10(1 + f / 700) (O'Shaughnessy 1987).
    """
    edges_mel = np.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), BANDS + 2)
    edges = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins = np.arange(_FFT // 2 + 1) * RATE_HZ / _FFT
    rise = (bins[:, None] - edges[None, :-2]) / np.diff(edges)[None, :-1]
    fall = (edges[None, 2:] - bins[:, None]) / np.diff(edges)[None, 1:]
    return np.clip(np.minimum(rise, fall), 0.0, None).astype(np.float32)


def _mel(hz: float) -> float:
    return 2595.0 * float(np.log10(1.0 + hz / 700.0))
