"""Sounds to learn from: out of recordings, or from a microphone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from sensorium.clock import Clock
from sensorium.errors import SensoriumError
from sensorium.event import Modality, Sample, Sound
from sensorium_agent.capture.recording import open_recording
from sensorium_agent.capture.resample import SPEECH_RATE_HZ, Resampler
from sensorium_agent.infer import lanes
from sensorium_agent.infer.runtime.model import Model
from sensorium_agent.infer.runtime.shelf import Shelf
from sensorium_agent.infer.sound.embedding import STEP, Spectrogram
from sensorium_agent.infer.sound.own import OWN_FROM
from sensorium_agent.infer.sound.pieces import LONGEST, bounds, numbers, pieces
from sensorium_agent.infer.taught import Taught

Floats = npt.NDArray[np.float32]
Pcm = npt.NDArray[np.int16]

_OVER: Final = 50  # rows of quiet after which a sound is over
_KEPT_S: Final = 6.0
_PATIENCE_S: Final = 60.0
_LOOK_S: Final = 0.2


class NoSounds(SensoriumError):
    """There is nothing to learn from."""


class Listening(Protocol):
    """A microphone, or what stands for one."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
        """Runs of sound."""


def sounds_in(file: Path, models: Shelf, most: int) -> list[Floats]:
    """At most ``most`` sounds [385] of a file: its rows, then its numbers; pauses of 0.4 s part them.

    Raises:
        RecordingError: it cannot be read.
        NoSounds: nothing stands out in it, or only what is too long.
    """
    pcm = np.concatenate([np.zeros(0, np.int16), *_runs(file)])
    found = [_example(p.end - p.begin, p.numbers) for p in pieces(pcm, models.model("speech_embedding"))]
    if not found:
        longest_s = LONGEST * STEP / SPEECH_RATE_HZ
        raise NoSounds(f"{file}: no sound of up to {longest_s:g} s in it; leave half a second of quiet around each")
    chosen = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return [found[place] for place in chosen]


def _runs(file: Path) -> Iterator[Pcm]:
    recording = open_recording(file, [Modality.AUDIO])
    resampler: Resampler | None = None
    for sample in recording.samples():
        if not isinstance(sample.data, Sound):
            continue
        if sample.data.rate_hz == SPEECH_RATE_HZ:
            yield sample.data.pcm
            continue
        resampler = resampler or Resampler(sample.data.rate_hz)
        yield resampler.feed(sample.data.pcm)
    if resampler is not None:
        yield resampler.finish()


def _example(rows: int, own: Floats) -> Floats:
    return np.concatenate([[rows], own]).astype(np.float32)


async def sounds_before(microphone: Listening, clock: Clock, models: Shelf) -> AsyncIterator[Floats]:
    """The sounds [385] that a microphone hears, until nobody asks for more.

    Raises:
        NoSounds: none was heard for a minute.
        SensorFailed: the microphone cannot be used.
    """
    embedding = models.model("speech_embedding")
    waiting, since_ns, looked_ns = np.zeros(0, np.int16), clock.now_ns(), 0
    async with aclosing(microphone.samples(clock)) as samples:
        async for sample in samples:
            assert isinstance(sample.data, Sound)
            waiting = np.concatenate([waiting, sample.data.pcm])[-round(_KEPT_S * SPEECH_RATE_HZ) :]
            if sample.at_ns - looked_ns >= _LOOK_S * 1e9:
                looked_ns = sample.at_ns
                found = await asyncio.to_thread(_over, waiting, embedding)
                if found is not None:
                    waiting, since_ns = waiting[:0], sample.at_ns
                    yield found
            if sample.at_ns - since_ns > _PATIENCE_S * 1e9:
                raise NoSounds(
                    f"{microphone.name}: nothing stood out for {_PATIENCE_S:.0f} s; come nearer, or be louder"
                )


def _over(pcm: Pcm, embedding: Model) -> Floats | None:
    """The last sound that is over, if there is one."""
    rows = Spectrogram().feed(pcm)
    done = [(begin, end) for begin, end in bounds(rows) if end <= len(rows) - _OVER and end - begin <= LONGEST]
    return _example(done[-1][1] - done[-1][0], numbers(rows, *done[-1], embedding)) if done else None


def hardly_heard(taught: Taught, name: str) -> tuple[int, str]:
    """How many of a sound's own examples would not be known if the others taught it, and what they are rather."""
    examples = taught.sounds()[name]
    missed: Counter[str] = Counter()
    for left_out in range(len(examples)) if len(examples) > 1 else ():
        others = np.delete(examples, left_out, axis=0)
        own = lanes.own_sounds(taught.with_only(name, others))
        assert own is not None, "the sound has examples"
        chances = own.told(examples[left_out, np.newaxis, 1:])[0]
        if chances[own.names.index(name)] <= OWN_FROM:
            missed[own.names[int(chances.argmax())] if chances.max() > OWN_FROM else ""] += 1
    return missed.total(), missed.most_common(1)[0][0] if missed else ""
