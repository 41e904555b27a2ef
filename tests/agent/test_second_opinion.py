"""Wake words and who doubts them: what is asked, when, and what a device without a second opinion does."""

from __future__ import annotations

import logging
import math
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sensorium_agent.infer.lanes import WAKE_WORDS
from sensorium_agent.infer.runtime.model import Array, ModelError, load
from sensorium_agent.infer.sound.embedding import ROWS, WIDTH, mel
from sensorium_agent.infer.sound.second_opinion import APART, DEPTH, LISTENED, Judge, SecondOpinion, look
from sensorium_agent.infer.sound.wake_word import CUTOFFS, Cutoff, WakeWord, WakeWords
from sensorium_models import store

RECORDINGS = Path(__file__).parent.parent / "recordings"
Pcm = npt.NDArray[np.int16]


class Says:
    """Stands for a wake word's network: gives these answers, then 0."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)

    def run(self, *inputs: Array) -> list[Array]:
        flushing = bool((inputs[0] == -128).all())
        return [np.array([[0 if flushing or not self.answers else self.answers.pop(0)]], np.uint8)]

    def reset(self) -> None: ...


class Thinks:
    """Stands for a second opinion: gives these odds, then the last of them; remembers what it was asked."""

    def __init__(self, *odds: float) -> None:
        self._odds = list(odds)
        self.asked: list[tuple[str, Pcm]] = []

    def odds(self, word: str, pcm: Pcm) -> float:
        self.asked.append((word, pcm))
        return self._odds.pop(0) if len(self._odds) > 1 else self._odds[0]


class Loudness:
    """Stands for the speech embedding: the mean of what it sees, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[Array] = []

    def run(self, *inputs: Array) -> list[Array]:
        self.seen.append(inputs[0])
        return [np.full((1, 1, 1, WIDTH), inputs[0].mean(), np.float32)]

    def reset(self) -> None: ...


def noise(seconds: float) -> Pcm:
    return np.random.default_rng(1).normal(0, 3000, round(seconds * 16_000)).astype(np.int16)


def a_judge(least: float = 0.0) -> Judge:
    """Its odds for "alexa" are the first number of the newest vector."""
    first = np.zeros((DEPTH * WIDTH, 1), np.float32)
    first[(DEPTH - 1) * WIDTH] = 1
    return Judge(
        first, np.zeros(1, np.float32), np.ones((1, 1), np.float32), np.zeros(1, np.float32), {"alexa": (0, least)}
    )


def written(path: Path, judge: Judge) -> Path:
    arrays = {name: getattr(judge, name) for name in ("first", "first_bias", "last", "last_bias")}
    np.savez(path, **arrays, words=list(judge.least), least=[least for _, least in judge.least.values()])
    return path


# --- who is asked, and when ------------------------------------------------------------------


def test_nobody_is_asked_before_a_network_is_sure() -> None:
    opinion = Thinks(1.0)
    words = WakeWords({"alexa": Says(*[200] * 40)}, opinion=opinion)

    assert list(words.feed(noise(1))) == []
    assert opinion.asked == []


def test_a_word_that_is_doubted_is_not_told() -> None:
    opinion = Thinks(-0.1)
    words = WakeWords({"alexa": Says(*[255] * 20)}, opinion=opinion)

    assert list(words.feed(noise(1))) == []
    assert {word for word, _ in opinion.asked} == {"alexa"}


def test_a_word_is_told_at_the_look_that_agrees_and_then_rests() -> None:
    opinion = Thinks(-1.0, -1.0, 1.0)
    words = WakeWords({"alexa": Says(*[255] * 30)}, opinion=opinion)

    (heard,) = words.feed(noise(1))

    assert len(opinion.asked) == 3
    assert heard.score > CUTOFFS["alexa"].probability


def test_a_doubted_word_is_asked_about_again_after_60_ms_and_not_before() -> None:
    word, looks = WakeWord("alexa", Says(*[255] * 20), Cutoff(0.5, 5), 32_000), []

    for number in range(20):
        word.step(np.zeros((1, 3, 40), np.int8), number * 480, lambda _, at=number: bool(looks.append(at)))

    assert looks == list(range(2, 20, 2))


@pytest.mark.parametrize("size", [100, 320, 16_000])
def test_the_sound_asked_about_ends_where_the_network_was_sure(size: int) -> None:
    opinion, pcm = Thinks(1.0), noise(3)
    words = WakeWords({"alexa": Says(*[0] * 70, *[255] * 6)}, opinion=opinion)

    (heard,) = [h for begin in range(0, len(pcm), size) for h in words.feed(pcm[begin : begin + size])]

    ((_, asked),) = opinion.asked
    assert np.array_equal(asked[-LISTENED:], pcm[heard.end - LISTENED : heard.end])


def test_a_new_recording_is_asked_about_without_the_one_before() -> None:
    opinion = Thinks(1.0)
    words = WakeWords({"alexa": Says(*[255] * 6)}, opinion=opinion)
    list(words.feed(noise(0.05)))
    words.reset()

    (heard,) = words.feed(noise(1))

    assert len(opinion.asked[0][1]) == heard.end


def test_without_a_second_opinion_every_word_counts() -> None:
    words = WakeWords({"alexa": Says(*[255] * 10)})

    assert [heard.word for heard in words.feed(noise(1))] == ["alexa"]


def test_a_doubt_is_explained_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    words = WakeWords({"alexa": Says(*[255] * 5)}, opinion=Thinks(-2.25))

    with caplog.at_level(logging.DEBUG, "sensorium_agent.infer.sound.wake_word"):
        list(words.feed(noise(0.5)))

    assert caplog.messages[0].startswith("wake.doubted word=alexa odds=-2.2 at_s=0.")


# --- what it looks at --------------------------------------------------------------------------


def test_it_looks_at_the_last_vectors_160_ms_apart() -> None:
    embedding, pcm = Loudness(), noise(3)

    vectors = look(embedding, pcm)

    rows = mel(pcm[-LISTENED:])
    assert vectors.shape == (DEPTH, WIDTH)
    assert len(rows) == ROWS + (DEPTH - 1) * APART
    for seen, begin in zip(embedding.seen, range(0, DEPTH * APART, APART), strict=True):
        assert np.array_equal(seen[0, :, :, 0], rows[begin : begin + ROWS])


def test_before_a_recording_there_was_silence() -> None:
    short = noise(0.3)

    assert np.array_equal(
        look(Loudness(), short), look(Loudness(), np.concatenate([np.zeros(32_000, np.int16), short]))
    )


def test_the_odds_are_counted_from_what_the_word_needs(tmp_path: Path) -> None:
    embedding, pcm = Loudness(), noise(2)
    loud = float(look(embedding, pcm)[-1, 0])
    path = written(tmp_path / "judge.npz", a_judge(least=1.5))

    opinion = SecondOpinion(lambda: embedding, lambda: path)

    assert opinion.odds("alexa", pcm) == pytest.approx(loud - 1.5, rel=1e-4)
    assert opinion.odds("another word", pcm) == math.inf


def test_a_device_that_lacks_the_embedding_believes_every_word_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def missing() -> Loudness:
        raise ModelError("speech_embedding: not here; run: sensorium models fetch")

    path = written(tmp_path / "judge.npz", a_judge())
    opinion = SecondOpinion(missing, lambda: path)

    assert [opinion.odds("alexa", noise(1)) for _ in range(3)] == [math.inf] * 3
    assert caplog.messages == ["wake.undoubted why='speech_embedding: not here; run: sensorium models fetch'"]


def test_nothing_is_loaded_until_a_word_is_heard() -> None:
    def never() -> Loudness:
        raise AssertionError

    words = WakeWords({"alexa": Says()}, opinion=SecondOpinion(never, lambda: Path("nowhere")))

    assert list(words.feed(noise(1))) == []


def test_a_file_that_is_no_judge_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "judge.npz"
    np.savez(path, first=np.zeros(3))

    with pytest.raises(ModelError, match=r"judge\.npz: not the wake words' second opinion; run: sensorium"):
        Judge.read(path)


# --- the real one ------------------------------------------------------------------------------


def recording(name: str) -> Pcm:
    with wave.open(str(RECORDINGS / f"{name}.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


@pytest.fixture(scope="module")
def opinion() -> SecondOpinion:
    embedding = load(store.path("speech_embedding"))
    return SecondOpinion(lambda: embedding, lambda: store.path("wake_opinion"))


@pytest.mark.needs_models
@pytest.mark.parametrize("word", WAKE_WORDS)
def test_a_spoken_wake_word_is_not_doubted(opinion: SecondOpinion, word: str) -> None:
    words = WakeWords({name: load(store.path(name)) for name in WAKE_WORDS}, opinion=opinion)

    assert [heard.word for heard in words.feed(recording(word))] == [word]


@pytest.mark.needs_models
@pytest.mark.parametrize("word", WAKE_WORDS)
def test_it_takes_no_wake_word_for_another_and_no_sentence_for_one(opinion: SecondOpinion, word: str) -> None:
    others = [name for name in (*WAKE_WORDS, "none") if name != word]

    doubts = [opinion.odds(word, recording(name)[:end]) for name in others for end in range(16_000, 48_000, 8_000)]

    assert np.mean(np.array(doubts) <= 0) > 0.9


@pytest.mark.needs_models
def test_the_judge_knows_every_wake_word() -> None:
    judge = Judge.read(store.path("wake_opinion"))

    assert tuple(judge.least) == WAKE_WORDS
    assert judge.first.shape[0] == DEPTH * WIDTH
    assert judge.odds(np.zeros((3, DEPTH * WIDTH), np.float32)).shape == (3, len(WAKE_WORDS))
