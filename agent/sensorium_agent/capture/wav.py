"""Reads WAV files block by block: what the standard library's reader leaves out, too.

Format: Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991), and
Multiple Channel Audio Data and WAVE Files (Microsoft) for the extensible header; ITU-T G.711
(1988) for A-law and mu-law.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

_PCM: Final = 1
_FLOAT: Final = 3
_A_LAW: Final = 6
_MU_LAW: Final = 7
_EXTENSIBLE: Final = 0xFFFE
_BITS: Final = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64), _A_LAW: (8,), _MU_LAW: (8,)}
_RAW_RATE_HZ: Final = 16_000
_LENGTH_UNKNOWN: Final = 0x7000_0000
"""Who writes into a pipe says a number near 2^31 or 2^32."""
_CUT_OFF: Final = 0.9
_LEAST_RATE_HZ: Final = 1000
_MOST_RATE_HZ: Final = 768_000
_MOST_CHANNELS: Final = 64


def _mu_law() -> npt.NDArray[np.float64]:
    """What each of the 256 bytes means, in -1 to 1: G.711, table 2, written with its bits inverted."""
    code = ~np.arange(256, dtype=np.uint8)
    size = ((2.0 * (code & 15) + 33) * 2.0 ** (code >> 4 & 7) - 33) / 8192
    return np.where(code & 128, -size, size)


def _a_law() -> npt.NDArray[np.float64]:
    """What each of the 256 bytes means, in -1 to 1: G.711, table 1, written with every other bit inverted."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, step = code >> 4 & 7, 2.0 * (code & 15) + 1
    size = np.where(exponent > 0, (step + 32) * 2.0 ** (exponent - 1.0), step) / 4096
    return np.where(code & 128, size, -size)


_COMPANDED: Final = {_A_LAW: _a_law(), _MU_LAW: _mu_law()}


log = logging.getLogger(__name__)


class BadWav(ValueError):
    """Not a WAV file this reader understands; the text says why."""


@dataclass(frozen=True, slots=True)
class Wav:
    """Where the samples of a WAV file are, and what they look like.

    Attributes:
        path: the file.
        rate_hz: frames a second.
        channels: samples a frame.
        bits: of one sample; 8 is unsigned.
        coding: 1 for integers, 3 for IEEE floats, 6 for A-law, 7 for mu-law.
        begin: first byte of the samples.
        frames: how many there are.
    """

    path: Path
    rate_hz: int
    channels: int
    bits: int
    coding: int
    begin: int
    frames: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.bits // 8

    def blocks(self, frames: int) -> Iterator[npt.NDArray[np.int16]]:
        """The samples as mono int16, ``frames`` at a time; the last block may be shorter."""
        with self.path.open("rb") as file:
            file.seek(self.begin)
            left = self.frames
            while left > 0 and (data := file.read(min(frames, left) * self.frame_bytes)):
                whole = data[: len(data) // self.frame_bytes * self.frame_bytes]
                left -= frames
                yield self._mono(whole)

    def _mono(self, data: bytes) -> npt.NDArray[np.int16]:
        loud = self._full_scale(data).reshape(-1, self.channels).mean(axis=1)
        return np.asarray(np.clip(np.rint(loud * 32768), -32768, 32767), np.int16)

    def _full_scale(self, data: bytes) -> npt.NDArray[np.float64]:
        """Samples in -1 to 1."""
        if self.coding in _COMPANDED:
            return _COMPANDED[self.coding][np.frombuffer(data, np.uint8)]
        if self.coding == _FLOAT:
            values = np.frombuffer(data, f"<f{self.bits // 8}").astype(np.float64)
            return np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=-1.0)
        if self.bits == 8:
            return (np.frombuffer(data, np.uint8).astype(np.float64) - 128) / 128
        if self.bits == 24:
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            return wide.view("<i4")[:, 0].astype(np.float64) / 2**31
        return np.frombuffer(data, f"<i{self.bits // 8}").astype(np.float64) / 2.0 ** (self.bits - 1)


def read_sound(path: Path) -> Wav:
    """A WAV file, or a ``.raw`` one: bare samples of 16 bits, little-endian, mono, at 16 kHz.

    Raises:
        BadWav: see `read_header`; or the raw file is empty.
        OSError: it cannot be read.
    """
    if path.suffix.lower() != ".raw":
        return read_header(path)
    raw = Wav(path, _RAW_RATE_HZ, 1, 16, coding=_PCM, begin=0, frames=path.stat().st_size // 2)
    if raw.frames == 0:
        raise BadWav("it has no samples")
    return raw


def read_header(path: Path) -> Wav:
    """What kind of WAV ``path`` is.

    Raises:
        BadWav: it is none, is cut off before its samples, or has a coding that is not PCM, float, A-law or mu-law.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise BadWav("it does not begin with RIFF ... WAVE")
        form: tuple[int, int, int, int] | None = None
        while len(chunk := file.read(8)) == 8:
            kind, length = struct.unpack("<4sI", chunk)
            if kind == b"fmt ":
                form = _format(file.read(length + length % 2))
            elif kind == b"data":
                return _wav(path, form, file.tell(), _there(path, length, size - file.tell()))
            else:
                _skip(file, length)
    raise BadWav("it has no samples")


def trouble_with(channels: int, rate_hz: int) -> str:
    """Why nobody's sound is like that; empty if it may be."""
    if 1 <= channels <= _MOST_CHANNELS and _LEAST_RATE_HZ <= rate_hz <= _MOST_RATE_HZ:
        return ""
    return f"{channels} channels at {rate_hz} Hz"


def _there(path: Path, length: int, left: int) -> int:
    """How many of the bytes that a file says to have are there."""
    if left < _CUT_OFF * length and length < _LENGTH_UNKNOWN:
        log.warning("sound.cut_off file=%s has_bytes=%d of_bytes=%d", path, left, length)
    return min(length, left)


def _skip(file: BinaryIO, length: int) -> None:
    file.seek(length + length % 2, 1)


def _format(data: bytes) -> tuple[int, int, int, int]:
    """Coding, channels, rate and bits."""
    if len(data) < 16:
        raise BadWav("its format chunk is cut off")
    coding, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", data[:16])
    if coding == _EXTENSIBLE and len(data) >= 26:
        coding = struct.unpack("<H", data[24:26])[0]
    return coding, channels, rate_hz, bits


def _wav(path: Path, form: tuple[int, int, int, int] | None, begin: int, length: int) -> Wav:
    if form is None:
        raise BadWav("its samples come before their format")
    coding, channels, rate_hz, bits = form
    if bits not in _BITS.get(coding, ()):
        raise BadWav(f"coding {coding} with {bits} bits is not PCM of 8, 16, 24 or 32 bits, float, A-law or mu-law")
    if trouble := trouble_with(channels, rate_hz):
        raise BadWav(trouble)
    frames = length // (channels * bits // 8)
    if frames == 0:
        raise BadWav("it has no samples")
    return Wav(path, rate_hz, channels, bits, coding, begin, frames)
