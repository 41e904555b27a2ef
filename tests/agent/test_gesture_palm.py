"""Palms: what the detector's numbers mean."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sensorium_agent.infer.gesture.palm import Palm, PalmDetector, anchors, decode, merge, overlaps, views
from sensorium_agent.infer.gesture.region import Region

PICTURE = np.zeros((384, 384, 3), np.uint8)
CELL = 24 * 2 * 11 + 2 * 5  # the first anchor of row 11, column 5 of the fine grid


class Answering:
    """A palm model that sees what it is told to."""

    def __init__(self, boxes: np.ndarray, scores: np.ndarray) -> None:
        self._answer = [boxes, scores]

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        assert inputs[0].shape == (1, 192, 192, 3)
        return self._answer

    def reset(self) -> None: ...


def seeing_one_palm_at(cell: int, *, logit: float = 2.0) -> Answering:
    boxes, scores = np.zeros((1, 2016, 18), np.float32), np.full((1, 2016, 1), -9, np.float32)
    boxes[0, cell, 2:4] = 48  # a quarter of the picture wide and high
    boxes[0, cell, 4:6] = 0, 20  # the wrist below
    boxes[0, cell, 8:10] = 0, -20  # the middle finger's knuckle above
    scores[0, cell] = logit
    return Answering(boxes, scores)


def a_palm(*, wrist: tuple[float, float], knuckle: tuple[float, float]) -> Palm:
    keypoints = np.zeros((7, 2), np.float32)
    keypoints[0], keypoints[2] = wrist, knuckle
    return Palm(0.9, np.array([80, 80, 120, 120], np.float32), keypoints)


def test_anchors_are_the_centres_of_both_grids() -> None:
    centers = anchors()

    assert centers.shape == (2016, 2)
    np.testing.assert_allclose(centers[CELL], [5.5 / 24, 11.5 / 24])
    np.testing.assert_allclose(centers[-1], [11.5 / 12, 11.5 / 12])


def test_a_box_lies_around_its_anchor() -> None:
    raw = np.zeros((1, 18), np.float32)
    raw[0, :4] = 19.2, 0, 38.4, 57.6

    (points,) = decode(raw, np.array([[0.5, 0.5]], np.float32))

    np.testing.assert_allclose(points[:2], [[0.5, 0.35], [0.7, 0.65]], rtol=1e-5)


def test_a_palm_is_found_where_the_model_sees_it() -> None:
    detector = PalmDetector(seeing_one_palm_at(CELL))

    (palm,) = detector.find(PICTURE, Region.around(PICTURE))

    assert palm.score == pytest.approx(1 / (1 + math.exp(-2)))
    x, y = 5.5 / 24 * 384, 11.5 / 24 * 384
    np.testing.assert_allclose(palm.box, [x - 48, y - 48, x + 48, y + 48], rtol=1e-4)
    np.testing.assert_allclose(palm.keypoints[0], [x, y + 40], rtol=1e-4)


def test_a_doubtful_palm_is_none() -> None:
    detector = PalmDetector(seeing_one_palm_at(CELL, logit=-0.1))

    assert detector.find(PICTURE, Region.around(PICTURE)) == []
    assert len(detector.find(PICTURE, Region.around(PICTURE), least=0.2)) == 1


def test_a_faint_box_does_not_move_the_clear_one_it_overlaps() -> None:
    seen = seeing_one_palm_at(CELL)
    boxes, scores = seen.run(np.zeros((1, 192, 192, 3)))
    boxes[0, CELL + 2] = boxes[0, CELL]
    scores[0, CELL + 2] = -1.0
    detector = PalmDetector(seen)

    clear, faint = detector.find(PICTURE, Region.around(PICTURE), least=0.2)

    np.testing.assert_array_equal(clear.box, detector.find(PICTURE, Region.around(PICTURE))[0].box)
    assert faint.score < 0.5 < clear.score


def test_boxes_of_one_palm_are_joined_by_weight() -> None:
    points = np.zeros((3, 9, 2), np.float32)
    points[0, 1] = points[1, 1] = points[2, 1] = 0.4
    points[1] += 0.04
    points[2] += 0.5

    merged = merge(np.array([0.75, 0.25, 0.6], np.float32), points)

    assert [score for score, _ in merged] == pytest.approx([0.75, 0.6])
    np.testing.assert_allclose(merged[0][1][0], [0.01, 0.01], atol=1e-6)


def test_overlap_of_half_shifted_squares_is_a_third() -> None:
    one = np.array([[0, 0], [1, 1]], np.float32)

    np.testing.assert_allclose(
        overlaps(one, np.stack([one, one + np.array([0.5, 0]), one + 2])), [1, 1 / 3, 0], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("knuckle", "angle_deg", "center"),
    [((100, 80), 0, (100, 80)), ((120, 100), 90, (120, 100)), ((80, 100), -90, (80, 100))],
)
def test_the_hand_is_looked_for_where_the_fingers_point(
    knuckle: tuple[float, float], angle_deg: float, center: tuple[float, float]
) -> None:
    hand = a_palm(wrist=(100, 100), knuckle=knuckle).hand()

    assert math.degrees(hand.angle_rad) == pytest.approx(angle_deg)
    assert (hand.center_x, hand.center_y) == pytest.approx(center)
    assert hand.side == pytest.approx(2.6 * 40)


def test_the_views_of_a_photo_cover_it_at_three_sizes() -> None:
    photo = np.zeros((480, 640, 3), np.uint8)

    squares = views(photo)

    assert squares[0] == Region.around(photo)
    assert {round(square.side) for square in squares} == {384, 640, 1024}
    tiles = squares[2:]
    assert min(t.center_x - t.side / 2 for t in tiles) == 0
    assert max(t.center_x + t.side / 2 for t in tiles) == 640


def test_a_small_picture_has_no_parts_worth_a_look() -> None:
    assert len(views(np.zeros((120, 160, 3), np.uint8))) == 2
