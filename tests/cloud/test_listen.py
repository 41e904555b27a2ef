"""Clips become words of their own, believed only where somebody speaks, and never at the cost of other windows."""

from __future__ import annotations

import asyncio
import io
import threading
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from cloud.doubles import MS, FakeFusion, a_picture, a_window, an_event, words

from sensorium import wire
from sensorium.event import Event, Media, Modality
from sensorium.symbol import ModelRef, Symbol
from sensorium.window import Presence, Window
from sensorium_cloud.encode.encoders import EncodedWindow, clips_in
from sensorium_cloud.encode.listen import Listener
from sensorium_cloud.encode.whisper import Floats, Transcript, Unreadable, believed, samples, spectrogram
from sensorium_cloud.refine import Arrival, Capacity, Refinery

WHISPER = ModelRef("whisper", "1a5a")
SAID = Transcript("Turn on the lights.", 0.01, -0.2)


def a_wav(seconds: float = 1.0, *, channels: int = 1, rate_hz: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as clip:
        clip.setnchannels(channels)
        clip.setsampwidth(2)
        clip.setframerate(rate_hz)
        clip.writeframes(bytes(2 * channels * round(seconds * rate_hz)))
    return file.getvalue()


def a_clip(data: bytes | None = None, at_ns: int = MS) -> Event:
    return an_event(
        "okay_nabu", modality=Modality.AUDIO, at_ns=at_ns, media=Media("audio/wav", a_wav() if data is None else data)
    )


@dataclass
class Ear:
    """Hears what it is told to, when it is told to go on."""

    transcript: Transcript = SAID
    heard: list[int] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go.set()

    def hear(self, sound: Floats) -> Transcript:
        assert self.go.wait(10)
        self.heard.append(len(sound))
        return self.transcript


def listener(ear: Ear) -> Listener:
    return Listener(ear, WHISPER, limit=1, longest_s=0.5)


def listened(window: Window, ear: Ear | None = None) -> EncodedWindow:
    return listener(ear or Ear())([EncodedWindow(window, None, None, 0.0)])[0]


# --- clips -----------------------------------------------------------------------------


def test_a_clip_is_read_as_far_as_it_may_be_long() -> None:
    assert len(samples(a_wav(2.0), 10.0)) == 32_000
    assert len(samples(a_wav(2.0), 0.5)) == 8_000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a WAV clip"),
        (b"RIFF\x00", "not a WAV clip"),
        (a_wav(channels=2), "2 channels of 16 bits at 16000 Hz; 1 of 16 at 16000 is needed"),
        (a_wav(rate_hz=8000), "1 channels of 16 bits at 8000 Hz"),
        (a_wav(0.0), "empty"),
    ],
)
def test_what_is_no_clip_of_speech_is_unreadable(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        samples(data, 10.0)


def test_the_spectrogram_shows_a_tone_in_its_band_while_it_lasts() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)

    image = spectrogram(tone)

    assert image.shape == (80, 3000)
    assert image.dtype == np.float32
    assert int(image[:, 50].argmax()) in (25, 26)  # mel 15; band k is around 45.2 (k + 1) / 81
    assert image[:, 50].max() - image[:, 200].max() == pytest.approx(2.0)  # eight decades, a quarter each


@pytest.mark.parametrize(
    ("transcript", "spoken"),
    [
        (Transcript("Turn on the lights.", 0.02, -0.3), True),
        (Transcript("you", 0.95, -0.9), False),
        (Transcript("Thank you.", 0.7, -0.4), False),
        (Transcript("Thanks for watching", 0.3, -1.4), False),
        (Transcript("no no no no no no no no no no no no no no no no no no no", 0.1, -0.2), False),
        (Transcript("...", 0.1, -0.2), False),
        (Transcript("", 0.1, 0.0), False),
    ],
)
def test_what_a_network_makes_up_for_silence_and_noise_is_not_believed(transcript: Transcript, spoken: bool) -> None:
    assert believed(transcript) is spoken


# --- words of a window -----------------------------------------------------------------


def test_what_is_said_in_a_clip_is_an_event_of_words_that_says_who_heard_it() -> None:
    encoded = listened(a_window(0, a_clip(at_ns=7 * MS), an_event(at_ns=3 * MS)))

    slot = encoded.window.slot(Modality.TEXT)
    (said,) = slot.events
    assert (said.text, said.at_ns, dict(said.metadata)) == ("Turn on the lights.", 7 * MS, {"heard_by": "whisper"})
    assert said.score == pytest.approx(np.exp(-0.2))
    assert (slot.presence, slot.age_ns, slot.offset_ns) == (Presence.PRESENT, 493 * MS, 4 * MS)
    assert encoded.heard_by == WHISPER


def test_a_clip_of_before_is_heard_where_nothing_is_here() -> None:
    window = a_window(0, a_clip())
    stale = tuple(replace(s, presence=Presence.STALE, offset_ns=None) if s.events else s for s in window.slots)

    text = listened(replace(window, slots=stale)).window.slot(Modality.TEXT)

    assert ([event.text for event in text.events], text.offset_ns) == ([SAID.text], 0)


def test_a_clip_whose_time_is_too_far_away_for_the_wire_is_heard() -> None:
    window = listened(a_window(2, a_clip(at_ns=-(1 << 63)))).window

    assert wire.window_from_proto(wire.window_to_proto(window)) == window


def test_what_was_written_stays_beside_what_was_heard() -> None:
    window = a_window(0, replace(words("yes"), at_ns=9 * MS), a_clip())

    assert [e.text for e in listened(window).window.slot(Modality.TEXT).events] == ["Turn on the lights.", "yes"]


def test_only_the_beginning_of_the_newest_clip_is_listened_to() -> None:
    listened(a_window(0, a_clip(a_wav(0.2)), a_clip(a_wav(2.0), at_ns=2 * MS)), ear := Ear())

    assert ear.heard == [8_000]


@pytest.mark.parametrize(
    ("ear", "data", "counts"),
    [(Ear(Transcript("you", 0.95, -0.9)), a_wav(), (0, 1)), (Ear(), b"RIFF", (1, 0))],
)
def test_a_clip_without_speech_leaves_its_window_as_it_was(ear: Ear, data: bytes, counts: tuple[int, int]) -> None:
    window = a_window(0, a_clip(data))
    one = listener(ear)

    (encoded,) = one([EncodedWindow(window, None, None, 0.0)])

    assert (encoded.window, encoded.heard_by) == (window, None)
    assert (one.unreadable, one.unbelieved) == counts


def test_other_sound_and_pictures_are_no_clips() -> None:
    silent = an_event("speech", modality=Modality.AUDIO)
    other = an_event("speech", modality=Modality.AUDIO, media=Media("audio/ogg", b"OggS"))

    assert clips_in(a_window(0, silent, other, a_picture()), 9) == ()


# --- lanes -----------------------------------------------------------------------------


@asynccontextmanager
async def refining(fusion: FakeFusion, ear: Ear) -> AsyncIterator[Refinery]:
    engines = replace(fusion.engines(), add_heard=listener(ear))
    refinery = Refinery(engines, Capacity())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(refinery.run())
        yield refinery
        for held in (fusion.go, fusion.pictures_go, ear.go):
            held.set()
        task.cancel()


async def refined(refinery: Refinery, windows: Sequence[Window], deadline_ns: int | None = None) -> list[Symbol]:
    """The symbols of windows that come each for itself."""
    arrivals = [Arrival(window, 0, 0, deadline_ns) for window in windows]
    outcomes = await asyncio.gather(*(refinery.refine_all([arrival]) for arrival in arrivals))
    return [outcome[0] for (outcome,) in outcomes if isinstance(outcome, tuple)]


async def test_the_symbol_says_that_its_words_were_heard_by_whisper() -> None:
    async with refining(FakeFusion(), Ear()) as refinery:
        heard, silent = await refined(refinery, [a_window(0, a_clip()), a_window(1)])

    assert WHISPER in heard.provenance.models
    assert WHISPER not in silent.provenance.models


async def test_slow_clips_and_pictures_delay_no_window_of_numbers_or_words() -> None:
    fusion, ear = FakeFusion(), Ear()
    fusion.pictures_go.clear()
    ear.go.clear()
    async with refining(fusion, ear) as refinery, asyncio.TaskGroup() as group:
        slow = [a_window(n, a_clip()) for n in range(20)] + [a_window(n, a_picture()) for n in range(20, 40)]
        held = group.create_task(refined(refinery, slow))
        await asyncio.sleep(0)
        quick = await refined(refinery, [a_window(n) for n in range(40, 140)] + [a_window(140, words("yes"))])
        still = held.done()
        for event in (fusion.pictures_go, ear.go):
            event.set()

    assert len(quick) == 101
    assert not still
    assert len(held.result()) == 40


async def test_a_clip_that_is_not_heard_in_time_is_left_unheard() -> None:
    fusion, ear = FakeFusion(), Ear()
    ear.go.clear()
    async with refining(fusion, ear) as refinery:
        soon_ns = asyncio.get_running_loop().time() * 1e9 + 100 * MS
        (symbol,) = await refined(refinery, [a_window(0, a_clip())], round(soon_ns))

    assert WHISPER not in symbol.provenance.models
    assert refinery.unheard == 1
