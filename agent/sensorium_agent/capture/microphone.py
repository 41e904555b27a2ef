"""A microphone through PortAudio: runs of 20 ms, dated by the sound card and not by their arrival."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sensorium.clock import Clock
from sensorium.event import Modality, Sample, Sound
from sensorium_agent.capture.dating import ClockOffset, RunDater
from sensorium_agent.capture.resample import SPEECH_RATE_HZ, Resampler
from sensorium_agent.capture.sensor import Handoff, SensorFailed

_RUN_S: Final = 0.02
_LATENCY_S: Final = 0.2
"""At 0.04 s another thread that holds the interpreter for 80 ms costs an eighth of the sound."""
_KEPT: Final = 100
"""Runs that may wait for the loop: 2 s."""
_STALL_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Block:
    """What the sound card gave, with the readings that date it."""

    pcm: bytes
    begin_ns: int
    now_there_ns: int
    now_here_ns: int
    overflowed: bool


class Microphone:
    """One capture device, mono at 16 kHz; another native rate is resampled.

    Args:
        source: "default", a number or part of a name, as `sensorium devices` lists them.
        name: the source of the samples.
    """

    modality: Final = Modality.AUDIO

    def __init__(self, source: str = "default", *, name: str = "microphone") -> None:
        self.name: Final = name
        self._source = source

    async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
        """Runs of about 20 ms of int16 sound; ``at_ns`` is the end of the run."""
        handoff: Handoff[_Block] = Handoff(_KEPT)
        with _open(self._source, clock, handoff) as rate_hz:
            hearing = _Hearing(self.name, rate_hz)
            silent = f"microphone {self._source!r}: no sound for {_STALL_S:g} s; is it still plugged in? {_LIST}"
            async for block in handoff.items(stall_s=_STALL_S, stalled=silent):
                sample = hearing.sample(block, lost=handoff.take_dropped())
                if sample is not None:
                    yield sample


class _Hearing:
    """Turns the sound card's blocks into dated samples at 16 kHz."""

    def __init__(self, name: str, rate_hz: int) -> None:
        self._name = name
        self._rate_hz = rate_hz
        self._dater = RunDater(rate_hz)
        self._offset = ClockOffset()
        self._resampler = Resampler(rate_hz)
        self._number = 0

    def sample(self, block: _Block, *, lost: int = 0) -> Sample | None:
        """The next sample; None while the resampler has too little."""
        pcm = np.frombuffer(block.pcm, np.int16)
        offset_ns = self._offset.observe(block.now_there_ns, block.now_here_ns)
        measured_ns = block.begin_ns + offset_ns + round(len(pcm) / self._rate_hz * 1e9)
        end_ns = self._dater.end_ns(len(pcm), measured_ns, lost=lost > 0 or block.overflowed)
        self._number += lost
        heard = self._resampler.feed(pcm)
        if len(heard) == 0:
            return None
        number, self._number = self._number, self._number + 1
        delay_ns = self._resampler.delay_ns
        sound = Sound(heard, SPEECH_RATE_HZ)
        return Sample(Modality.AUDIO, self._name, number, end_ns - delay_ns, sound, self._dater.error_ns)


# --- PortAudio ---------------------------------------------------------------------------

_LIST: Final = "`sensorium devices` lists what is there"
_in_use = 0
_in_use_lock = threading.Lock()


def sounddevice() -> Any:
    """The sounddevice module, which loads PortAudio.

    Raises:
        SensorFailed: one of the two is not installed.
    """
    try:
        import sounddevice as sd
    except ImportError:
        raise SensorFailed("no sounddevice here: pip install 'sensorium[agent]'") from None
    except OSError:
        raise SensorFailed("the sound library PortAudio is missing: sudo apt install libportaudio2") from None
    return sd


@contextmanager
def _open(source: str, clock: Clock, handoff: Handoff[_Block]) -> Iterator[int]:
    """Record into ``handoff`` while inside; gives the rate in Hz."""
    global _in_use  # noqa: PLW0603 - PortAudio itself is one for the process
    sd = sounddevice()
    with _in_use_lock:
        if _in_use == 0:
            _look_again(sd)
        _in_use += 1
    try:
        try:
            device = _device(sd, source)
            rate_hz = _rate(sd, device)
            stream = _stream(sd, device, rate_hz, clock, handoff)
        except (sd.PortAudioError, ValueError) as error:
            raise SensorFailed(f"microphone {source!r}: {_first_line(error)}; {_LIST}") from error
        with stream:
            yield rate_hz
    finally:
        with _in_use_lock:
            _in_use -= 1


def _look_again(sd: Any) -> None:
    """PortAudio lists devices once; only a new start finds what was plugged in since."""
    sd._terminate()  # noqa: SLF001 - the documented way, there is no public one
    sd._initialize()  # noqa: SLF001


def _device(sd: Any, source: str) -> int | str | None:
    if source == "default":
        # An index of -1 means that there is no default: say that, and not PortAudio's riddle.
        if not any(d["max_input_channels"] for d in sd.query_devices()):
            raise SensorFailed("no microphone is connected: plug one in, or leave out [microphone]")
        return None
    return int(source) if source.isdigit() else source


def _rate(sd: Any, device: int | str | None) -> int:
    """16 kHz where the device can, else its own rate."""
    try:
        sd.check_input_settings(device=device, channels=1, dtype="int16", samplerate=SPEECH_RATE_HZ)
    except sd.PortAudioError:
        return int(sd.query_devices(device, "input")["default_samplerate"])
    return SPEECH_RATE_HZ


def _stream(sd: Any, device: int | str | None, rate_hz: int, clock: Clock, handoff: Handoff[_Block]) -> Any:
    def heard(data: Any, _frames: int, when: Any, status: Any) -> None:
        # PortAudio waits for this: copy, hand over, return.
        now_ns = clock.now_ns()
        there_ns = round(when.currentTime * 1e9)
        begin_ns = round(when.inputBufferAdcTime * 1e9) or there_ns
        handoff.put(_Block(bytes(data), begin_ns, there_ns, now_ns, bool(status.input_overflow)))

    return sd.RawInputStream(
        device=device,
        samplerate=rate_hz,
        blocksize=round(rate_hz * _RUN_S),
        channels=1,
        dtype="int16",
        latency=_LATENCY_S,
        callback=heard,
        finished_callback=handoff.close,
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
