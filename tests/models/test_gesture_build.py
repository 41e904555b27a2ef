"""The generated hands are what they are said to be, and the committed classifier knows people it never met."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sensorium_agent.infer.gesture.classify import LABELS, MEASURED_FROM
from sensorium_agent.infer.gesture.shape import hand_shape
from sensorium_agent.infer.runtime.model import load
from sensorium_models import store

BUILD = Path(__file__).parents[2] / "models" / "build"
sys.path.insert(0, str(BUILD))

import figures  # noqa: E402
import gesture_scores  # noqa: E402
import hand_model  # noqa: E402
import hand_sets  # noqa: E402

HANDS = hand_model.generate(3000, np.random.default_rng(77))
TRUTH = np.array(hand_model.LABELS)[HANDS.labels]


def test_every_label_of_the_classifier_is_generated_and_nothing_else() -> None:
    assert (*LABELS, "none") == hand_model.LABELS
    assert set(TRUTH) == set(hand_model.LABELS)


def test_the_same_seed_gives_the_same_hands() -> None:
    again = hand_model.generate(3000, np.random.default_rng(77))

    np.testing.assert_array_equal(again.joints, HANDS.joints)
    np.testing.assert_array_equal(again.labels, HANDS.labels)


@pytest.mark.parametrize(("label", "sign"), [("thumb_up", -1), ("thumb_down", 1)])
def test_thumbs_point_where_their_label_says(label: str, sign: int) -> None:
    hands = HANDS.joints[label == TRUTH]

    down = np.sign(hands[:, 4, 1] - hands[:, 2, 1])

    assert (down == sign).mean() > 0.97


def test_the_hands_stay_within_what_a_picture_can_show() -> None:
    assert np.isfinite(HANDS.joints).all()
    assert ((HANDS.right >= 0) & (HANDS.right <= 1)).all()


@pytest.mark.needs_models
def test_the_committed_classifier_knows_people_it_never_met() -> None:
    model = load(store.path("gesture_classifier"))
    chances = np.stack([model.run(shape[np.newaxis])[0][0] for shape in hand_shape(HANDS.joints)])
    known, sure = TRUTH != "none", chances[:, : len(LABELS)].max(axis=1)
    said = np.where(sure >= MEASURED_FROM, np.array(LABELS)[chances[:, : len(LABELS)].argmax(axis=1)], "none")

    assert (said == TRUTH)[known].mean() > 0.9
    assert figures.auroc(sure, known) > 0.93


def test_a_rank_is_one_for_order_a_half_for_chance_and_ties_count_half() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.4], np.float32)

    assert figures.auroc(scores, scores > 0.25) == 1
    assert figures.auroc(np.zeros(4, np.float32), scores > 0.25) == 0.5


def test_an_interval_holds_its_proportion_and_stays_within_one() -> None:
    assert gesture_scores.interval(9, 10) == "9/10 = 0.900 (0.596 to 0.982)"
    assert gesture_scores.interval(0, 0) == "none"


def test_a_collection_keeps_only_hands_whose_meaning_is_agreed(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", x=np.zeros((3, 21, 2)), label=["fist", "letter q", "none"])

    (collection,) = hand_sets.collections(tmp_path, (*LABELS, "none"))

    assert collection.name == "theirs"
    assert collection.truth.tolist() == ["fist", "none"]
    assert collection.joints.shape == (2, 21, 3)


def test_a_collection_is_made_of_rows_of_a_number_and_coordinates(tmp_path: Path) -> None:
    joints = np.arange(42)
    rows = [f"{label}," + ",".join(map(str, joints)) for label in (0, 1, 7)]
    path = tmp_path / "keypoint.csv"
    path.write_text("\n".join([*rows, "1,2,3"]))

    made = hand_sets.from_keypoints(path, ("open_palm", "fist"))

    assert made.truth.tolist() == ["open_palm", "fist"]
    np.testing.assert_array_equal(made.joints[0], joints.reshape(21, 2))
