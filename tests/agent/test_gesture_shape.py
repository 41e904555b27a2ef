"""The shape of a hand stays the same however it is turned; only the thumb knows where up is."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium_agent.infer.gesture.shape import SHAPE, hand_shape

HANDS = np.random.default_rng(3).normal(0, 40, (5, 21, 3)).astype(np.float32)
TO_UPRIGHT = slice(-3, -1)


def turned(hands: np.ndarray, degrees: float) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (hands @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])).astype(np.float32)


@pytest.mark.parametrize("degrees", [30, 90, 180, -120])
def test_a_turned_hand_differs_only_in_where_its_thumb_points(degrees: float) -> None:
    before, after = hand_shape(HANDS), hand_shape(turned(HANDS, degrees))

    np.testing.assert_allclose(
        np.delete(after, np.r_[TO_UPRIGHT], 1), np.delete(before, np.r_[TO_UPRIGHT], 1), atol=1e-4
    )
    assert np.abs(after[:, TO_UPRIGHT] - before[:, TO_UPRIGHT]).max() > 0.1


def test_a_hand_in_the_mirror_elsewhere_or_larger_has_the_same_shape() -> None:
    mirrored = HANDS * np.array([-2.5, 2.5, 2.5], np.float32) + np.array([300, -120, 8], np.float32)

    np.testing.assert_allclose(hand_shape(mirrored), hand_shape(HANDS), atol=1e-4)


def test_a_thumb_that_points_up_says_so() -> None:
    hand = HANDS[:1].copy()
    hand[0, 2, :2], hand[0, 4, :2] = (0, 0), (0, -50)

    up, aside, _ = hand_shape(hand)[0, -3:]

    assert (up, aside) == (pytest.approx(1), pytest.approx(0))


def test_joints_all_in_one_place_have_a_finite_shape_of_the_usual_length() -> None:
    shape = hand_shape(np.zeros((2, 21, 3), np.float32))

    assert shape.shape == (2, SHAPE)
    assert np.isfinite(shape).all()
