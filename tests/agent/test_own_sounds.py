"""What was taught is found in sound that goes on, once, where it was, and only while there is something to hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import pytest

from sensorium.clock import Clock, ManualClock
from sensorium.event import Modality, Sample, Sound
from sensorium_agent._app.files.sounds import NoSounds, sounds_before, sounds_in
from sensorium_agent.infer.prototypes import Space
from sensorium_agent.infer.runtime.shelf import Shelf
from sensorium_agent.infer.sound.embedding import HOP, ROWS, WIDTH, Remembered, Spectrogram
from sensorium_agent.infer.sound.own import Choice, OwnSounds, Sounds, SoundSpotter
from sensorium_agent.infer.sound.pieces import LONGEST, NUMBERS, bounds, pieces, span

RATE = 16_000
RNG = np.random.default_rng(4)


def tone(hz: float, seconds: float, level: float = 8000) -> np.ndarray:
    at_s = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * hz * at_s)).astype(np.int16)


def quiet(seconds: float) -> np.ndarray:
    return RNG.normal(0, 4, round(seconds * RATE)).astype(np.int16)


class Mirror:
    """Stands for the embedding: how loud each band is, on average, over what it sees."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        self.runs += 1
        return [np.tile(inputs[0][0, -30:, :, 0].mean(axis=0), WIDTH // 32).astype(np.float32)]

    def reset(self) -> None:
        pass


def space(tmp_path: Path) -> Path:
    """Every number as it is, of like variance."""
    own = Space(
        np.full(NUMBERS, 2.5, np.float32),
        np.eye(NUMBERS, dtype=np.float32)[:, ::12] * 2,
        np.full(NUMBERS // 12, 9.0, np.float32),
        np.zeros((0, NUMBERS // 12), np.float32),
        np.zeros(0, "<U1"),
        1.0,
    )
    names = ("mean", "basis", "between", "negatives", "labels", "slope")
    np.savez(tmp_path / "space.npz", **{name: getattr(own, name) for name in names})
    return tmp_path / "space.npz"


def taught(tmp_path: Path, mirror: Mirror, *, waking: tuple[str, ...] = ()) -> OwnSounds:
    known = {}
    for name, hz in (("low", 300.0), ("high", 2000.0)):
        takes = [next(pieces(np.concatenate([quiet(0.5), tone(hz, 0.4), quiet(0.5)]), mirror)) for _ in range(3)]
        rows = np.array([take.end - take.begin for take in takes], np.float32)
        known[name] = Sounds(np.stack([take.numbers for take in takes]), rows)
    return OwnSounds(space(tmp_path), known, waking)


def heard(own: OwnSounds, mirror: Mirror, pcm: np.ndarray, run: int = 320) -> list[tuple[str, int, int]]:
    spotter = SoundSpotter(mirror, own)
    found = []
    for begin in range(0, len(pcm), run):
        part = pcm[begin : begin + run]
        if np.abs(part).max() > 100:
            spotter.sound(begin + len(part))
        found += list(spotter.feed(part))
    found += spotter.finish()
    return [(sound.name, sound.begin, sound.end) for sound in found]


def test_a_taught_sound_is_told_once_and_where_it_was(tmp_path: Path) -> None:
    mirror = Mirror()
    own = taught(tmp_path, mirror)
    pcm = np.concatenate([quiet(1), tone(300, 0.4), quiet(1.2), tone(2000, 0.4), quiet(1)])

    (first, begin, end), (second, _, _) = heard(own, mirror, pcm)

    assert (first, second) == ("low", "high")
    assert abs(begin - RATE) < 2 * HOP
    assert abs(end - 1.4 * RATE) < 2 * HOP


def test_another_sound_is_none_of_them_and_runs_of_any_length_hear_the_same(tmp_path: Path) -> None:
    mirror = Mirror()
    own = taught(tmp_path, mirror)
    pcm = np.concatenate([quiet(1), tone(800, 0.4), quiet(1), tone(2000, 0.4), quiet(0.2)])

    assert [name for name, *_ in heard(own, mirror, pcm)] == ["high"]
    assert heard(own, mirror, pcm, run=1600) == heard(own, mirror, pcm, run=1600)


def test_nothing_is_computed_in_silence(tmp_path: Path) -> None:
    mirror = Mirror()
    own = taught(tmp_path, mirror)
    mirror.runs = 0

    assert heard(own, mirror, quiet(3)) == []
    assert mirror.runs == 0


def test_of_a_sound_the_surest_look_is_told_after_two_that_are_not() -> None:
    choice, told = Choice(), []
    for hop, score in enumerate((0.1, 0.6, 0.9, 0.7, 0.8, 0.9)):
        told.append(choice.push(hop, np.array([0.0, score], np.float32)))

    assert told == [None, None, None, None, (pytest.approx(0.9), 1, 2), None]


# --- pieces ----------------------------------------------------------------------------


def test_pauses_part_sounds_and_short_gaps_do_not() -> None:
    pcm = np.concatenate(
        [quiet(0.5), tone(500, 0.1), quiet(0.2), tone(500, 0.1), quiet(0.7), tone(900, 0.3), quiet(0.5)]
    )

    (first, last), (begin, end) = bounds(Spectrogram().feed(pcm))

    assert (first, last) == (pytest.approx(50, abs=4), pytest.approx(90, abs=4))
    assert (begin, end) == (pytest.approx(160, abs=4), pytest.approx(190, abs=4))


def test_noise_alone_is_no_sound_and_a_tight_cut_is_one() -> None:
    assert bounds(Spectrogram().feed(quiet(4))) == []
    assert bounds(Spectrogram().feed(tone(500, 0.5))) == [(0, 50)]
    assert bounds(np.zeros((0, 32), np.float32)) == []


def test_what_is_too_long_is_no_example() -> None:
    mirror = Mirror()
    pcm = np.concatenate([quiet(0.5), tone(500, LONGEST / 100 + 0.5), quiet(0.5), tone(500, 0.3), quiet(0.5)])

    (piece,) = pieces(pcm, mirror)

    assert piece.length_s == pytest.approx(0.3, abs=0.06)
    assert piece.numbers.shape == (NUMBERS,)


def test_a_click_at_the_very_beginning_is_a_sound() -> None:
    (piece,) = pieces(np.concatenate([tone(900, 0.05), quiet(1)]), Mirror())

    assert piece.begin == 0
    assert np.isfinite(piece.numbers).all()


def test_longer_sounds_are_looked_at_further_back_up_to_a_bound() -> None:
    assert span(10) == 24 < span(80) == 50 < span(500) == 200


def test_two_who_hear_the_same_ask_the_embedding_once() -> None:
    mirror = Mirror()
    shared = Remembered(mirror)
    rows = RNG.normal(3, 1, (1, ROWS, 32, 1)).astype(np.float32)

    assert shared.run(rows)[0] is shared.run(rows.copy())[0]
    shared.run(rows + 1)
    assert mirror.runs == 2


# --- where sounds come from ------------------------------------------------------------


class Shelved(Shelf):
    """Gives the mirror for every model."""

    def model(self, name: str) -> Mirror:
        return Mirror()


class Room:
    """A microphone that hears what it was given, then silence without end."""

    name = "room"

    def __init__(self, pcm: np.ndarray) -> None:
        self._pcm = pcm

    async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
        for number in range(100_000):
            run = self._pcm[number * 1600 : (number + 1) * 1600]
            pcm = run if len(run) == 1600 else quiet(0.1)
            yield Sample(Modality.AUDIO, "room", number, (number + 1) * 100_000_000, Sound(pcm, RATE))


async def test_a_microphone_gives_an_example_for_each_sound_until_there_are_enough() -> None:
    pcm = np.concatenate([part for hz in (400, 900, 500) for part in (quiet(1.2), tone(hz, 0.4))])
    lengths = []
    async with asyncio.timeout(20):
        async for one in sounds_before(Room(pcm), ManualClock(), Shelved()):
            lengths.append(float(one[0]))
            if len(lengths) == 3:
                break

    assert lengths == [pytest.approx(40, abs=5)] * 3


async def test_a_minute_of_silence_is_enough() -> None:
    with pytest.raises(NoSounds, match="room: nothing stood out for 60 s"):
        async for _ in sounds_before(Room(quiet(1)), ManualClock(), Shelved()):
            pass


def test_a_file_without_a_sound_is_refused_in_one_line(tmp_path: Path) -> None:
    quiet(3).tofile(tmp_path / "quiet.raw")

    with pytest.raises(NoSounds, match="leave half a second of quiet around each"):
        sounds_in(tmp_path / "quiet.raw", Shelved(), 5)
