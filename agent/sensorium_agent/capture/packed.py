"""Reads any sound: WAV by `wav`, compressed and other kinds by libsndfile, block by block."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium_agent import chatter
from sensorium_agent.capture import wav
from sensorium_agent.capture.files import BadFile

PACKED_KINDS: Final = frozenset({".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"})
_ENDLESS: Final = 1 << 62
"""libsndfile gives more frames than this to a stream that went into a pipe and does not know its length."""
_CUT_OFF: Final = 0.9
"""Of the frames that a file says to have; MP3 only estimates them."""
_CHATTER: Final = (b"Note: ", b"Warning: Xing", b"[src/libmpg123")

log = logging.getLogger(__name__)

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Packed:
    """Sound in a file that libsndfile reads.

    Attributes:
        path: the file.
        rate_hz: frames a second.
        frames: how many there are, by its header.
    """

    path: Path
    rate_hz: int
    frames: int

    def blocks(self, frames: int) -> Iterator[Pcm]:
        """The samples as mono int16, ``frames`` at a time; what is cut off ends there, with a warning."""
        got = 0
        with _opened(self.path) as file:
            while got < self.frames and len(block := _read(file, min(frames, self.frames - got))):
                got += len(block)
                yield block
        if got < _CUT_OFF * self.frames:
            has_s, of_s = got / self.rate_hz, self.frames / self.rate_hz
            log.warning("sound.cut_off file=%s has_s=%.1f of_s=%.1f", self.path, has_s, of_s)


def read_sound(path: Path) -> wav.Wav | Packed:
    """The sound in a file, whatever its coding.

    Raises:
        BadFile: it is damaged, has no samples or no length, or nothing here can read it.
        BadWav: it is a WAV file of which this is so.
        OSError: it cannot be read.
    """
    if path.suffix.lower() in PACKED_KINDS:
        return _packed(path)
    try:
        return wav.read_sound(path)
    except wav.BadWav:
        if path.suffix.lower() != ".raw":
            with contextlib.suppress(BadFile):
                return _packed(path)  # compressed, or larger than 4 GiB
        raise


def _packed(path: Path) -> Packed:
    with _opened(path) as file:
        if file.frames > _ENDLESS:
            raise BadFile("it does not say how long it is, as what was written into a pipe")
        if file.frames <= 0:
            raise BadFile("it has no samples")
        if trouble := wav.trouble_with(file.channels, file.samplerate):
            raise BadFile(trouble)
        return Packed(path, file.samplerate, file.frames)


def _opened(path: Path) -> Any:
    """The file as libsndfile has it.

    Raises:
        BadFile: it is damaged or of a kind that libsndfile does not know, or there is no libsndfile.
    """
    try:
        import soundfile
    except ImportError as error:
        raise BadFile("no soundfile here reads it: pip install 'sensorium[agent]'") from error
    except OSError as error:  # soundfile is here, and its library is not
        raise BadFile("no libsndfile here reads it: apt install libsndfile1") from error
    try:
        with chatter.held_back(*_CHATTER):
            file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise BadFile("it is damaged, or not sound") from error
    # After each read soundfile seeks to where it is, and libmpg123 then gives silence.
    file.seekable = lambda: False
    return file


def _read(file: Any, frames: int) -> Pcm:
    """The next samples as mono int16, none where they end or are damaged."""
    import soundfile

    try:
        with chatter.held_back(*_CHATTER):
            block = file.read(frames, dtype="float64", always_2d=True)
    except soundfile.LibsndfileError:
        return np.zeros(0, np.int16)
    loud = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0).mean(axis=1)
    return np.asarray(np.clip(np.rint(loud * 32768), -32768, 32767), np.int16)
