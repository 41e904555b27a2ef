"""Draws what was heard: waveform, spectrogram and the events over them, one strip a file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.event import Event
from sensorium_agent._app.files.sketch import SketchError, keep
from sensorium_agent.opencv import opencv

Pixels = npt.NDArray[np.uint8]
Pcm = npt.NDArray[np.int16]

_WIDTH: Final = 1200
_TITLE_PX: Final = 22
_WAVE_PX: Final = 70
_TONES_PX: Final = 128
_WORDS_PX: Final = 44
_MOST: Final = 40
_RATE_HZ: Final = 16_000
_FRAME: Final = 512
_FLOOR_DB: Final = 70.0
_PAPER: Final = 250
_INK: Final = (40, 40, 40)
_SPEECH: Final = (90, 160, 90)
_WORD: Final = (215, 60, 50)


class SoundSheet:
    """Collects strips; the first 40 files are drawn."""

    def __init__(self) -> None:
        self._strips: list[Pixels] = []

    def add(self, name: str, pcm: Pcm, events: Sequence[Event]) -> None:
        """Draw a file's sound (int16 [n] at 16 kHz) and its events, whose times begin with it."""
        if len(self._strips) < _MOST:
            self._strips.append(strip(name, pcm, events))

    def save(self, path: Path) -> None:
        """Write all strips as one picture.

        Raises:
            SketchError: nothing was drawn, or the file cannot be written.
        """
        if not self._strips:
            raise SketchError(f"{path}: nothing to draw: no file could be read")
        keep(path, np.concatenate(self._strips))


def strip(name: str, pcm: Pcm, events: Sequence[Event]) -> Pixels:
    """One file: its name, its waveform, its spectrogram, and below what was heard when."""
    cv2 = opencv()
    length_s = max(len(pcm) / _RATE_HZ, 0.1)
    height = _TITLE_PX + _WAVE_PX + _TONES_PX + _WORDS_PX
    paper = np.full((height, _WIDTH, 3), _PAPER, np.uint8)
    _write(cv2, paper, f"{name}   {length_s:.2f} s", (6, 15), _INK)
    paper[_TITLE_PX : _TITLE_PX + _WAVE_PX] = _wave(pcm)
    paper[_TITLE_PX + _WAVE_PX : height - _WORDS_PX] = _tones(cv2, pcm)
    free_px = [0, 0]
    for event in sorted(events, key=lambda e: e.at_ns):
        _mark(cv2, paper, event, length_s, free_px)
    return paper


def _mark(cv2: Any, paper: Pixels, event: Event, length_s: float, free_px: list[int]) -> None:
    """A bar over an event's span, and for words a label in the first row with room for it."""
    end = min(round(event.at_ns / 1e9 / length_s * _WIDTH), _WIDTH - 1)
    begin = min(max(round((event.at_ns - event.span_ns) / 1e9 / length_s * _WIDTH), 0), end)
    bottom = len(paper) - _WORDS_PX
    if event.label == "speech":
        paper[bottom : bottom + 5, begin : end + 1] = _SPEECH
        return
    cv2.rectangle(paper, (begin, _TITLE_PX), (end, bottom - 1), _WORD, 1)
    text = f"{event.label} {event.score:.2f}" if event.label else str(dict(event.metadata).get("heard", "?"))
    row = 0 if free_px[0] <= begin else 1
    left = min(begin, _WIDTH - 9 * len(text))
    free_px[row] = left + 9 * len(text)
    _write(cv2, paper, text, (left, bottom + 19 + 17 * row), _WORD)


def _write(cv2: Any, paper: Pixels, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(paper, plain, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)


def _wave(pcm: Pcm) -> Pixels:
    """From the least to the greatest sample of each column, as high as the loudest fills it, [70, 1200, 3]."""
    picture = np.full((_WAVE_PX, _WIDTH, 3), _PAPER, np.uint8)
    middle = _WAVE_PX // 2
    edges = np.linspace(0, len(pcm), _WIDTH + 1).astype(int)
    loudest = max(float(np.abs(pcm.astype(np.float32)).max(initial=0.0)), 100.0)
    for column, (begin, end) in enumerate(pairwise(edges)):
        part = pcm[begin : max(end, begin + 1)]
        if len(part):
            high, low = (round(float(v) / loudest * (middle - 1)) for v in (part.max(), part.min()))
            picture[middle - high : middle - low + 1, column] = (70, 100, 160)
    return picture


def _tones(cv2: Any, pcm: Pcm) -> Pixels:
    """Spectrogram up to 8 kHz, 70 dB below its loudest point to white, [128, 1200, 3]."""
    padded = np.pad(pcm, (0, max(_FRAME - len(pcm), 0))).astype(np.float32) / 32768
    hop = max((len(padded) - _FRAME) // (2 * _WIDTH), 80)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::hop] * np.hanning(_FRAME).astype(np.float32)
    db = 20 * np.log10(np.abs(np.fft.rfft(frames, axis=1)).T[::-1] + 1e-6)
    level = np.clip((db - db.max() + _FLOOR_DB) / _FLOOR_DB, 0, 1)
    grey = cv2.resize((255 * (1 - level)).astype(np.uint8), (_WIDTH, _TONES_PX), interpolation=cv2.INTER_AREA)
    return np.repeat(grey[:, :, None], 3, axis=2)
