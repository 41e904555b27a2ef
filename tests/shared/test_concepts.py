"""What a symbol may mean."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sensorium import concepts
from sensorium.concepts import Precedence
from sensorium.errors import SensoriumError
from sensorium.event import Modality

LABELS = {
    Modality.GESTURE: "fist open_palm point thumb_up thumb_down victory",
    Modality.AUDIO: "speech okay_nabu hey_jarvis hey_mycroft alexa",
    Modality.HAPTIC: "tap double_tap long_press swipe_left swipe_right swipe_up swipe_down",
    Modality.BIOMETRIC: "heart_rate_low heart_rate_normal heart_rate_high",
}

ONE = """
[concept.nod]
description = "Yes."
labels = { gesture = { nod = 0.8 } }
"""


@pytest.mark.parametrize(("modality", "label"), [(m, label) for m, some in LABELS.items() for label in some.split()])
def test_the_default_vocabulary_knows_every_label_a_perceiver_gives(modality: Modality, label: str) -> None:
    assert concepts.load().meanings(modality, label)


@pytest.mark.parametrize(
    ("modality", "label", "concept"),
    [
        (Modality.GESTURE, "open_palm", "stop"),
        (Modality.GESTURE, "thumb_up", "approve"),
        (Modality.HAPTIC, "tap", "select"),
        (Modality.AUDIO, "okay_nabu", "wake"),
    ],
)
def test_a_label_stands_for_its_concept(modality: Modality, label: str, concept: str) -> None:
    vocabulary = concepts.load()

    (meaning,) = vocabulary.meanings(modality, label)

    assert vocabulary.concepts[meaning.index].name == concept
    assert 0 < meaning.strength <= 1


def test_nobody_knows_a_label_of_another_modality_or_no_label() -> None:
    vocabulary = concepts.load()

    assert vocabulary.meanings(Modality.AUDIO, "tap") == ()
    assert vocabulary.meanings(Modality.HAPTIC, None) == ()


def test_hearts_and_wake_words_yield_to_commands() -> None:
    vocabulary = concepts.load()

    ranks = [vocabulary[name].precedence.rank for name in ("stop", "wake", "aroused")]

    assert ranks == sorted(set(ranks))
    assert vocabulary["stop"].precedence is Precedence.COMMAND


def test_no_phrase_stands_for_two_concepts() -> None:
    phrases = [p.casefold() for c in concepts.load() for p in set(c.phrases)]

    assert sorted(phrases) == sorted(set(phrases))


def test_a_vocabulary_is_told_by_its_content() -> None:
    assert concepts.parse(ONE) == concepts.parse(ONE.replace('"Yes."', "'Yes.'"))
    assert concepts.parse(ONE) != concepts.parse(ONE.replace("0.8", "0.7"))
    assert len({concepts.parse(ONE), concepts.parse(ONE)}) == 1


def test_order_is_the_order_of_the_file() -> None:
    vocabulary = concepts.parse('[concept.b]\ndescription = "B"\n[concept.a]\ndescription = "A"\n')

    assert [c.name for c in vocabulary] == ["b", "a"]
    assert vocabulary.index("a") == 1


def test_a_label_may_be_shared_by_concepts() -> None:
    vocabulary = concepts.parse(ONE + '[concept.hello]\ndescription = "Hi."\nlabels = { gesture = { nod = 0.2 } }\n')

    assert math.fsum(m.strength for m in vocabulary.meanings(Modality.GESTURE, "nod")) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "vocabulary: concept: needs 1 to 255 concepts, has 0"),
        ("concept = 1", "vocabulary: concept: must hold tables: [concept.NAME]"),
        ("[concept]", "vocabulary: concept: needs 1 to 255 concepts, has 0"),
        ("[concept.nod]", "vocabulary: concept.nod.description: is missing, and has no default"),
        (ONE + "paraphrase = []", "concept.nod.paraphrase: unknown key; did you mean 'paraphrases'?"),
        (ONE.replace("0.8", "1.5"), "concept.nod.labels.gesture[...]: expected 'float' <= 1.0"),
        (ONE.replace("gesture", "gestures"), "concept.nod.labels.gestures: unknown key; did you mean 'gesture'?"),
        (ONE.replace("nod]", "Nod]"), "concept.Nod: a name has small letters"),
        (ONE + 'precedence = "first"', "concept.nod.precedence: invalid enum value 'first'"),
        (ONE + "[concepts]", "concepts: unknown key; did you mean 'concept'?"),
        (ONE + '[concept.hi]\ndescription="Hi."\nlabels={gesture={nod=0.3}}', "concept.hi.labels.gesture.nod: "),
        ("concept = [", "vocabulary: not TOML"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_the_key(text: str, said: str) -> None:
    with pytest.raises(SensoriumError) as caught:
        concepts.parse(text)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SensoriumError, match=r"gone\.toml: cannot be read: No such file"):
        concepts.load(tmp_path / "gone.toml")
