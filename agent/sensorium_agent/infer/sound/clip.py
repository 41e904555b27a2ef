"""What is said after a wake word, as a clip for whoever may hear it: the device's networks know commands, no sentences.

A clip is a recording of a person. It is made only where settings ask for it, leaves only where they let the media of
sound leave, and is of what was said to the device after it was called.
"""

from __future__ import annotations

import io
import wave
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from sensorium.event import Event, EventStream, Media, Sample, Sound
from sensorium_agent.capture.resample import Resampler
from sensorium_agent.infer.perceiver import Perceiver
from sensorium_agent.infer.sound.own import OwnSounds

_RATE_HZ: Final = 16_000
_NS: Final = 1_000_000_000
_PAUSE_NS: Final = 900_000_000
"""Whoever says nothing for so long has finished: speech that goes on is told every 250 ms."""
_BEFORE_NS: Final = 300_000_000
"""Of sound before the voice was sure."""

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Clipping:
    """When clips are made.

    Attributes:
        wake_words: labels after which one is.
        wake_s: how long after one somebody has to begin to speak.
        longest_s: of a clip; what is said beyond is not in it.
    """

    wake_words: Collection[str]
    wake_s: float = 8.0
    longest_s: float = 6.0


class Ear(Perceiver, Protocol):
    """A perceiver of sound that learns sounds of the user's own."""

    def learn(self, own: OwnSounds | None) -> None:
        """Go by other sounds of the user's own."""


class Clipper:
    """A perceiver of sound: the events of ``inner``, and after a wake word one more, with what was said as a clip.

    Args:
        inner: hears speech and wake words.
        stream: numbers the clips' events.
        clipping: when they are made.
    """

    def __init__(self, inner: Ear, stream: EventStream, clipping: Clipping) -> None:
        self._inner = inner
        self._stream = stream
        self._clipping = clipping
        self._runs: deque[tuple[int, int, Pcm]] = deque()
        self._called_ns: int | None = None
        self._said: tuple[int, int, Event] | None = None
        self._resampler: tuple[int, Resampler] | None = None

    def perceive(self, sample: Sample) -> Sequence[Event]:
        """What this run of sound completes."""
        self._keep(sample)
        return self._with_clip(self._inner.perceive(sample), sample.at_ns)

    def learn(self, own: OwnSounds | None) -> None:
        """Go by other sounds of the user's own from the next run on; from any thread."""
        self._inner.learn(own)

    def finish(self, now_ns: int) -> Sequence[Event]:
        """What was pending, and what was being said."""
        events = self._with_clip(self._inner.finish(now_ns), now_ns)
        return [*events, *self._clip(now_ns)]

    def _with_clip(self, events: Sequence[Event], now_ns: int) -> Sequence[Event]:
        for event in events:
            self._note(event)
        if self._said is None:
            return events
        begin_ns, end_ns, _ = self._said
        over = now_ns - end_ns >= _PAUSE_NS or now_ns - begin_ns >= self._longest_ns
        return [*events, *self._clip(now_ns)] if over else events

    def _note(self, event: Event) -> None:
        """Begin with a call, and follow the speech after it."""
        if event.label in self._clipping.wake_words:
            self._called_ns, self._said = event.at_ns, None
        elif event.label == "speech" and self._called_ns is not None:
            began_ns = self._said[0] if self._said else max(event.at_ns - event.span_ns - _BEFORE_NS, self._called_ns)
            if self._said or began_ns <= self._called_ns + self._clipping.wake_s * _NS:
                self._said = began_ns, event.at_ns, event

    def _clip(self, now_ns: int) -> list[Event]:
        """What was said, if anything was; the next needs another call."""
        if self._said is None:
            return []
        begin_ns, end_ns, speech = self._said
        self._called_ns = self._said = None
        end_ns = min(end_ns + _BEFORE_NS, begin_ns + self._longest_ns, now_ns)
        pcm = self._between(begin_ns, end_ns)
        if not len(pcm):
            return []
        return [
            self._stream.event(
                now_ns,
                at_error_ns=speech.at_error_ns,
                span_ns=now_ns - begin_ns,
                label="speech",
                score=speech.score,
                quality=speech.quality,
                media=Media("audio/wav", wav(pcm)),
            )
        ]

    @property
    def _longest_ns(self) -> int:
        return round(self._clipping.longest_s * _NS)

    def _keep(self, sample: Sample) -> None:
        """Remember the run; what is older than a clip and its pause is forgotten."""
        sound = sample.data
        assert isinstance(sound, Sound)
        begin_ns = sample.at_ns - len(sound.pcm) * _NS // sound.rate_hz
        self._runs.append((begin_ns, sample.at_ns, self._resampled(sound)))
        while self._runs[0][1] < sample.at_ns - self._longest_ns - 2 * _PAUSE_NS:
            self._runs.popleft()

    def _resampled(self, sound: Sound) -> Pcm:
        if sound.rate_hz == _RATE_HZ:
            return sound.pcm
        if self._resampler is None or self._resampler[0] != sound.rate_hz:
            self._resampler = sound.rate_hz, Resampler(sound.rate_hz)
        return self._resampler[1].feed(sound.pcm)

    def _between(self, begin_ns: int, end_ns: int) -> Pcm:
        runs = [pcm for began_ns, ended_ns, pcm in self._runs if ended_ns > begin_ns and began_ns < end_ns]
        return np.concatenate(runs) if runs else np.zeros(0, np.int16)


def wav(pcm: Pcm) -> bytes:
    """16-bit mono at 16 kHz as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as clip:
        clip.setnchannels(1)
        clip.setsampwidth(2)
        clip.setframerate(_RATE_HZ)
        clip.writeframes(pcm.astype("<i2").tobytes())
    return file.getvalue()
