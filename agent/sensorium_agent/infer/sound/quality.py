"""How good is the sound itself? Level, noise and clipping."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.event import Modality
from sensorium.reliability import reliability

Pcm = npt.NDArray[np.int16]

SILENT_DBFS: Final = -96.0
"""Level of digital silence: one bit of 16."""
BLOCK: Final = 512
"""Samples of one measure of the noise: 32 ms at 16 kHz."""

_CLIPPED: Final = 32_700
_BLOCKS_OF_NOISE: Final = 94  # 3 s: nobody speaks as long without a pause of 64 ms
_SMOOTH: Final = 2
_BIAS_DB: Final = 1.0
_FIRST_DBFS: Final = -60.0
_FIRST_BLOCKS: Final = 31  # 1 s: what begins with a word has not shown its noise yet


@dataclass(frozen=True, slots=True)
class Quality:
    """What a stretch of sound is worth.

    Attributes:
        level_dbfs: root mean square against full scale.
        snr_db: how far that is above the noise around it, less the noise in it.
        clipped: share of the samples at the end of the scale.
    """

    level_dbfs: float
    snr_db: float
    clipped: float

    @property
    def trust(self) -> float:
        """How likely a word heard in it is right, as learnt from words in noise, soft ones and clipped ones."""
        return reliability(Modality.AUDIO, self.measures())

    def measures(self) -> dict[str, float]:
        """What that is learnt from."""
        return {"snr_db": self.snr_db, "clipped": self.clipped, "level_dbfs": self.level_dbfs}

    def metadata(self) -> dict[str, str]:
        """For people, with the event it belongs to."""
        return {
            "snr_db": f"{self.snr_db:.1f}",
            "level_dbfs": f"{self.level_dbfs:.1f}",
            "clipped": f"{self.clipped:.4f}",
        }


class Noise:
    """Follows the noise by the quietest 64 ms of the last three seconds.

    Minimum statistics (R. Martin, 2001) on broadband levels: they need no decision what is speech. The minimum of noise
    lies about 1 dB below its mean. In the first second, where there may have been no pause yet, it is at most -60 dBFS.
    """

    def __init__(self) -> None:
        self._powers: deque[float] = deque(maxlen=_BLOCKS_OF_NOISE)

    def reset(self) -> None:
        """Nothing was heard."""
        self._powers.clear()

    def add(self, block: Pcm) -> None:
        """The next ``BLOCK`` samples."""
        self._powers.append(power(block))

    @property
    def level_dbfs(self) -> float:
        """The noise's level; digital silence while nothing was heard."""
        if not self._powers:
            return SILENT_DBFS
        powers = np.array(self._powers)
        if len(powers) >= _SMOOTH:
            powers = np.convolve(powers, np.full(_SMOOTH, 1 / _SMOOTH), mode="valid")
        level = max(decibels(float(powers.min())) + _BIAS_DB, SILENT_DBFS)
        return min(level, _FIRST_DBFS) if len(self._powers) < _FIRST_BLOCKS else level


def quality(pcm: Pcm, noise_dbfs: float) -> Quality:
    """Of a stretch of sound (int16 [n]) in noise of that level.

    SNR = (power - noise power) / noise power; no less than -20 dB, which says that there is nothing but noise.
    """
    return _worth(power(pcm), clipped(pcm) / max(len(pcm), 1), noise_dbfs)


def _worth(loud: float, share_clipped: float, noise_dbfs: float) -> Quality:
    noise = 10 ** (noise_dbfs / 10)
    snr_db = decibels(max(loud - noise, noise / 100) / noise)
    return Quality(max(decibels(loud), SILENT_DBFS), snr_db, share_clipped)


def clipped(pcm: Pcm) -> int:
    """How many samples are at the end of the scale."""
    return int(np.count_nonzero(np.abs(pcm.astype(np.int32)) >= _CLIPPED))


class Whole:
    """The quality of a sound of any length that comes in runs (int16 [n])."""

    def __init__(self) -> None:
        self._noise = Noise()
        self._waiting: Pcm = np.zeros(0, np.int16)
        self._samples = self._clipped = 0
        self._energy = 0.0

    def add(self, pcm: Pcm) -> None:
        """The next samples."""
        waiting = np.concatenate([self._waiting, pcm])
        for begin in range(0, len(waiting) - BLOCK + 1, BLOCK):
            self._count(waiting[begin : begin + BLOCK])
        self._waiting = waiting[len(waiting) // BLOCK * BLOCK :]

    def _count(self, block: Pcm) -> None:
        self._samples += len(block)
        self._clipped += clipped(block)
        self._energy += power(block) * len(block)
        self._noise.add(block)

    def quality(self) -> Quality:
        """Of all that was added; the last, shorter block counts where there is no other."""
        if self._samples == 0:
            return quality(self._waiting, self._noise.level_dbfs)
        return _worth(self._energy / self._samples, self._clipped / self._samples, self._noise.level_dbfs)


def power(pcm: Pcm) -> float:
    """Mean square about the mean against full scale, 0 to 1: what a microphone adds to every sample is no sound."""
    if len(pcm) == 0:
        return 0.0
    wide = pcm.astype(np.float32)
    wide -= wide.mean()
    return float(np.dot(wide, wide)) / len(pcm) / 32768.0**2


def level_dbfs(pcm: Pcm) -> float:
    """Root mean square level against full scale, in dB; -96 for digital silence."""
    return max(decibels(power(pcm)), SILENT_DBFS)


def decibels(ratio: float) -> float:
    """10 log10, of no less than 1e-12."""
    return 10.0 * float(np.log10(max(ratio, 1e-12)))
