"""After a wake word what is said becomes one clip, and nothing else ever does."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sensorium.event import Event, EventStream, Modality, Sample, Sound
from sensorium.limits import MEDIA_BYTES
from sensorium.settings import SettingsError
from sensorium_agent._app.settings import read
from sensorium_agent.infer.sound.clip import Clipper, Clipping

RATE_HZ = 16_000
MS = 1_000_000
RUN_MS = 20


class Script:
    """Hears what is written down: labels by the milliseconds at which they are told."""

    def __init__(self, stream: EventStream, told: dict[int, str]) -> None:
        self._stream, self._told = stream, told

    def perceive(self, sample: Sample) -> Sequence[Event]:
        label = self._told.get(sample.at_ns // MS)
        return [self._stream.event(sample.at_ns, label=label, score=0.9, span_ns=100 * MS)] if label else []

    def finish(self, now_ns: int) -> Sequence[Event]:
        return []

    def learn(self, own: object) -> None:
        self._told = {}


def clips(told: dict[int, str], *, lasts_ms: int = 4000, rate_hz: int = RATE_HZ, finish: bool = False) -> list[Event]:
    """The events with clips, of sound whose samples count the milliseconds."""
    stream = EventStream("kitchen", Modality.AUDIO)
    clipper = Clipper(Script(stream, told), stream, Clipping(("okay_nabu",), wake_s=2.0, longest_s=1.5))
    events: list[Event] = []
    for number in range(lasts_ms // RUN_MS):
        end_ms = (number + 1) * RUN_MS
        pcm = np.repeat(np.arange(end_ms - RUN_MS, end_ms), rate_hz // 1000).astype(np.int16)
        events += clipper.perceive(Sample(Modality.AUDIO, "mic", number, end_ms * MS, Sound(pcm, rate_hz)))
    if finish:
        events += clipper.finish(lasts_ms * MS)
    assert [event.sequence for event in events] == list(range(len(events)))
    return [event for event in events if event.media]


def heard(event: Event) -> tuple[int, int]:
    """From which to which millisecond a clip goes."""
    assert event.media is not None
    assert event.media.content_type == "audio/wav"
    with wave.open(io.BytesIO(event.media.data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return int(pcm[0]), int(pcm[-1]) + 1


def test_what_is_said_after_a_wake_word_is_one_clip_that_begins_with_the_call() -> None:
    (clip,) = clips({1000: "okay_nabu", 1200: "speech", 1440: "speech", 1700: "speech"})

    assert heard(clip) == (1000, 2000)
    assert (clip.label, clip.at_ns) == ("speech", 2500 * MS)


def test_speech_that_nobody_called_the_device_for_is_never_a_clip() -> None:
    assert clips({200: "speech", 440: "speech"}) == []
    assert clips({200: "okay_nabu", 3000: "speech"}) == []


def test_each_clip_needs_a_call_of_its_own() -> None:
    assert len(clips({500: "okay_nabu", 700: "speech", 2500: "speech", 2740: "speech"})) == 1
    assert len(clips({500: "okay_nabu", 700: "speech", 2000: "okay_nabu", 2300: "speech"})) == 2


def test_a_clip_ends_where_it_may_be_no_longer() -> None:
    talk = dict.fromkeys(range(1200, 4000, 240), "speech")

    (clip,) = clips({1000: "okay_nabu", **talk})

    assert heard(clip) == (1000, 2500)
    assert clip.media is not None
    assert len(clip.media.data) < MEDIA_BYTES


def test_what_the_ear_learns_reaches_it() -> None:
    stream = EventStream("kitchen", Modality.AUDIO)
    clipper = Clipper(ear := Script(stream, {20: "speech"}), stream, Clipping(("okay_nabu",)))

    clipper.learn(None)

    assert ear._told == {}


def test_what_is_being_said_at_the_end_is_a_clip_too() -> None:
    (clip,) = clips({500: "okay_nabu", 900: "speech"}, lasts_ms=1000, finish=True)

    assert heard(clip) == (500, 1000)


def test_sound_of_another_rate_becomes_a_clip_of_16_khz() -> None:
    (clip,) = clips({1000: "okay_nabu", 1200: "speech"}, rate_hz=48_000)

    begin, end = heard(clip)
    assert end - begin == pytest.approx(500, abs=60)


def test_clips_are_refused_where_the_media_of_sound_may_not_leave(tmp_path: Path) -> None:
    (file := tmp_path / "agent.toml").write_text("[microphone]\nclips = true\n")

    with pytest.raises(
        SettingsError, match=r'microphone.clips: recordings of speech leave only with egress.audio = "media"'
    ):
        read(file, {})

    file.write_text('[microphone]\nclips = true\n[egress]\naudio = "media"\n')
    assert read(file, {}).microphone is not None
