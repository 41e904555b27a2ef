"""A hand's features, and the label a hand gets."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium_agent.infer.gesture.classify import LABELS, GestureClassifier, hand_features
from sensorium_agent.infer.gesture.landmark import Hand

JOINTS = np.random.default_rng(7).normal(0, 40, (21, 3)).astype(np.float32)


def test_a_hand_elsewhere_or_larger_has_the_same_features() -> None:
    moved = 2.5 * JOINTS + np.array([300, -120, 8], np.float32)

    np.testing.assert_allclose(hand_features(moved, 0.9), hand_features(JOINTS, 0.9), atol=1e-5)


def test_a_turned_hand_has_other_features() -> None:
    turned = JOINTS * np.array([-1, -1, 1], np.float32)

    assert np.abs(hand_features(turned, 0.9) - hand_features(JOINTS, 0.9)).max() > 0.5


def test_the_last_feature_is_the_handedness() -> None:
    assert hand_features(JOINTS, 1.0)[-1] == 1
    assert hand_features(JOINTS, 0.0)[-1] == -1


def test_joints_all_in_one_place_have_finite_features() -> None:
    assert np.isfinite(hand_features(np.zeros((21, 3), np.float32), 0.5)).all()


def test_the_next_crop_stands_as_the_hand_does() -> None:
    joints = np.zeros((21, 3), np.float32)
    joints[1:, 0] = 100  # the fingers to the right of the wrist

    crop = Hand(joints, 1.0, 1.0, np.zeros((224, 224, 3), np.uint8)).next_crop()

    assert crop.angle_rad == pytest.approx(np.pi / 2)
    assert crop.center_x > 50
    assert crop.side == pytest.approx(200)


def test_a_flat_crop_is_blurred_and_a_busy_one_sharp() -> None:
    flat = np.full((224, 224, 3), 90, np.uint8)
    busy = np.random.default_rng(0).integers(0, 255, (224, 224, 3), np.uint8)

    assert Hand(JOINTS, 1.0, 1.0, flat).sharpness() == 0
    assert Hand(JOINTS, 1.0, 1.0, busy).sharpness() > 0.9


@pytest.mark.needs_models
def test_the_classifier_gives_a_probability_to_every_label_and_to_none() -> None:
    from sensorium_agent.infer.runtime.model import load
    from sensorium_models import store

    chances = GestureClassifier(load(store.path("gesture_classifier"))).probabilities(hand_features(JOINTS, 0.9))

    assert chances.shape == (len(LABELS) + 1,)
    assert chances.sum() == pytest.approx(1, abs=0.02)
