"""What the keyword network is trained on: voices, words cut out of sentences, and how often each is heard."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "models" / "build"))

import keyword_people
import keyword_scores
import keyword_sounds
import keyword_voices
import keywords
import one_layer
from int8_network import Network

RATE = 16_000
Floats = npt.NDArray[np.float32]


def tone(length_s: float, hz: float = 200.0) -> Floats:
    return np.sin(2 * np.pi * hz * np.arange(round(length_s * RATE)) / RATE).astype(np.float32)


def crossings(sound: Floats) -> int:
    return int((np.diff(np.signbit(sound)) != 0).sum())


def test_what_is_said_faster_keeps_its_pitch() -> None:
    sound = tone(1.0)

    faster = keyword_sounds.paced(sound, 1.25)

    assert len(faster) == pytest.approx(0.8 * len(sound), rel=0.05)
    middle = faster[1600:9600]
    assert crossings(middle) / len(middle) == pytest.approx(crossings(sound) / len(sound), rel=0.05)


def test_a_drawn_voice_is_none_of_the_known_but_of_their_kind() -> None:
    rng = np.random.default_rng(1)
    voices = {f"a{i}": rng.normal(0, 1, (90, 1, 256)).astype(np.float32) for i in range(12)}
    spread = keyword_voices.Spread.of(voices)

    drawn = np.stack([spread.draw(rng) for _ in range(40)])

    assert drawn.shape[1:] == (80, 1, 256)
    assert min(np.abs(drawn[0] - voice[:80]).mean() for voice in voices.values()) > 0.3
    assert drawn.std() == pytest.approx(np.stack(list(voices.values())).std(), rel=0.4)


def test_sentences_of_a_corpus_come_with_their_speakers_and_words(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/an4_train.transcription").write_text("<s> GO </s> (an1-mabc-b)\n<s> ONE FOUR </s> (an2-fabc-b)\n")
    (tmp_path / "etc/an4_train.fileids").write_text("an4_clstk/mabc/an1-mabc-b\nan4_clstk/fabc/an2-fabc-b\n")

    said = list(keyword_people.sentences(tmp_path, "train"))

    assert [(s.speaker, s.words) for s in said] == [("mabc", ("GO",)), ("fabc", ("ONE", "FOUR"))]
    assert said[0].path == tmp_path / "wav/an4_clstk/mabc/an1-mabc-b.raw"


def test_a_word_cut_out_of_a_sentence_begins_and_ends_in_silence() -> None:
    cut = keyword_people.faded(np.full(4000, 16384, np.int16))

    assert cut[0] == cut[-1] == 0.0
    assert cut[2000] == 0.5


def test_every_speaker_is_in_one_half_with_all_their_words() -> None:
    said = [Path(f"{word}/{number:08x}_0.wav") for word in ("go", "on") for number in range(20)]

    even, odd = (keywords._of_half(said, half) for half in ("even", "odd"))

    assert sorted(even + odd) == sorted(keywords._of_half(said, "all")) == sorted(said)
    assert even
    assert not {path.stem for path in even} & {path.stem for path in odd}


@pytest.mark.parametrize("length", [RATE, 47_213])
def test_noise_is_as_long_as_it_is_wanted(length: int) -> None:
    noise = keyword_sounds.coloured(np.random.default_rng(1), length)

    assert noise.shape == (length,)
    assert noise.std() > 0


def test_words_that_are_rare_or_easily_mistaken_are_taken_oftener() -> None:
    none = np.zeros(1, np.int16)
    words = ("cake", "cake", "dish", "forward")
    said = [keyword_sounds.Clip(keyword_sounds.NONE, "a/x", none, word) for word in words]

    cake, again, dish, forward = keywords._rarity(said)

    assert cake == again < dish < forward
    assert cake + again + dish + forward == pytest.approx(1.0)


def test_networks_together_answer_the_mean_of_their_answers() -> None:
    rng = np.random.default_rng(2)
    each = [Network.random((12, 8, 3), rng) for _ in range(3)]
    seen = rng.normal(0, 1, (5, 12)).astype(np.float32)

    whole = one_layer.together(each).layers(seen)[-1]

    assert whole == pytest.approx(np.mean([network.layers(seen)[-1] for network in each], axis=0), abs=1e-5)


def test_a_word_that_others_sound_like_gets_a_higher_bar() -> None:
    rng = np.random.default_rng(3)
    words = np.repeat([*range(21), 21], [10] * 21 + [100])
    odds = rng.normal(-4, 0.5, (len(words), 21))
    said = words < 21
    odds[said, words[said]] = rng.normal(1, 1, said.sum())
    odds[~said, 3] = rng.normal(-1, 1, 100)  # "tree"

    slope, offsets = keyword_scores.fit(odds, words, steps=1500)

    assert offsets.argmin() == 3
    reached = (slope * odds[~said] + offsets).max(axis=1) > 0
    assert reached.mean() == pytest.approx(keyword_scores.FALSE, abs=0.011)
