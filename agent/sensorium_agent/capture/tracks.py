"""Files as what a sensor would have given: sound, text, touch and pulse. Pictures are in `scene`.

Every track begins at 0 ns and can be played again and again, with the same samples each time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from sensorium.event import Conductance, Intervals, Modality, Pulse, Sample, Sound, Text, Touch
from sensorium_agent.capture.packed import PACKED_KINDS, Packed
from sensorium_agent.capture.resample import SPEECH_RATE_HZ, Resampler
from sensorium_agent.capture.wav import Wav

SOUND_KINDS: Final = frozenset({".wav", ".wave", ".raw"}) | PACKED_KINDS

_RUN: Final = SPEECH_RATE_HZ // 50
"""20 ms."""
_BLOCK_FRAMES: Final = 8192
_PULSE_RUN_S: Final = 0.2
_TOUCH_BYTES: Final = 24
_WRITTEN_NS: Final = 500_000
"""Files give times to the millisecond."""

Pcm = npt.NDArray[np.int16]


class Track(Protocol):
    """One sensor's part of a recording."""

    @property
    def name(self) -> str:
        """The source of the samples."""

    @property
    def modality(self) -> Modality:
        """The sense of the samples."""

    @property
    def duration_s(self) -> float:
        """From 0 to the end of its last sample."""

    @property
    def captured_bytes(self) -> int:
        """Size of all samples as a sensor would have given them, uncompressed."""

    def samples(self) -> Iterator[Sample]:
        """In order of time, from 0 ns."""


def _half(rate_hz: float) -> int:
    """Half a period: by so much the instant of the last value may be off."""
    return round(0.5e9 / rate_hz)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


# --- sound -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clip:
    """A file of sound on the time line."""

    sound: Wav | Packed
    at_s: float = 0.0
    from_s: float = 0.0
    for_s: float | None = None
    gain: float = 1.0

    @property
    def length_s(self) -> float:
        """How long it is heard."""
        left_s = max(0.0, self.sound.frames / self.sound.rate_hz - self.from_s)
        return left_s if self.for_s is None else min(left_s, self.for_s)

    @property
    def begin(self) -> int:
        """Its first sample on the time line."""
        return round(self.at_s * SPEECH_RATE_HZ)

    @property
    def end(self) -> int:
        """The sample after its last."""
        return self.begin + round(self.length_s * SPEECH_RATE_HZ)

    def runs(self) -> Iterator[Pcm]:
        """Its samples at 16 kHz, from the beginning of the file."""
        resampler = Resampler(self.sound.rate_hz)
        for block in self.sound.blocks(_BLOCK_FRAMES):
            yield resampler.feed(block)
        yield resampler.finish()


class _Voice:
    """Reads one clip in the steps of the time line."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._runs = clip.runs()
        self._held: Pcm = np.zeros(0, np.int16)
        self._take(round(clip.from_s * SPEECH_RATE_HZ))

    def add_to(self, mix: npt.NDArray[np.float32], begin: int) -> None:
        """Add what is heard from sample ``begin`` on to ``mix``."""
        first, last = max(self._clip.begin, begin), min(self._clip.end, begin + len(mix))
        if first < last:
            heard = self._take(last - first)
            mix[first - begin : first - begin + len(heard)] += self._clip.gain * heard

    def _take(self, count: int) -> Pcm:
        parts, have = [self._held], len(self._held)
        while have < count and (run := next(self._runs, None)) is not None:
            parts.append(run)
            have += len(run)
        held = np.concatenate(parts)
        self._held = held[count:]
        return held[:count]


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """A microphone that hears ``clips`` and, between them, silence."""

    clips: tuple[Clip, ...]
    duration_s: float
    name: str = "microphone"
    modality: Modality = Modality.AUDIO

    @property
    def captured_bytes(self) -> int:
        """Two bytes a sample."""
        return 2 * round(self.duration_s * SPEECH_RATE_HZ)

    def samples(self) -> Iterator[Sample]:
        """Runs of 20 ms at 16 kHz; ``at_ns`` is the end of the run; the last may be shorter."""
        voices = [_Voice(clip) for clip in self.clips]
        total = round(self.duration_s * SPEECH_RATE_HZ)
        for number, begin in enumerate(range(0, total, _RUN)):
            mix = np.zeros(min(_RUN, total - begin), np.float32)
            for voice in voices:
                voice.add_to(mix, begin)
            pcm = np.clip(np.rint(mix), -32768, 32767).astype(np.int16)
            at_ns = (begin + len(pcm)) * 1_000_000_000 // SPEECH_RATE_HZ
            yield Sample(self.modality, self.name, number, at_ns, Sound(pcm, SPEECH_RATE_HZ), _half(SPEECH_RATE_HZ))


# --- text and touch ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextTrack:
    """Lines at their times (seconds)."""

    lines: tuple[tuple[float, str], ...]
    name: str = "text"
    modality: Modality = Modality.TEXT

    @property
    def duration_s(self) -> float:
        """The last line's time."""
        return max((at_s for at_s, _ in self.lines), default=0.0)

    @property
    def captured_bytes(self) -> int:
        """UTF-8."""
        return sum(len(line.encode()) for _, line in self.lines)

    def samples(self) -> Iterator[Sample]:
        """One a line."""
        for number, (at_s, line) in enumerate(self.lines):
            yield Sample(self.modality, self.name, number, _ns(at_s), Text(line), _WRITTEN_NS)


@dataclass(frozen=True, slots=True)
class TouchTrack:
    """Touches at their times (seconds)."""

    touches: tuple[tuple[float, Touch], ...]
    name: str = "touch"
    modality: Modality = Modality.HAPTIC

    @property
    def duration_s(self) -> float:
        """The last touch's time."""
        return max((at_s for at_s, _ in self.touches), default=0.0)

    @property
    def captured_bytes(self) -> int:
        """Two coordinates and a time, in 8 bytes each."""
        return _TOUCH_BYTES * len(self.touches)

    def samples(self) -> Iterator[Sample]:
        """One a touch."""
        for number, (at_s, touch) in enumerate(self.touches):
            yield Sample(self.modality, self.name, number, _ns(at_s), touch, _WRITTEN_NS)


# --- heart and skin -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class PulseRun:
    """Values at a constant rate on the time line."""

    values: npt.NDArray[np.float32]
    rate_hz: float
    at_s: float = 0.0

    @property
    def end_s(self) -> float:
        """When the last value is there."""
        return self.at_s + len(self.values) / self.rate_hz


@dataclass(frozen=True, slots=True, eq=False)
class SkinRun(PulseRun):
    """Skin conductance in microsiemens at a constant rate on the time line."""


@dataclass(frozen=True, slots=True, eq=False)
class BeatRun:
    """Intervals between beats in ms, and when each ended on the time line."""

    values: npt.NDArray[np.float32]
    ends_s: npt.NDArray[np.float64]

    @property
    def end_s(self) -> float:
        """When the last one ended."""
        return float(self.ends_s[-1]) if len(self.ends_s) else 0.0


@dataclass(frozen=True, slots=True)
class PulseTrack:
    """Sensors of heart and skin that are worn during ``runs``."""

    runs: Sequence[PulseRun | BeatRun]
    name: str = "pulse"
    modality: Modality = Modality.BIOMETRIC

    @property
    def duration_s(self) -> float:
        """The last value's time."""
        return max((run.end_s for run in self.runs), default=0.0)

    @property
    def captured_bytes(self) -> int:
        """Four bytes a value."""
        return sum(run.values.nbytes for run in self.runs)

    def samples(self) -> Iterator[Sample]:
        """Runs of about 0.2 s, or an interval at its end; ``at_ns`` is the time of the last value."""
        told = heapq.merge(*map(_felt, self.runs), key=lambda pair: pair[0])
        for number, (at_ns, data) in enumerate(told):
            error_ns = _WRITTEN_NS if isinstance(data, Intervals) else _half(data.rate_hz)
            yield Sample(self.modality, self.name, number, at_ns, data, error_ns)


def _felt(run: PulseRun | BeatRun) -> Iterator[tuple[int, Pulse | Conductance | Intervals]]:
    """What a sensor gives, and when."""
    if isinstance(run, BeatRun):
        for end_s, ms in zip(run.ends_s.tolist(), run.values, strict=True):
            yield _ns(end_s), Intervals(np.array([ms], np.float32))
        return
    kind = Conductance if isinstance(run, SkinRun) else Pulse
    step = max(1, round(run.rate_hz * _PULSE_RUN_S))
    for begin in range(0, len(run.values), step):
        values = run.values[begin : begin + step]
        yield _ns(run.at_s + (begin + len(values)) / run.rate_hz), kind(values, run.rate_hz)
