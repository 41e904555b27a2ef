"""Hands without photos: a kinematic hand in known poses, as the landmark model would report it.

A right hand stands upright with its palm to the camera: x to the thumb's side, y along the fingers, z out of the palm;
the palm's length (wrist to middle knuckle) is 1. Fingers bend about three parallel axes within the ranges of a healthy
hand; the thumb reaches for where the pose wants its tip. The hand is then varied in its bones, mirrored, turned, seen
through a camera, and blurred the way the landmark model blurs: least along the picture, most in depth and where joints
hide each other. Proportions and joint ranges: B. Buchholz et al., "Anthropometric data for describing the kinematics of
the human hand", Ergonomics 35 (1992).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import hand_view
import numpy as np
import numpy.typing as npt
from hand_view import Facing

Floats = npt.NDArray[np.float64]

LABELS: Final = (
    "fist", "open_palm", "point", "thumb_up", "thumb_down", "victory",
    "ok", "call", "rock", "three", "four", "pinch", "none",
)  # fmt: skip

# --- the hand at rest ----------------------------------------------------------------

_KNUCKLES: Final = np.array([[0.27, 0.95, 0.0], [0.04, 1.0, 0.03], [-0.17, 0.93, 0.02], [-0.36, 0.81, -0.02]])
_THUMB_BASE: Final = np.array([0.27, 0.22, 0.08])
_FINGER_BONES: Final = np.array([[0.46, 0.27, 0.21], [0.51, 0.31, 0.22], [0.47, 0.29, 0.22], [0.37, 0.21, 0.20]])
_THUMB_BONES: Final = np.array([0.40, 0.34, 0.28])


class Finger(Enum):
    """How a finger is held: degrees of flexion of its three joints, least and most."""

    STRAIGHT = ((-15, 28), (0, 24), (0, 14))
    LEANING = ((10, 55), (0, 30), (0, 18))  # straight, bent at the knuckle, as towards a thing or a camera
    CURLED = ((30, 98), (72, 115), (15, 80))
    LOOSE = ((20, 80), (58, 105), (15, 65))  # curled without force, as beside a pointing finger
    HALF = ((15, 55), (25, 56), (5, 40))
    HOOKED = ((-10, 15), (40, 85), (30, 75))
    BOWED = ((45, 85), (5, 55), (0, 35))  # bent at the knuckle, as to take a card
    ROUND = ((20, 60), (20, 52), (5, 35))  # as to take something round


class Thumb(Enum):
    """Where the thumb is."""

    OUT = "stretched away from the hand"
    ALONG = "straight, beside the index finger"
    OVER = "tip on the curled index or middle finger"
    BESIDE = "tip at the side of the curled index finger"
    ACROSS = "tip at the root of the ring finger"
    TUCKED = "tip at the root of the little finger, the whole thumb before the palm"
    OPPOSED = "stretched out of the palm, before the fingers"
    PINCH = "tip at the tip of the index finger"
    NEAR = "tip near the tip of the index finger"


@dataclass(frozen=True, slots=True)
class Pose:
    """A way to hold a hand; ``spread`` is the angle between index and middle finger in degrees."""

    label: str
    fingers: Sequence[Sequence[Finger]]
    thumb: Sequence[Thumb]
    spread: tuple[float, float] = (-3, 14)
    facing: Facing = Facing.FLAT
    weight: float = 1.0


_S, _P, _C, _L, _H, _K, _B, _R = (
    Finger.STRAIGHT, Finger.LEANING, Finger.CURLED, Finger.LOOSE,
    Finger.HALF, Finger.HOOKED, Finger.BOWED, Finger.ROUND,
)  # fmt: skip
_UP: Final = (_S,)
_TOWARDS: Final = (_S, _P)
_DOWN: Final = (_C, _C, _C, _L)
_IN_FIST: Final = (_C,)
_FLAT_HAND: Final = (_UP, _UP, _UP, _UP)
_OPEN: Final = (Thumb.OUT, Thumb.OUT, Thumb.ALONG)
_IN: Final = (Thumb.OVER, Thumb.OVER, Thumb.BESIDE)
_FOLDED: Final = (*_IN, Thumb.ACROSS)

POSES: Final[Sequence[Pose]] = (
    Pose("fist", (_IN_FIST, _IN_FIST, _IN_FIST, _IN_FIST), _FOLDED, facing=Facing.ANY, weight=10),
    Pose("fist", (_IN_FIST, _IN_FIST, _IN_FIST, _IN_FIST), _IN, weight=6),
    Pose("fist", (_IN_FIST, _IN_FIST, _IN_FIST, _IN_FIST), _FOLDED, facing=Facing.AHEAD, weight=5),
    Pose("open_palm", _FLAT_HAND, _OPEN, (-3, 24), Facing.SIDES, 6),
    Pose("open_palm", _FLAT_HAND, (Thumb.ALONG, Thumb.BESIDE, Thumb.BESIDE), (-6, 8), weight=5),  # stop
    Pose("open_palm", (_TOWARDS, _TOWARDS, _TOWARDS, _TOWARDS), _OPEN, (-3, 20), Facing.AHEAD, 4),
    Pose("point", (_UP, _DOWN, _DOWN, _DOWN), _FOLDED, facing=Facing.SIDES, weight=6),
    Pose("point", (_TOWARDS, _DOWN, _DOWN, _DOWN), _FOLDED, facing=Facing.AHEAD, weight=9),
    Pose("thumb_up", (_DOWN, _DOWN, _DOWN, _DOWN), (Thumb.OUT,), facing=Facing.THUMB_UP, weight=9),
    Pose("thumb_down", (_DOWN, _DOWN, _DOWN, _DOWN), (Thumb.OUT,), facing=Facing.THUMB_DOWN, weight=9),
    Pose("victory", (_UP, _UP, _DOWN, _DOWN), _FOLDED, (9, 42), Facing.SIDES, 6),
    Pose("victory", (_TOWARDS, _TOWARDS, _DOWN, _DOWN), _FOLDED, (9, 42), Facing.AHEAD, 3),
    Pose("ok", ((_R, _R, _H), (_S, _S, _H), (_S, _S, _S, _H), _UP), (Thumb.PINCH,), (0, 25), Facing.SIDES, 7),
    Pose("call", (_DOWN, _DOWN, _DOWN, (_S, _S, _S, _B)), (Thumb.OUT,), facing=Facing.SIDES, weight=7),
    Pose("rock", (_UP, _DOWN, _DOWN, _UP), _FOLDED, (-3, 12), Facing.SIDES, 7),
    Pose("three", (_UP, _UP, _UP, _DOWN), _FOLDED, (0, 28), weight=4),
    Pose("three", (_UP, _UP, _DOWN, _DOWN), (Thumb.OUT,), (8, 40), weight=3),
    Pose("four", _FLAT_HAND, (Thumb.ACROSS, Thumb.ACROSS, Thumb.TUCKED), (-3, 26), Facing.SIDES, 8),
    Pose("pinch", ((_R, _B), (_R, _L), (_R, _L, _C), (_R, _L, _C)), (Thumb.PINCH,), facing=Facing.SIDES, weight=0.7),
    Pose("pinch", ((_B,), (_B,), (_B, _B, _C), (_B, _B, _C)), (Thumb.PINCH, Thumb.NEAR), (-3, 14), Facing.SIDES, 2),
    # What looks like one of these and is none of them.
    Pose("none", (_DOWN, _DOWN, _DOWN, _DOWN), (Thumb.OUT,), facing=Facing.THUMB_LEVEL, weight=1),
    Pose("none", (_UP, _DOWN, _DOWN, _DOWN), (Thumb.OUT,), weight=2),  # L, pistol
    Pose("none", (_UP, _UP, _DOWN, _DOWN), _FOLDED, (-6, 1), weight=0.3),  # two together
    Pose("none", (_UP, _UP, _DOWN, _DOWN), (Thumb.OUT,), (-6, 2), weight=1),  # two-fingered pistol
    Pose("none", (_UP, _DOWN, _DOWN, _UP), (Thumb.OUT, Thumb.OUT, Thumb.ALONG), weight=2),  # I love you
    Pose("none", (_DOWN, _DOWN, _DOWN, _UP), _FOLDED, weight=1),  # little finger
    Pose("none", (_DOWN, _UP, _DOWN, _DOWN), (*_FOLDED, Thumb.OUT), weight=1.5),
    Pose("none", (_DOWN, _DOWN, _UP, _UP), (*_FOLDED, Thumb.OUT), weight=0.5),
    Pose("none", (_DOWN, _UP, _UP, _DOWN), (*_FOLDED, Thumb.OUT), weight=0.5),
    Pose("none", (_UP, _DOWN, _UP, _UP), (*_FOLDED, Thumb.OUT), weight=0.5),
    Pose("none", (_UP, _UP, _DOWN, _UP), (*_FOLDED, Thumb.OUT), weight=0.5),
    Pose("none", ((_K,), (_K,), (_K,), (_K,)), (Thumb.OUT, Thumb.ALONG), (0, 15), weight=0.5),  # claw
    Pose("none", ((_H,), (_H,), (_H,), (_H,)), (Thumb.OUT, Thumb.ALONG, Thumb.ACROSS), facing=Facing.ANY, weight=1.5),
    Pose("none", ((_R,), (_R,), (_R,), (_R,)), (Thumb.OPPOSED,), facing=Facing.ANY, weight=2),  # around a thing
    Pose("none", ((_S, _H), (_S, _H), (_H, _K), (_H, _K)), tuple(Thumb), facing=Facing.ANY, weight=0.7),
    Pose("none", ((_S, _H, _C), (_S, _H, _C), (_H,), (_S, _H, _C)), tuple(Thumb), facing=Facing.ANY, weight=2),
)


@dataclass(frozen=True, slots=True, eq=False)
class Hands:
    """Generated hands: ``joints`` [n, 21, 3] in pixels, ``right`` [n] a probability, ``labels`` [n] in `LABELS`."""

    joints: npt.NDArray[np.float32]
    right: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


def generate(count: int, rng: np.random.Generator) -> Hands:
    """About ``count`` hands in the proportions of `POSES`, in random order."""
    total = sum(pose.weight for pose in POSES)
    parts = [seen(pose, max(1, round(count * pose.weight / total)), rng) for pose in POSES]
    joints = np.concatenate([joints for joints, _ in parts])
    right = np.concatenate([right for _, right in parts])
    labels = np.concatenate([np.full(len(j), LABELS.index(p.label)) for p, (j, _) in zip(POSES, parts, strict=True)])
    order = rng.permutation(len(labels))
    return Hands(joints[order].astype(np.float32), right[order].astype(np.float32), labels[order])


def seen(pose: Pose, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Joints in a picture and handedness of hands in one pose."""
    hands = _held(pose, count, rng)
    left = rng.random(count) < 0.5
    hands[left, :, 0] *= -1
    seen = hand_view.photographed(hand_view.turned(hands, pose.facing, rng), rng)
    sure = np.clip(1 - np.abs(rng.normal(0, 0.12, count)), 0, 1)
    sure = np.where(rng.random(count) < 0.06, 1 - sure, sure)  # the landmark model mistakes some
    return seen, np.where(left, 1 - sure, sure)


# --- holding ---------------------------------------------------------------------------


def _held(pose: Pose, count: int, rng: np.random.Generator) -> Floats:
    """Right hands [n, 21, 3] in ``pose``, each with its own bones."""
    joints = np.zeros((count, 21, 3))
    spread = np.radians(rng.uniform(*pose.spread, count))
    # The index finger leans to the thumb, ring and little finger away from it, all by the spread's measure.
    lean = np.stack([0.75 * spread, -0.25 * spread, -0.75 * spread, -1.3 * spread], axis=1)
    lean += np.radians(np.array([3, 0, -2, -5]) + rng.normal(0, 2.5, (count, 4)))
    thick = rng.normal(1, 0.06, (count, 1))
    habit = rng.random((count, 4))
    for finger, ways in enumerate(pose.fingers):
        root = _KNUCKLES[finger] * np.stack(
            [thick[:, 0] * rng.normal(1, 0.07, count), *rng.normal(1, 0.04, (2, count))], 1
        )
        bones = _FINGER_BONES[finger] * rng.normal(1, 0.07, (count, 3)) * thick
        flexion = np.cumsum(_flexion(ways, habit, rng), axis=1)
        joints[:, 5 + 4 * finger : 9 + 4 * finger] = _finger(root, bones, flexion, lean[:, finger])
    joints[:, 1:5] = _thumbs(pose.thumb, joints, rng)
    return joints


def _flexion(ways: Sequence[Finger], habit: Floats, rng: np.random.Generator) -> Floats:
    """Flexion [n, 3] in radians, each hand in one of ``ways``; the fingers of one hand bend alike.

    ``habit`` [n, 4] from 0 to 1 is the hand's: it mostly chooses the way, and where in its ranges each joint is.
    """
    count = len(habit)
    choice = np.where(rng.random(count) < 0.3, rng.random(count), habit[:, 0])
    ranges = np.array([way.value for way in ways], float)[(choice * len(ways)).astype(int)]
    part = habit[:, 1:] + rng.normal(0, 0.15, (count, 3))
    part = np.abs(1 - np.abs(1 - np.abs(part)))  # reflected at both ends
    return np.asarray(np.radians(ranges[..., 0] + part * (ranges[..., 1] - ranges[..., 0])))


def _finger(root: Floats, bones: Floats, bend: Floats, lean: Floats) -> Floats:
    """Four joints [n, 4, 3]: bones that leave ``root`` leaning sideways and bending out of the palm."""
    forward = np.stack([np.sin(lean), np.cos(lean), np.zeros_like(lean)], axis=1)[:, np.newaxis]
    out = np.array([0.0, 0.0, 1.0])
    directions = np.cos(bend)[..., np.newaxis] * forward + np.sin(bend)[..., np.newaxis] * out
    steps = directions * bones[..., np.newaxis]
    return np.asarray(root[:, np.newaxis] + _chain(steps))


def _thumbs(ways: Sequence[Thumb], joints: Floats, rng: np.random.Generator) -> Floats:
    """Thumbs [n, 4, 3], each in one of ``ways``."""
    count = len(joints)
    chosen = rng.integers(len(ways), size=count)
    thumbs = np.zeros((count, 4, 3))
    for index, way in enumerate(ways):
        mine = chosen == index
        thumbs[mine] = _thumb(way, joints[mine], rng)
    return thumbs


_ASIDE_DEG: Final[Mapping[Thumb, tuple[float, float]]] = {
    Thumb.OUT: (35, 80),
    Thumb.ALONG: (6, 28),
    Thumb.OPPOSED: (10, 60),
}


def _thumb(way: Thumb, joints: Floats, rng: np.random.Generator) -> Floats:
    count = len(joints)
    base = _THUMB_BASE + rng.normal(0, 0.03, (count, 3))
    bones = _THUMB_BONES * rng.normal(1, 0.07, (count, 3))
    if way in (Thumb.OUT, Thumb.ALONG, Thumb.OPPOSED):
        aside = rng.uniform(*_ASIDE_DEG[way], count)
        rise = rng.uniform(*((35, 80) if way is Thumb.OPPOSED else (-10, 35)), count)
        first = _direction(aside * rng.uniform(0.7, 1.0, count) + (way is Thumb.ALONG) * 15, rise + 8)
        second = _direction(aside, rise)
        third = _direction(aside + rng.uniform(-22, 18, count), rise - rng.uniform(0, 10, count))
        directions = np.stack([first, second, third], axis=1)
        return np.asarray(base[:, np.newaxis] + _chain(directions * bones[..., np.newaxis]))
    first = _direction(rng.uniform(20, 50, count), rng.uniform(15, 55, count)) * bones[:, :1]
    goal = _goal(way, joints, rng)
    knuckle = base + first
    bulge = np.array([0.25, 0.15, 0.15]) * rng.uniform(0.2, 1.0, (count, 1))
    bend = knuckle + _unit(goal - knuckle + bulge) * bones[:, 1:2]
    return np.stack([base, knuckle, bend, bend + _unit(goal - bend) * bones[:, 2:]], axis=1)


def _goal(way: Thumb, joints: Floats, rng: np.random.Generator) -> Floats:
    """Where the thumb's tip wants to be."""
    count = len(joints)
    part = rng.uniform(0, 1, (count, 1))
    if way is Thumb.OVER:
        place = _on_curled(joints, rng) + np.array([0.0, -0.05, 0.16])
    elif way is Thumb.BESIDE:
        place = joints[:, 5] * (1 - part) + joints[:, 6] * part + [0.15, -0.05, 0.02]
    elif way is Thumb.ACROSS:
        place = joints[:, 5] * (1 - part) + joints[:, 17] * part + [-0.08, 0.0, 0.14]
        place[:, 1] -= rng.uniform(0.0, 0.4, count)
    elif way is Thumb.TUCKED:
        place = joints[:, 13] * (1 - part) + joints[:, 17] * part + [0.0, -0.35, 0.12]
    else:
        place = joints[:, 8]
    apart = 0.18 if way is Thumb.NEAR else 0.05
    return np.asarray(place + rng.normal(0, apart, (count, 3)))


def _on_curled(joints: Floats, rng: np.random.Generator) -> Floats:
    """A place [n, 3] on the outer phalanges of the first or second curled finger, or of the middle finger."""
    tips, roots, bends = joints[:, 8::4], joints[:, 5::4], joints[:, 6::4]
    curled = np.linalg.norm(tips - roots, axis=2) < 1.5 * np.linalg.norm(bends - roots, axis=2)
    order = np.argsort(~curled, axis=1, kind="stable")
    choice = np.where((rng.random(len(joints)) < 0.4) & (curled.sum(axis=1) > 1), 1, 0)
    finger = np.where(curled.any(axis=1), order[np.arange(len(joints)), choice], 1)
    part = rng.uniform(0, 1, (len(joints), 1))
    rows = np.arange(len(joints))
    return np.asarray(joints[rows, 6 + 4 * finger] * (1 - part) + joints[rows, 7 + 4 * finger] * part)


def _direction(aside_deg: Floats, rise_deg: Floats) -> Floats:
    """Unit vectors [n, 3] so far from the fingers towards the thumb's side and out of the palm."""
    aside, rise = np.radians(aside_deg), np.radians(rise_deg)
    return np.stack([np.sin(aside) * np.cos(rise), np.cos(aside) * np.cos(rise), np.sin(rise)], axis=1)


def _chain(steps: Floats) -> Floats:
    return np.concatenate([np.zeros((len(steps), 1, 3)), np.cumsum(steps, axis=1)], axis=1)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))
