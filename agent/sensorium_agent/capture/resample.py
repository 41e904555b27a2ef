"""Any sample rate to the one the ears work at, in a stream."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

SPEECH_RATE_HZ = 16_000

_ZERO_CROSSINGS = 16
_PASSBAND = 0.94
_KAISER_BETA = 8.0


def _bank(up: int, down: int) -> npt.NDArray[np.float32]:
    """One windowed-sinc filter for each of ``up`` phases, [up, taps], each with unit gain."""
    cutoff = _PASSBAND * min(1.0, up / down)
    half = int(np.ceil(_ZERO_CROSSINGS / cutoff))
    offsets = np.arange(-half + 1, half + 1)[None, :] - (np.arange(up) / up)[:, None]
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (offsets / half) ** 2, 0, None))) / np.i0(_KAISER_BETA)
    taps = np.sinc(cutoff * offsets) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True), np.float32)


class Resampler:
    """Polyphase resampling of int16 mono, block by block, without delay in the samples' numbers.

    Output sample n stands for the instant n / ``to_hz`` of the input: the filter is centred. It is
    given out once the input it needs is there, 16 zero crossings later.
    Source: J. O. Smith, Digital Audio Resampling (bandlimited interpolation, Kaiser window).
    """

    def __init__(self, from_hz: int, to_hz: int = SPEECH_RATE_HZ) -> None:
        self._from_hz = from_hz
        ratio = Fraction(to_hz, from_hz)
        self._up, self._down = ratio.numerator, ratio.denominator
        self._bank = _bank(self._up, self._down)
        self._half = self._bank.shape[1] // 2
        self._kept: npt.NDArray[np.float32] = np.zeros(self._half - 1, np.float32)
        self._at = 0  # the next output, in steps of 1/up input samples after the first kept centre

    @property
    def delay_ns(self) -> int:
        """How far what was given out ends before the end of what was fed."""
        behind: float = len(self._kept) - (self._half - 1) - self._at / self._up
        return round(behind / self._from_hz * 1e9)

    def feed(self, pcm: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """The output samples that ``pcm`` (int16 [n], at ``from_hz``) completes."""
        if self._up == self._down:
            return pcm
        held = np.concatenate([self._kept, pcm.astype(np.float32)])
        ready = len(held) - self._bank.shape[1] + 1
        last = ready * self._up
        steps = np.arange(self._at, last, self._down) if last > self._at else np.zeros(0, np.int64)
        begin, phase = steps // self._up, steps % self._up
        windows = held[begin[:, None] + np.arange(self._bank.shape[1])]
        out = np.einsum("nt,nt->n", windows, self._bank[phase])
        after = self._at + len(steps) * self._down
        drop = min(after // self._up, len(held))
        self._kept, self._at = held[drop:], after - drop * self._up
        return np.asarray(np.clip(np.rint(out), -32768, 32767), np.int16)

    def finish(self) -> npt.NDArray[np.int16]:
        """What the end of the input completes."""
        return self.feed(np.zeros(self._half if self._up != self._down else 0, np.int16))
