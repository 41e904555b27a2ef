"""A movement that was taught is known at any size and speed, and hardly turned; others keep their names."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sensorium_agent.infer.gesture.bout import Bout
from sensorium_agent.infer.gesture.motion import HandMotions, MotionSpotter
from sensorium_agent.infer.gesture.own_motion import OwnMotions, way

MS = 1_000_000
ZED = [(0, 0), (4, 0), (0, 3), (4, 3)]
VEE = [(0, 0), (2, 4), (4, 0)]
HAND = np.zeros((21, 3), np.float32)
HAND[:, 0] = np.linspace(-0.4, 0.4, 21)
HAND[[5, 9, 13, 17], 1] = -1.0
HAND[[8, 12, 16, 20], 1] = -1.9


def shown(corners: list[tuple[float, float]], *, size: float = 1.0, seconds: float = 1.2, turn_deg: float = 0.0):
    """Times and joints of a hand that rests, goes along ``corners`` (palms) with ease, and rests."""
    points = np.array(corners, float) * size
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    points = points @ np.array([[c, s], [-s, c]])
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    t = np.linspace(0, 1, max(round(seconds * 30), 2))
    due = along[-1] * (10 * t**3 - 15 * t**4 + 6 * t**5)
    middle = np.stack([np.interp(due, along, points[:, axis]) for axis in (0, 1)], axis=1)
    path = np.concatenate([np.repeat(middle[:1], 15, axis=0), middle, np.repeat(middle[-1:], 12, axis=0)])
    joints = (HAND + np.pad(path, ((0, 0), (0, 1)))[:, np.newaxis]) * 60
    return [(n * 33 * MS, one.astype(np.float32)) for n, one in enumerate(joints)]


def said(spotter: MotionSpotter, hand) -> list[str]:
    found = [motion for at_ns, joints in hand for motion in spotter.see(at_ns, joints)]
    return [motion.label for motion in [*found, *spotter.lose()]]


def ways(hand) -> np.ndarray:
    bouts: list[Bout] = []
    said(MotionSpotter(watch=bouts.append), hand)
    return np.stack([gone for bout in bouts if (gone := way(bout)) is not None])


@pytest.fixture
def own() -> OwnMotions:
    return OwnMotions({"zed": ways(shown(ZED)), "vee": ways(shown(VEE))})


@pytest.mark.parametrize(
    ("size", "seconds", "turn_deg"), [(1, 1.2, 0), (0.6, 0.8, 0), (1.5, 2.4, 0), (1, 1.2, 20), (1, 1.2, -20)]
)
def test_a_taught_movement_is_known_at_any_size_and_speed(
    own: OwnMotions, size: float, seconds: float, turn_deg: float
) -> None:
    hand = shown(ZED, size=size, seconds=seconds, turn_deg=turn_deg)

    assert said(MotionSpotter(own), hand) == ["zed"]


def test_upside_down_or_backwards_is_another_movement(own: OwnMotions) -> None:
    assert said(MotionSpotter(own), shown(VEE, turn_deg=180)) != ["vee"]
    assert "vee" not in said(MotionSpotter(own), shown(VEE, turn_deg=90))


def test_built_in_movements_keep_their_names(own: OwnMotions) -> None:
    swipe = shown([(0, 0), (4, 0)], seconds=0.6)

    assert said(MotionSpotter(own), swipe) == said(MotionSpotter(), swipe) == ["swipe_left"]


def test_what_hardly_goes_anywhere_teaches_nothing() -> None:
    bouts: list[Bout] = []
    said(MotionSpotter(watch=bouts.append), shown([(0, 0), (0.5, 0)], seconds=0.25))

    assert all(way(bout) is None for bout in bouts)


def test_two_that_were_taught_alike_are_both_less_sure(own: OwnMotions) -> None:
    zed = ways(shown(ZED))
    twins = OwnMotions({"zed": zed, "twin": ways(shown(ZED, seconds=1.4))})

    assert own.chances(zed[0])[0] > 0.9
    assert twins.chances(zed[0]).max() < 0.9


def test_hands_that_come_later_go_by_what_was_learnt(own: OwnMotions) -> None:
    motions, hand = HandMotions(), shown(VEE)
    motions.learn(own)

    found = [motion for at_ns, joints in hand for motion in motions.see(at_ns, {3: joints})] + motions.finish()

    assert [(number, motion.label) for number, motion in found] == [(3, "vee")]
