"""How the fusion network is trained and measured: the parts that can be wrong without anybody noticing."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from models.build import figures
from models.build.fusion.events import bank as fusion_bank
from models.build.fusion.events import lines as fusion_lines
from models.build.fusion.events import mix as fusion_mix
from models.build.fusion.events.manner import fitted

from sensorium import concepts
from sensorium.concepts import Precedence
from sensorium.event import Modality
from sensorium_cloud.fuse.reading import Read, Reader

SENTENCES = Path(fusion_bank.__file__).with_name("sentences.toml")
VOCABULARY = concepts.load()
SIZES = {"video": 1280, "audio": 256, "text": 384, "gesture": 128, "haptic": 64, "biometric": 32}


@pytest.fixture(scope="module")
def bank() -> fusion_bank.Bank:
    """Random rows under the names real ones have."""
    rng = np.random.default_rng(0)
    named = {m: {label for c in VOCABULARY for label in c.labels.get(m, ())} | {""} for m in Modality}
    named[Modality.TEXT] = {c.name for c in VOCABULARY} | {""}
    named[Modality.AUDIO] = {"speech", ""}
    rows = {
        m: {n: rng.normal(size=(5, SIZES[m])).astype(np.float32) for n in sorted(some)} for m, some in named.items()
    }
    said = (*rows[Modality.TEXT], fusion_lines.DENIED)
    read = {
        name: Read(rng.normal(size=(5, 384)).astype(np.float32), rng.random(5, np.float32), np.zeros(5, np.intp))
        for name in said
    }
    return fusion_bank.Bank(rows, read)


def a_mixer(bank: fusion_bank.Bank, seed: int = 1, *, clean: bool = False) -> fusion_mix.Mixer:
    return fusion_mix.Mixer(VOCABULARY, bank, np.random.default_rng(seed), clean=clean)


# --- what it is trained on -------------------------------------------------------------


def test_no_sentence_is_both_practised_and_examined() -> None:
    lines = {split: fusion_lines.sentences(VOCABULARY, split) for split in fusion_bank.SPLITS}
    flat = {split: {line.casefold() for some in own.values() for line in some} for split, own in lines.items()}

    assert not flat["practice"] & flat["exam"]
    assert not flat["practice"] & flat["fit"]
    assert not flat["fit"] & flat["exam"]


def test_every_concept_has_words_to_practise_and_no_words_are_for_nobody() -> None:
    written = tomllib.loads(SENTENCES.read_text())

    assert set(written["say"]) == {c.name for c in VOCABULARY}


def test_the_same_seed_mixes_the_same_scenes(bank: fusion_bank.Bank) -> None:
    first, again = a_mixer(bank), a_mixer(bank)

    assert [first.draw() for _ in range(50)] == [again.draw() for _ in range(50)]


def test_beside_a_meaning_stands_only_what_has_to_yield_to_it(bank: fusion_bank.Bank) -> None:
    mixer = a_mixer(bank, clean=True)

    for _ in range(300):
        scene = mixer.agreement()
        concept = VOCABULARY.concepts[scene.target]
        for seen in scene.evidence:
            for meaning in VOCABULARY.meanings(seen.modality, seen.label):
                shown = VOCABULARY.concepts[meaning.index]
                assert shown is concept or shown.precedence.rank > concept.precedence.rank


def test_a_conflict_is_between_two_commands_by_two_senses(bank: fusion_bank.Bank) -> None:
    mixer = a_mixer(bank)

    for _ in range(50):
        scene = mixer.conflict()
        assert len({seen.modality for seen in scene.evidence}) == 2
        assert {VOCABULARY.concepts[index].precedence for index in scene.meaning} == {Precedence.COMMAND}
        assert math.fsum(scene.meaning.values()) == pytest.approx(1)


def test_what_is_denied_is_examined_in_patterns_that_are_never_practised() -> None:
    lines = {split: set(fusion_lines.denials(VOCABULARY, split)) for split in fusion_bank.SPLITS}

    assert not lines["practice"] & (lines["fit"] | lines["exam"])
    assert not lines["fit"] & lines["exam"]
    assert "never open the door" in lines["exam"]


def test_a_denied_command_means_none_of_the_concepts(bank: fusion_bank.Bank) -> None:
    scene = a_mixer(bank).denied()

    assert scene.meaning == {len(VOCABULARY): 1.0}
    assert scene.evidence[0].shows == "denied"


def test_scenes_become_arrays_with_zeros_where_nothing_is(bank: fusion_bank.Bank) -> None:
    mixer = a_mixer(bank)
    scenes = [mixer.draw() for _ in range(40)]
    anchors = np.ones((len(VOCABULARY), 384), np.float32)

    inputs, meanings = fusion_mix.materialise(scenes, bank, VOCABULARY, anchors, np.random.default_rng(2), drop=0.5)

    assert meanings.sum(axis=1) == pytest.approx(1)
    for row, scene in enumerate(scenes):
        there = {seen.modality for seen in scene.evidence}
        assert {m for m, trust in zip(Modality, inputs.trust[row], strict=True) if trust > 0} == there
        for m, features in zip(Modality, inputs.features, strict=True):
            assert m in there or not features[row].any()


def test_words_lie_where_their_reading_does_and_have_no_features(bank: fusion_bank.Bank) -> None:
    anchors = np.ones((len(VOCABULARY), 384), np.float32)
    text = list(Modality).index(Modality.TEXT)
    scenes = [a_mixer(bank).denied() for _ in range(20)]

    inputs, _ = fusion_mix.materialise(scenes, bank, VOCABULARY, anchors, np.random.default_rng(2), drop=0.0)

    assert not inputs.features[text].any()
    places = {row.tobytes() for row in bank.read[fusion_lines.DENIED].phrases}
    assert {row.tobytes() for row in inputs.phrases[:, text, 0]} <= places


def test_the_manner_of_reading_parts_known_from_unknown() -> None:
    rng = np.random.default_rng(0)

    class Sure(Reader):
        """Finds a sentence likest to its own concept, and one that means nothing known unlike any."""

        def __init__(self) -> None:
            pass

        def likeness(
            self, texts: Sequence[str], rows: fusion_bank.Floats
        ) -> tuple[fusion_bank.Floats, fusion_bank.Floats]:
            found = rng.normal(0.2, 0.05, (len(texts), len(VOCABULARY))).astype(np.float32)
            for row, text in zip(found, texts, strict=True):
                if text in own:
                    row[own[text]] = rng.normal(0.7, 0.05)
            return found, found.max(axis=1)

    own = {
        text: VOCABULARY.index(name)
        for name, some in fusion_lines.practised(VOCABULARY).items()
        if name
        for text in some
    }

    manner = fitted(VOCABULARY, lambda texts: np.zeros((len(texts), 384), np.float32), Sure())

    assert 0.3 < manner.bar < 0.65
    assert manner.slope > 10
    assert manner.sharpness > 10


# --- how it is measured ----------------------------------------------------------------


def test_a_share_of_all_has_an_interval_below_one() -> None:
    low, high = figures.wilson(10, 10)

    assert low == pytest.approx(0.7225, abs=1e-3)  # 1 / (1 + z^2 / n)
    assert high == pytest.approx(1)


def test_one_who_is_right_as_often_as_sure_is_calibrated() -> None:
    probabilities = np.tile([0.75, 0.25], (400, 1))

    assert figures.ece(probabilities, np.arange(400) % 4 // 3) == pytest.approx(0)
    assert figures.ece(probabilities, np.ones(400, int)) == pytest.approx(0.75)


def test_auroc_counts_ties_half() -> None:
    positive = np.array([True, True, False, False])

    assert figures.auroc(np.array([4.0, 3.0, 2.0, 1.0]), positive) == 1
    assert figures.auroc(np.array([1.0, 1.0, 1.0, 1.0]), positive) == 0.5
    assert figures.auroc(np.array([4.0, 1.0, 2.0, 3.0]), positive) == 0.5
