"""Speech and wake words: what is heard, when, and what is not."""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sensorium.event import Event, EventStream, Modality, Sample, Sound
from sensorium_agent.infer.lanes import WAKE_WORDS
from sensorium_agent.infer.runtime.model import Array, Model, load
from sensorium_agent.infer.sound.quality import quality
from sensorium_agent.infer.sound.speech import Memory, SpeechPerceiver
from sensorium_agent.infer.sound.voice import BLOCK, Stretch, Utterances, VoiceActivity
from sensorium_agent.infer.sound.wake_word import CUTOFFS, STEP, Cutoff, WakeWord, WakeWords, quantize

RECORDINGS = Path(__file__).parent.parent / "recordings"
RATE = 16_000
Pcm = npt.NDArray[np.int16]


class LoudIsVoice:
    """Stands for the voice network: a block is speech where it is loud."""

    def __init__(self) -> None:
        self.seen: list[Array] = []

    def run(self, *inputs: Array) -> list[Array]:
        sound, state, _ = inputs
        self.seen.append(sound)
        return [np.array([[float(np.abs(sound[0, 64:]).mean() > 0.01)]], np.float32), state + 1]

    def reset(self) -> None: ...


class Says:
    """Stands for a wake word's network: gives these answers, then 0."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)

    def run(self, *inputs: Array) -> list[Array]:
        (features,) = inputs
        flushing = bool((features == -128).all())
        return [np.array([[0 if flushing or not self.answers else self.answers.pop(0)]], np.uint8)]

    def reset(self) -> None: ...


def tone(seconds: float, level: float = 0.3) -> Pcm:
    at = np.arange(round(seconds * RATE)) / RATE
    return np.rint(32767 * level * np.sin(2 * np.pi * 440 * at)).astype(np.int16)


def silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * RATE), np.int16)


def runs(pcm: Pcm, size: int = 320, rate_hz: int = RATE, start_ns: int = 0) -> Iterator[Sample]:
    for number, begin in enumerate(range(0, len(pcm), size)):
        run = pcm[begin : begin + size]
        at_ns = start_ns + (begin + len(run)) * 1_000_000_000 // rate_hz
        yield Sample(Modality.AUDIO, "mic", number, at_ns, Sound(run, rate_hz), at_error_ns=7)


def an_ear(voice: Model | None = None, **wake_words: Model) -> SpeechPerceiver:
    return SpeechPerceiver(EventStream("s", Modality.AUDIO), voice=voice or LoudIsVoice(), wake_words=wake_words)


def hear(ear: SpeechPerceiver, samples: Iterator[Sample] | list[Sample]) -> list[Event]:
    return [event for sample in samples for event in ear.perceive(sample)]


def said(*probabilities: float) -> list[Stretch]:
    utterances = Utterances()
    return [told for p in probabilities if (told := utterances.push(p))]


# --- utterances --------------------------------------------------------------------------


def test_an_onset_is_told_after_three_blocks_and_reaches_back_to_the_first() -> None:
    assert said(0.1, 0.9, 0.9, 0.9) == [Stretch(1, 4, pytest.approx(0.9))]


def test_a_click_is_no_speech() -> None:
    assert said(*[0.1, 0.9, 0.9] * 10) == []


def test_while_speech_goes_on_it_is_told_every_eight_blocks_without_gap_or_overlap() -> None:
    told = said(*[0.9] * 19)

    assert [(t.start, t.end) for t in told] == [(0, 3), (3, 11), (11, 19)]


def test_a_block_between_the_thresholds_goes_on_but_does_not_begin() -> None:
    assert said(*[0.4] * 20) == []
    assert [t.end for t in said(*[0.9] * 3, *[0.4] * 8)] == [3, 11]


def test_the_last_words_are_told_at_the_pause_and_not_after_it() -> None:
    told = said(*[0.9] * 7, *[0.0] * 20)

    assert [(t.start, t.end) for t in told] == [(0, 3), (3, 7)]


def test_after_an_utterance_a_new_onset_needs_confirmation_again() -> None:
    assert [t.start for t in said(*[0.9] * 3, *[0.0] * 12, 0.9, 0.9, 0.0, *[0.9] * 3)] == [0, 18]


# --- the voice network -------------------------------------------------------------------


def test_the_voice_network_sees_64_samples_of_context_and_every_sample_once_in_any_run_length() -> None:
    pcm = np.arange(5 * BLOCK, dtype=np.int16)
    once, often = LoudIsVoice(), LoudIsVoice()
    list(VoiceActivity(once).feed(pcm))
    activity = VoiceActivity(often)
    for begin in range(0, len(pcm), 333):
        list(activity.feed(pcm[begin : begin + 333]))

    assert [s.shape for s in once.seen] == [(1, 576)] * 5
    np.testing.assert_array_equal(np.concatenate(once.seen), np.concatenate(often.seen))
    np.testing.assert_array_equal(once.seen[1][0, :64], once.seen[0][0, -64:])
    np.testing.assert_allclose(np.concatenate([s[0, 64:] for s in once.seen]) * 32768, pcm)


# --- events ------------------------------------------------------------------------------


def test_silence_says_nothing() -> None:
    ear = an_ear()

    assert hear(ear, runs(silence(5))) == []
    assert ear.finish(0) == []


def test_every_half_second_of_speech_sees_an_event_at_its_own_time() -> None:
    pcm = np.concatenate([silence(1), tone(3), silence(1)])

    events = hear(an_ear(), runs(pcm, start_ns=10**12))

    times = [(e.at_ns - 10**12) / 1e9 for e in events]
    assert {e.label for e in events} == {"speech"}
    assert all(np.histogram(times, bins=[1, 1.5, 2, 2.5, 3, 3.5, 4.05])[0] > 0)
    assert abs(times[0] - events[0].span_ns / 1e9 - 1.0) < 0.033
    assert abs(times[-1] - 4.0) < 0.033
    assert all(e.features and e.features.shape == (256,) and e.at_error_ns == 7 for e in events)


@pytest.mark.parametrize("size", [160, 1000, 80_000])
def test_the_length_of_the_runs_changes_nothing(size: int) -> None:
    pcm = np.concatenate([silence(1), tone(2.5), silence(1.5)])

    assert hear(an_ear(), runs(pcm, size)) == hear(an_ear(), runs(pcm))


def test_an_event_ends_with_its_last_block_even_in_the_middle_of_a_run() -> None:
    events = hear(an_ear(), runs(tone(0.4)))

    assert [e.at_ns for e in events] == [3 * 32_000_000, 11 * 32_000_000]


def test_sound_of_another_rate_is_heard_at_the_same_times() -> None:
    at = np.arange(48_000 * 3) / 48_000
    loud = (at > 1) & (at < 2)
    pcm = np.rint(10_000 * loud * np.sin(2 * np.pi * 440 * at)).astype(np.int16)
    ear = an_ear()

    events = hear(ear, runs(pcm, 960, 48_000)) + list(ear.finish(0))

    assert abs(events[0].at_ns - events[0].span_ns - 10**9) < 33_000_000
    assert abs(events[-1].at_ns - 2 * 10**9) < 33_000_000


def test_after_a_gap_the_sound_before_it_is_forgotten() -> None:
    ear = an_ear()
    first = hear(ear, runs(tone(0.096)))
    second = hear(ear, runs(tone(0.064), start_ns=10**9))

    assert (len(first), second) == (1, [])


def test_finish_tells_what_was_not_told_yet() -> None:
    ear = an_ear()
    told = hear(ear, runs(tone(0.096 + 0.16)))
    rest = ear.finish(0)

    assert [e.at_ns for e in [*told, *rest]] == [96_000_000, 256_000_000]


def test_speech_over_noise_is_trusted_less_than_over_silence() -> None:
    rng = np.random.default_rng(1)

    def trusted(noise: float) -> float:
        pcm = np.concatenate([silence(2), tone(1, 0.05)])
        noisy = (pcm + rng.normal(0, noise, len(pcm))).astype(np.int16)
        return hear(an_ear(), runs(noisy))[1].quality

    assert trusted(3) > 0.9
    assert trusted(300) < trusted(3) - 0.02


def test_clipped_sound_is_trusted_less() -> None:
    clean = tone(0.5, 0.9)
    clipped = np.clip(clean.astype(np.int32) * 3, -32768, 32767).astype(np.int16)

    assert quality(clipped, -60).trust < 0.87 < quality(clean, -60).trust
    assert quality(clipped, -60).clipped > 0.5


def test_memory_gives_back_what_it_was_given_with_its_time() -> None:
    memory = Memory(1000)
    for k in range(10):
        memory.add(np.full(400, k, np.int16), (k + 1) * 25_000_000)

    np.testing.assert_array_equal(memory.between(3500, 3700), [8] * 100 + [9] * 100)
    assert memory.at_ns(3600) == 9 * 25_000_000
    assert memory.between(0, 100).size == 0


# --- wake words --------------------------------------------------------------------------


def steps(*answers: int, refractory: int = 0) -> list[int]:
    word = WakeWord("alexa", Says(*answers), Cutoff(0.5, 5), refractory)
    features = np.zeros((1, 3, 40), np.int8)
    return [n for n in range(len(answers)) if word.step(features, n * 480)]


def test_one_loud_answer_is_no_wake_word_but_a_mean_above_the_cutoff_is() -> None:
    assert steps(0, 0, 0, 0, 255, 0, 0, 0) == []
    assert steps(0, 0, 0, 200, 200, 250, 0)[0] == 5


def test_a_word_is_told_once_until_the_rest_is_over() -> None:
    assert steps(*[255] * 100, refractory=48_000) == [2]
    assert steps(*[255] * 120, refractory=48_000) == [2, 102]


def test_the_score_is_the_mean_probability() -> None:
    word = WakeWord("alexa", Says(*[192] * 5), Cutoff(0.7, 5), 0)
    heard = [word.step(np.zeros((1, 3, 40), np.int8), n) for n in range(5)]

    assert [h and h.score for h in heard] == [None, None, None, None, 0.75]


def test_features_are_stored_as_the_networks_were_quantized() -> None:
    stored = quantize([[0.0] * 20 + [26.0] * 20, [13.0] * 40, [100.0] * 40])

    assert (stored.shape, stored.dtype) == ((1, 3, 40), np.int8)
    assert (stored[0, 0, 0], stored[0, 0, 39], stored[0, 2, 0]) == (-128, 127, 127)


def test_a_wake_word_ends_with_the_step_that_made_it_sure() -> None:
    words = WakeWords({"alexa": Says(0, 0, 255, 255, 255, 255, 255)})
    heard = list(words.feed(tone(1)))

    assert [h.word for h in heard] == ["alexa"]
    assert heard[0].end % STEP == 0
    assert abs(heard[0].end - 7 * 3 * STEP) <= 2 * STEP  # the first window takes 30 ms to fill


# --- real networks -----------------------------------------------------------------------


def recording(name: str) -> Pcm:
    with wave.open(str(RECORDINGS / f"{name}.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


@pytest.fixture(scope="module")
def networks() -> dict[str, Model]:
    from sensorium_models import store

    return {name: load(store.path(name)) for name in ("voice_activity", *WAKE_WORDS)}


def real_ear(networks: dict[str, Model]) -> SpeechPerceiver:
    words = {word: networks[word] for word in WAKE_WORDS}
    return SpeechPerceiver(EventStream("s", Modality.AUDIO), voice=networks["voice_activity"], wake_words=words)


def wakes(events: Sequence[Event]) -> list[str | None]:
    return [e.label for e in events if e.label != "speech"]


@pytest.mark.needs_models
@pytest.mark.parametrize("word", WAKE_WORDS)
def test_a_spoken_wake_word_is_heard_exactly_once(networks: dict[str, Model], word: str) -> None:
    events = hear(real_ear(networks), runs(recording(word)))

    assert wakes(events) == [word]
    assert all(e.score > CUTOFFS[word].probability for e in events if e.label == word)


@pytest.mark.needs_models
def test_a_sentence_without_a_wake_word_is_speech_and_nothing_else(networks: dict[str, Model]) -> None:
    events = hear(real_ear(networks), runs(recording("none")))

    times = [e.at_ns / 1e9 for e in events]
    assert wakes(events) == []
    assert all(np.histogram(times, bins=[0.5, 1, 1.5, 2, 2.5, 3, 3.5])[0] > 0)
    assert not any(t < 0.5 or t > 3.5 for t in times)


@pytest.mark.needs_models
def test_a_wake_word_cut_off_at_the_end_is_not_heard_at_the_next_beginning(networks: dict[str, Model]) -> None:
    whole = recording("hey_jarvis")
    end = next(e for e in hear(real_ear(networks), runs(whole)) if e.label == "hey_jarvis").at_ns // 62_500
    hear(real_ear(networks), runs(whole[: end - 480]))

    assert wakes(hear(real_ear(networks), runs(silence(2)))) == []


@pytest.mark.needs_models
def test_a_wake_word_said_last_of_all_is_told_at_the_end(networks: dict[str, Model]) -> None:
    ear, whole = real_ear(networks), recording("alexa")
    end = next(e for e in hear(real_ear(networks), runs(whole)) if e.label == "alexa").at_ns // 62_500
    hear(ear, runs(whole[: end - 480]))

    last = ear.finish(0)

    assert "alexa" in wakes(last)
    assert all(e.at_ns <= (end - 480) * 62_500 for e in last)


@pytest.mark.needs_models
def test_noise_is_no_speech(networks: dict[str, Model]) -> None:
    noise = np.random.default_rng(1).normal(0, 1000, 5 * RATE).astype(np.int16)

    assert hear(real_ear(networks), runs(noise)) == []


@pytest.mark.needs_models
def test_the_same_sound_gives_the_same_events(networks: dict[str, Model]) -> None:
    pcm = recording("hey_mycroft")

    assert hear(real_ear(networks), runs(pcm)) == hear(real_ear(networks), runs(pcm))


@pytest.mark.needs_models
@pytest.mark.parametrize("word", WAKE_WORDS)
def test_the_networks_are_quantized_as_we_write_and_read_them(word: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    from sensorium_models import store

    net = Interpreter(model_path=str(store.path(word)))
    (given,), (answer,) = net.get_input_details(), net.get_output_details()

    assert given["quantization"] == (pytest.approx(26 / 255), -128)
    assert answer["quantization"] == (1 / 256, 0)
