"""Spoken commands: when a word counts, where it lies, and what is computed at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from sensorium_agent.infer.runtime.model import Array
from sensorium_agent.infer.sound.embedding import HOP, STEP, Spectrogram, mel
from sensorium_agent.infer.sound.keyword import DEPTH, KEYWORDS, OTHER, Choice, Keywords, Listening, calibrated

RATE = 16_000
STOP, GO = KEYWORDS.index("stop"), KEYWORDS.index("go")
Floats = npt.NDArray[np.float32]


def answer(word: int | None = None, probability: float = 0.95) -> Floats:
    values = np.full(OTHER + 1, (1 - probability) / OTHER, np.float32)
    values[OTHER if word is None else word] = probability
    return values


def chosen(*answers: Floats, listening: Listening | None = None) -> list[tuple[int, int]]:
    """The word and the hop at which it was told."""
    choice = Choice(listening or Listening(threshold=0.6))
    return [(found.word, hop) for hop, a in enumerate(answers) if (found := choice.push(a))]


class Counts:
    """Stands for the embedding: a vector of how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def run(self, *inputs: Array) -> list[Array]:
        (rows,) = inputs
        assert rows.shape == (1, 76, 32, 1)
        self.asked += 1
        return [np.full((1, 1, 1, 96), rows.mean(), np.float32)]

    def reset(self) -> None: ...


class Answers:
    """Stands for the network: gives these answers, then none of the words."""

    def __init__(self, *answers: Floats) -> None:
        self.answers = list(answers)

    def run(self, *inputs: Array) -> list[Array]:
        assert inputs[0].shape == (1, 96 * DEPTH)
        return [(self.answers.pop(0) if self.answers else answer())[None]]

    def reset(self) -> None: ...


# --- one answer a word -------------------------------------------------------------------


def test_a_word_is_told_once_however_long_it_stays_in_sight() -> None:
    assert [word for word, _ in chosen(answer(), *[answer(STOP)] * 6, *[answer()] * 4)] == [STOP]


def test_one_sure_answer_between_unsure_ones_is_no_word() -> None:
    assert chosen(answer(), answer(STOP), answer(), answer()) == []


def test_of_two_words_in_sight_at_once_the_surer_is_told() -> None:
    told = chosen(*[answer(STOP, 0.7)] * 3, *[answer(GO, 0.99)] * 4, *[answer()] * 4)

    assert [word for word, _ in told] == [GO]


def test_the_same_word_again_is_told_again_once_it_was_out_of_sight() -> None:
    said = [answer(STOP)] * 4 + [answer()] * 5

    assert [word for word, _ in chosen(*said, *said)] == [STOP, STOP]


def test_two_words_in_a_row_are_two() -> None:
    assert [word for word, _ in chosen(*[answer(STOP)] * 5, *[answer(GO)] * 6, *[answer()] * 3)] == [STOP, GO]


def test_a_word_nobody_asked_for_is_not_told() -> None:
    only_go = Listening(words=("go",), threshold=0.6)

    assert chosen(*[answer(STOP)] * 4, answer(), answer(), listening=only_go) == []


def test_a_higher_threshold_takes_surer_words_only() -> None:
    assert chosen(*[answer(STOP, 0.4)] * 5, *[answer()] * 3, listening=Listening(threshold=0.99)) == []


def test_what_waits_is_told_when_nothing_more_comes() -> None:
    choice = Choice(Listening(threshold=0.6))
    for _ in range(3):
        assert choice.push(answer(STOP)) is None

    found = choice.flush()

    assert found is not None
    assert (found.word, found.hop) == (STOP, 2)
    assert choice.flush() is None


def test_a_score_grows_with_the_odds_and_is_a_probability() -> None:
    scores = calibrated(np.linspace(-6, 6, 50, dtype=np.float32))

    assert (np.diff(scores) > 0).all()
    assert 0 < scores[0] < 0.05
    assert 0.95 < scores[-1] < 1


# --- sound -------------------------------------------------------------------------------


def burst(before_s: float, length_s: float, after_s: float) -> npt.NDArray[np.int16]:
    at = np.arange(round(length_s * RATE)) / RATE
    loud = np.rint(9000 * np.sin(2 * np.pi * 500 * at))
    return np.concatenate([np.zeros(round(before_s * RATE)), loud, np.zeros(round(after_s * RATE))]).astype(np.int16)


def test_without_a_voice_no_network_runs() -> None:
    embedding = Counts()
    keywords = Keywords(embedding, Answers())

    assert list(keywords.feed(burst(1, 1, 1))) == []
    assert embedding.asked == 0


def test_a_voice_is_listened_to_from_before_it_began_and_a_little_longer() -> None:
    embedding = Counts()
    keywords = Keywords(embedding, Answers())
    keywords.voice(HOP)
    list(keywords.feed(np.zeros(RATE * 3, np.int16)))

    assert embedding.asked == (DEPTH - 1) + 9  # five vectors of the past, then 720 ms


def test_a_word_lies_where_the_sound_is_loud() -> None:
    sound = burst(0.5, 0.4, 0.7)
    keywords = Keywords(Counts(), Answers(*[answer()] * 6, *[answer(STOP)] * 5))
    for end in range(8_000, 15_000, 512):
        keywords.voice(end)

    (found,) = keywords.feed(sound)

    assert found.word == "stop"
    assert found.begin == pytest.approx(0.5 * RATE, abs=3 * STEP)
    assert found.end == pytest.approx(0.9 * RATE, abs=3 * STEP)


def test_a_word_at_the_very_end_is_told_by_finish_within_the_sound() -> None:
    sound = burst(0.1, 0.4, 0)
    keywords = Keywords(Counts(), Answers(*[answer(STOP)] * 9))
    keywords.voice(HOP)
    keywords.voice(5 * HOP)
    told = list(keywords.feed(sound))

    told += keywords.finish()

    assert [found.word for found in told] == ["stop"]
    assert told[0].end <= len(sound)


@pytest.mark.parametrize("size", [160, 999, 40_000])
def test_the_spectrogram_does_not_depend_on_the_runs(size: int) -> None:
    sound = np.random.default_rng(1).normal(0, 1000, RATE).astype(np.int16)
    whole, parts = Spectrogram(), Spectrogram()

    rows = np.concatenate([parts.feed(sound[i : i + size]) for i in range(0, len(sound), size)])

    np.testing.assert_allclose(rows, whole.feed(sound), atol=1e-5)
    assert rows.shape == (100, 32)


def test_a_tone_is_loud_in_the_band_of_its_frequency_and_silence_is_two() -> None:
    tone = burst(0, 0.1, 0)

    bands = mel(tone).mean(axis=0)

    assert int(bands.argmax()) == pytest.approx(6, abs=2)  # 32 bands on Slaney's scale, 60 to 3800 Hz
    assert (mel(np.zeros(800, np.int16)) == 2.0).all()
