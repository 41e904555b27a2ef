"""The microphone hears what is played, bit by bit, at the time it was played."""

from __future__ import annotations

import asyncio
import builtins
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from services import SoundServer, sound_server

from sensorium.clock import DeviceClock, ManualClock
from sensorium.event import Sample, Sound
from sensorium_agent.capture.microphone import Microphone
from sensorium_agent.capture.sensor import SensorFailed

RATE_HZ = 16_000


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    with sound_server(tmp_path) as started:
        for name, value in started.environment.items():
            monkeypatch.setenv(name, value)
        yield started


def a_wav(path: Path, pcm: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, len(pcm), "NONE", ""))
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(7).integers(-12_000, 12_000, round(seconds * RATE_HZ)).astype(np.int16)


async def hear(microphone: Microphone, server: SoundServer, wav: Path, *, seconds: float) -> list[Sample]:
    """Everything from 0.5 s before ``wav`` is played, for ``seconds``."""
    heard: list[Sample] = []
    played: asyncio.Future[None] | None = None
    samples = microphone.samples(DeviceClock())
    async for sample in samples:
        heard.append(sample)
        if played is None and len(heard) == 25:
            played = asyncio.get_running_loop().run_in_executor(None, server.play, wav)
        if len(heard) >= seconds * 50:
            break
    await samples.aclose()
    assert played is not None
    await played
    return heard


def pcm_of(samples: list[Sample]) -> np.ndarray:
    sounds = [s.data for s in samples if isinstance(s.data, Sound)]
    return np.concatenate([sound.pcm for sound in sounds])


def found_at(wanted: np.ndarray, heard: np.ndarray) -> int:
    """Where ``wanted`` fits ``heard`` best."""
    n = 1 << (len(heard) + len(wanted)).bit_length()
    fit = np.fft.irfft(np.fft.rfft(heard, n) * np.conj(np.fft.rfft(wanted, n)), n)
    return int(np.argmax(fit[: len(heard)]))


async def test_what_is_played_is_heard_bit_by_bit(server: SoundServer, tmp_path: Path) -> None:
    played = noise(1.0)

    heard = await hear(Microphone("agent_mic"), server, a_wav(tmp_path / "noise.wav", played), seconds=3.5)

    pcm = pcm_of(heard)
    begin = found_at(played.astype(float), pcm.astype(float))
    assert np.array_equal(pcm[begin : begin + len(played)], played)


async def test_runs_are_numbered_and_dated_by_their_samples(server: SoundServer, tmp_path: Path) -> None:
    began_ns = DeviceClock().now_ns()

    heard = await hear(Microphone("default"), server, a_wav(tmp_path / "noise.wav", noise(0.1)), seconds=2)

    assert [s.sequence for s in heard] == list(range(len(heard)))
    assert {s.data.rate_hz for s in heard if isinstance(s.data, Sound)} == {RATE_HZ}
    steps_ms = np.diff([s.at_ns for s in heard]) / 1e6
    assert (steps_ms > 0).all()
    assert abs(np.median(steps_ms) - 20) < 1
    assert began_ns - 1e9 < heard[0].at_ns <= heard[-1].at_ns < DeviceClock().now_ns() + 1e8


async def test_a_microphone_that_is_not_there_is_one_line(server: SoundServer) -> None:
    with pytest.raises(SensorFailed, match="sensorium devices") as failure:
        await anext(Microphone("no such thing").samples(ManualClock()))

    assert "\n" not in str(failure.value)


async def test_a_missing_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_portaudio(name, *args, **kwargs):
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_portaudio)

    with pytest.raises(SensorFailed, match="sudo apt install libportaudio2"):
        await anext(Microphone().samples(ManualClock()))
