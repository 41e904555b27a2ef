"""Movements that mean something, and those that do not: told with a small hand that goes where it is told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sensorium_agent.infer.gesture.motion import HandMotions, Motion, MotionSpotter, at_rate, spot

OPEN = np.array([[0, 0, 0], *([x, -y, 0] for x in (0.4, 0.2, 0, -0.2, -0.4) for y in (0.9, 1.3, 1.6, 1.8))], np.float32)
FIST = np.array([[0, 0, 0], *([x, -y, 0.3] for x in (0.4, 0.2, 0, -0.2, -0.4) for y in (0.9, 1, 0.8, 0.7))], np.float32)
PALM_PX = 80.0

# Where a hand is after so many seconds, in palms; x to the right of the picture and y down.
Way = Callable[[float], tuple[float, float]]


def smoothly(part: float) -> float:
    part = min(max(part, 0.0), 1.0)
    return 10 * part**3 - 15 * part**4 + 6 * part**5


def straight(x: float, y: float, *, begin_s: float = 0.6, for_s: float = 0.4) -> Way:
    return lambda t: (x * smoothly((t - begin_s) / for_s), y * smoothly((t - begin_s) / for_s))


def waving(t: float) -> tuple[float, float]:
    return (0.8 * np.sin(2 * np.pi * 2 * (t - 0.5)) if 0.5 < t < 2.0 else 0.0), 0.0


def circling(t: float) -> tuple[float, float]:
    angle = 2 * np.pi * smoothly((t - 0.5) / 1.0) * 1.2
    return 1.2 * np.cos(angle), 1.2 * np.sin(angle)


def hands(way: Way, *, rate_hz: float = 30, for_s: float = 2.6, palm_px: float = PALM_PX) -> list[np.ndarray]:
    places = [way(n / rate_hz) for n in range(round(for_s * rate_hz))]
    return [(OPEN + np.array([x, y, 0])).astype(np.float32) * palm_px for x, y in places]


def labels(joints: list[np.ndarray], rate_hz: float = 30) -> list[str]:
    return [motion.label for motion in spot(at_rate(joints, rate_hz))]


SIDES = [("swipe_left", 3, 0), ("swipe_right", -3, 0), ("swipe_up", 0, -3), ("swipe_down", 0, 3)]


@pytest.mark.parametrize(("label", "x", "y"), SIDES)
@pytest.mark.parametrize("rate_hz", [10, 24, 60])
def test_a_swipe_goes_the_way_its_person_sees_it_go_at_any_rate(label: str, x: float, y: float, rate_hz: int) -> None:
    assert labels(hands(straight(x, y), rate_hz=rate_hz), rate_hz) == [label]


@pytest.mark.parametrize("palm_px", [12, 400])
def test_a_hand_far_away_swipes_as_a_near_one(palm_px: float) -> None:
    assert labels(hands(straight(3, 0), palm_px=palm_px)) == ["swipe_left"]


def test_a_mirrored_hand_swipes_the_same_way() -> None:
    mirrored = [hand * np.array([-1, 1, 1], np.float32) for hand in hands(straight(-3, 0))]

    assert labels(mirrored) == ["swipe_left"]


def test_the_way_back_is_no_swipe() -> None:
    def to_and_fro(t: float) -> tuple[float, float]:
        return 3 * (smoothly((t - 0.5) / 0.35) - smoothly((t - 1.2) / 0.5)), 0.0

    assert labels(hands(to_and_fro)) == ["swipe_left"]


def test_a_hand_that_comes_slowly_or_slanting_does_not_swipe() -> None:
    assert labels(hands(straight(3, 0, for_s=1.9))) == []
    assert labels(hands(straight(2.5, 2.5))) == []


def test_a_fist_does_not_swipe() -> None:
    moved = straight(3, 0)
    fists = [(FIST + np.array([*moved(n / 30), 0])).astype(np.float32) * PALM_PX for n in range(75)]

    assert labels(fists) == []


def test_a_hand_that_is_raised_into_sight_does_not_swipe_up() -> None:
    assert labels(hands(straight(0, -3, begin_s=-0.1))) == []


def test_a_hand_that_sinks_out_of_sight_does_not_swipe_down() -> None:
    assert labels(hands(straight(0, 3, begin_s=0.6), for_s=1.0)) == []


def test_onset_and_end_are_when_it_was() -> None:
    (motion,) = spot(at_rate(hands(straight(3, 0, begin_s=0.6, for_s=0.4)), 30))

    assert motion.onset_ns == pytest.approx(0.6e9, abs=0.12e9)
    assert motion.end_ns == pytest.approx(1.0e9, abs=0.12e9)
    assert 0.6 < motion.score <= 1


@pytest.mark.parametrize("rate_hz", [12, 30, 60])
def test_to_and_fro_is_a_wave(rate_hz: int) -> None:
    assert labels(hands(waving, rate_hz=rate_hz), rate_hz) == ["wave"]


@pytest.mark.parametrize("sense", [1, -1])
def test_once_around_is_a_circle(sense: int) -> None:
    assert labels(hands(lambda t: (circling(t)[0], sense * circling(t)[1]))) == ["circle"]


def test_a_square_is_no_circle() -> None:
    def around_corners(t: float) -> tuple[float, float]:
        sides = [smoothly((t - begin) / 0.4) for begin in (0.4, 0.8, 1.2, 1.6)]
        return 2 * (sides[0] - sides[2]), 2 * (sides[1] - sides[3])

    assert "circle" not in labels(hands(around_corners))


def test_a_hand_that_comes_to_the_camera_pushes() -> None:
    grown = [OPEN * PALM_PX * np.float32(np.exp(0.45 * smoothly((n / 30 - 0.6) / 0.4))) for n in range(60)]

    assert labels(grown) == ["push"]
    assert labels(grown[::-1]) == []


def test_fingers_that_close_grab_and_that_open_release() -> None:
    closing = [(OPEN + (FIST - OPEN) * smoothly((n / 30 - 0.6) / 0.3)) * np.float32(PALM_PX) for n in range(60)]

    assert labels(closing) == ["grab"]
    assert labels(closing[::-1]) == ["release"]


def test_a_trembling_hand_does_nothing() -> None:
    rng = np.random.default_rng(0)

    assert labels([hand + rng.normal(0, 2.0, hand.shape).astype(np.float32) for hand in hands(lambda _: (0, 0))]) == []


def test_lost_pictures_and_uneven_times_do_not_matter() -> None:
    rng = np.random.default_rng(4)
    film = [(t + int(rng.normal(0, 3e6)), hand) for t, hand in at_rate(hands(straight(3, 0)), 30) if rng.random() > 0.2]

    assert [motion.label for motion in spot(film)] == ["swipe_left"]


def test_flat_joints_are_enough() -> None:
    assert labels([hand[:, :2] for hand in hands(straight(3, 0))]) == ["swipe_left"]


def test_a_picture_of_the_same_time_or_earlier_is_passed_over() -> None:
    spotter = MotionSpotter()
    spotter.see(10, OPEN)

    assert spotter.see(10, OPEN) == []
    assert spotter.see(5, OPEN) == []


def test_each_of_two_hands_has_its_own_motions() -> None:
    both, found = HandMotions(), []
    for (at_ns, left), (_, right) in zip(
        at_rate(hands(straight(3, 0)), 30), at_rate(hands(straight(-3, 0)), 30), strict=True
    ):
        found += both.see(at_ns, {0: left, 1: right})
    found += both.finish()

    assert [(number, motion.label) for number, motion in found] == [(0, "swipe_left"), (1, "swipe_right")]


def test_a_hand_that_leaves_the_picture_has_swiped() -> None:
    gone, found = HandMotions(), []
    for at_ns, hand in at_rate(hands(straight(3, 0), for_s=1.0), 30):
        found += gone.see(at_ns, {7: hand})
    for n in range(20):
        found += gone.see(1_000_000_000 + n * 33_000_000, {})

    assert [(number, motion.label) for number, motion in found] == [(7, "swipe_left")]


def test_a_return_is_known_by_when_it_comes() -> None:
    there = Motion("swipe_left", 0.9, 0, 400_000_000)

    assert Motion("swipe_right", 0.9, 600_000_000, 900_000_000).leads_back(there)
    assert Motion("swipe_right", 0.9, 1_500_000_000, 2_200_000_000).leads_back(there)
    assert not Motion("swipe_right", 0.9, 1_500_000_000, 1_800_000_000).leads_back(there)
    assert not Motion("swipe_up", 0.9, 600_000_000, 900_000_000).leads_back(there)
