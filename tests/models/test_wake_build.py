"""What the wake words' second opinion is trained on: moments, scenes, and how often each is seen."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "models" / "build"))

import one_layer
import wake_moments
import wake_opinion
import wake_voices
from int8_network import Network
from keyword_sounds import Clip

from sensorium_agent.infer.lanes import WAKE_WORDS
from sensorium_agent.infer.sound.embedding import WIDTH
from sensorium_agent.infer.sound.second_opinion import DEPTH

RECORDINGS = Path(__file__).parents[1] / "recordings"
ALEXA = WAKE_WORDS.index("alexa")


def an_example(heard: int, said: int, call: int = 0) -> wake_opinion.Example:
    return wake_opinion.Example(np.zeros(DEPTH * WIDTH, np.float32), heard, said, 0.99, call, "somebody")


def test_every_word_is_seen_as_often_and_so_is_what_is_mistaken_for_it() -> None:
    heard = np.array([0, 0, 1, 0, 1, 1, *[-1] * 50])
    said = np.array([0, 0, 1, -1, -1, -1, *[-1] * 50])

    seen = wake_opinion.shares(heard, said)

    assert seen[:2].sum() == pytest.approx(seen[2])
    assert seen[3] == pytest.approx(seen[4:6].sum())
    assert seen[2] > seen[3] > seen[4] > seen[6] > 0


def test_networks_together_answer_with_the_mean_of_their_odds() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(0, 1, (5, DEPTH * WIDTH)).astype(np.float32)
    each = [Network.random((DEPTH * WIDTH, 8, len(WAKE_WORDS)), rng) for _ in range(2)]

    both = wake_opinion.judge(one_layer.together(each)).odds(vectors)

    assert both == pytest.approx(np.mean([network.layers(vectors)[-1] for network in each], axis=0), abs=1e-4)


def test_calls_of_several_files_stay_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        wake_opinion.keep(tmp_path / f"{name}.npz", [an_example(0, 0, 1), an_example(0, 0, 1), an_example(0, -1, 2)])

    data = wake_opinion.kept([tmp_path / "a.npz", tmp_path / "b.npz"])

    assert len(set(data["call"])) == 4
    assert data["vectors"].shape == (6, DEPTH * WIDTH)


def test_a_wake_word_is_often_followed_by_what_somebody_says_next() -> None:
    word, other = Clip(0, "a", np.full(800, 1000, np.int16)), Clip(0, "b", np.full(1600, 9000, np.int16))
    rng = np.random.default_rng(1)

    said = [wake_opinion._followed(word, [other], rng).pcm for _ in range(40)]

    followed = [pcm for pcm in said if len(pcm) > 800]
    assert 10 < len(followed) < 30
    assert all(np.array_equal(pcm[:800], word.pcm) and pcm[-1] < 9000 for pcm in followed)


def test_the_names_that_no_lexicon_has_are_added_to_a_copy(tmp_path: Path) -> None:
    assets = tmp_path / "hibari/assets"
    assets.mkdir(parents=True)
    for country in ("us", "gb"):
        (assets / f"lexicon_{country}_gold.json.gz").write_bytes(gzip.compress(b'{"hey": "h"}'))
    (tmp_path / "voices").mkdir()

    copy = wake_voices.with_names(tmp_path)

    known = json.loads(gzip.decompress((copy / "hibari/assets/lexicon_gb_gold.json.gz").read_bytes()))
    assert set(known) == {"hey", "alexa", "jarvis", "mycroft", "nabu"}
    assert (copy / "voices").resolve() == tmp_path / "voices"
    assert len(gzip.decompress((assets / "lexicon_gb_gold.json.gz").read_bytes())) == 12


def test_nothing_that_sounds_like_a_wake_word_holds_one() -> None:
    words = {word for text in wake_voices.SAID.values() for word in text.split()} - {"hey", "okay"}

    assert not words & {word for text in wake_voices.NEAR for word in text.split()}


@pytest.mark.needs_models
def test_the_moments_of_a_call_are_those_at_which_the_device_would_tell_the_word_and_some_before() -> None:
    ear = wake_moments.Ear(least=0.5)

    ((_, found),) = wake_moments.of_files(ear, [RECORDINGS / "alexa.wav"])

    called = [moment for moment in found if moment.word == ALEXA]
    assert len({moment.call for moment in called}) == 1
    assert not called[0].stock
    assert any(moment.stock for moment in called)
    assert {moment.end % 160 for moment in called} == {0}
    assert all(len(moment.pcm) == wake_moments.KEPT for moment in called)
