"""How good the sound is: level, noise, clipping."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from sensorium_agent.infer.sound.quality import BLOCK, SILENT_DBFS, Noise, Whole, level_dbfs, quality

Pcm = npt.NDArray[np.int16]


def white(rms: float, blocks: int, seed: int = 1) -> Pcm:
    return np.random.default_rng(seed).normal(0, rms, blocks * BLOCK).astype(np.int16)


def followed(*sounds: Pcm) -> float:
    noise = Noise()
    for sound in sounds:
        for begin in range(0, len(sound), BLOCK):
            noise.add(sound[begin : begin + BLOCK])
    return noise.level_dbfs


@pytest.mark.parametrize("rms", [30, 300, 3000])
def test_steady_noise_is_found_to_a_decibel(rms: float) -> None:
    assert followed(white(rms, 60)) == pytest.approx(20 * np.log10(rms / 32768), abs=1.0)


def test_loud_speech_does_not_raise_the_noise_between_its_pauses() -> None:
    quiet, loud = white(30, 10), white(5000, 30)

    assert followed(quiet, loud, quiet, loud) == pytest.approx(20 * np.log10(30 / 32768), abs=1.5)


def test_noise_that_grows_is_believed_after_three_seconds() -> None:
    assert followed(white(30, 94), white(1000, 94)) == pytest.approx(20 * np.log10(1000 / 32768), abs=1.5)


def test_a_recording_that_begins_with_a_word_is_not_taken_for_noise() -> None:
    assert followed(white(5000, 12)) <= -60


@pytest.mark.parametrize("snr_db", [3, 10, 25])
def test_the_snr_is_that_of_the_speech_without_the_noise_in_it(snr_db: float) -> None:
    speech, noise = white(100 * 10 ** (snr_db / 20), 40, 2), white(100, 40, 3)

    found = quality((speech + noise).astype(np.int16), 20 * np.log10(100 / 32768))

    assert found.snr_db == pytest.approx(snr_db, abs=0.5)


def test_sound_is_trusted_more_the_farther_it_is_above_the_noise() -> None:
    sound = white(3000, 40)

    trusted = [quality(sound, noise_dbfs).trust for noise_dbfs in (-90, -40, -30, -25, -21)]

    assert trusted == sorted(trusted, reverse=True)
    assert trusted[0] > 0.9
    assert trusted[-1] < trusted[0] - 0.1


def test_clipped_samples_are_counted_and_lower_the_trust() -> None:
    sound = white(3000, 40)
    sound[::100] = 32767

    found = quality(sound, -90)

    assert found.clipped == pytest.approx(0.01, abs=0.001)
    assert found.trust < quality(white(3000, 40), -90).trust
    assert found.metadata()["clipped"].startswith("0.01")


def test_silence_has_the_level_of_one_bit() -> None:
    assert level_dbfs(np.zeros(100, np.int16)) == SILENT_DBFS
    assert level_dbfs(np.zeros(0, np.int16)) == SILENT_DBFS


def test_what_a_microphone_adds_to_every_sample_is_no_sound() -> None:
    sound, quiet = white(1000, 40), white(10, 10)

    assert level_dbfs(sound + 8000) == pytest.approx(level_dbfs(sound), abs=0.1)
    assert followed(quiet + 8000, sound + 8000) == pytest.approx(followed(quiet, sound), abs=0.1)


@pytest.mark.parametrize("run", [100, BLOCK, 5000])
def test_a_long_sound_is_measured_in_runs_as_in_one_piece(run: int) -> None:
    sound = np.concatenate([white(30, 20), white(3000, 40)])
    whole = Whole()

    for begin in range(0, len(sound), run):
        whole.add(sound[begin : begin + run])

    found, at_once = whole.quality(), quality(sound, followed(sound))
    assert found.measures() == pytest.approx(at_once.measures(), abs=0.01)


def test_a_sound_shorter_than_a_block_has_a_level_too() -> None:
    whole = Whole()
    whole.add(white(3000, 1)[:100])

    assert whole.quality().level_dbfs == pytest.approx(-21, abs=2)
    assert Whole().quality().level_dbfs == SILENT_DBFS
