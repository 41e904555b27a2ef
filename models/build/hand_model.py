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

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LABELS: Final = ("fist", "open_palm", "point", "thumb_up", "thumb_down", "victory", "none")

# --- the hand at rest ----------------------------------------------------------------

_KNUCKLES: Final = np.array([[0.27, 0.95, 0.0], [0.04, 1.0, 0.03], [-0.17, 0.93, 0.02], [-0.36, 0.81, -0.02]])
_THUMB_BASE: Final = np.array([0.27, 0.22, 0.08])
_FINGER_BONES: Final = np.array([[0.46, 0.27, 0.21], [0.51, 0.31, 0.22], [0.47, 0.29, 0.22], [0.37, 0.21, 0.20]])
_THUMB_BONES: Final = np.array([0.40, 0.34, 0.28])
_FINGERTIPS: Final = (8, 12, 16, 20)


class Finger(Enum):
    """How a finger is held: degrees of flexion of its three joints, least and most."""

    STRAIGHT = ((-15, 25), (0, 20), (0, 12))
    CURLED = ((50, 95), (75, 112), (20, 75))
    LOOSE = ((35, 80), (60, 100), (20, 60))  # curled without force, as beside a pointing finger
    HALF = ((20, 60), (30, 65), (10, 45))
    HOOKED = ((-10, 30), (60, 105), (30, 75))


class Thumb(Enum):
    """Where the thumb is."""

    OUT = "stretched away from the hand"
    ALONG = "straight, beside the index finger"
    OVER = "tip on the curled index or middle finger"
    BESIDE = "tip at the side of the curled index finger"
    ACROSS = "tip at the root of the ring finger"
    PINCH = "tip at the tip of the index finger"


class Facing(Enum):
    """What of the hand the camera may see."""

    FLAT = "palm or back"
    AHEAD = "palm or back, the fingers up to nearly at the camera"
    ANY = "any side"
    THUMB_UP = "any side, thumb upwards in the picture"
    THUMB_DOWN = "any side, thumb downwards in the picture"
    THUMB_LEVEL = "any side, thumb sideways in the picture"


@dataclass(frozen=True, slots=True)
class Pose:
    """A way to hold a hand; ``spread`` is the angle between index and middle finger in degrees."""

    label: str
    fingers: Sequence[Sequence[Finger]]
    thumb: Sequence[Thumb]
    spread: tuple[float, float] = (-3, 14)
    facing: Facing = Facing.FLAT
    weight: float = 1.0


_S, _C, _L, _H, _K = Finger.STRAIGHT, Finger.CURLED, Finger.LOOSE, Finger.HALF, Finger.HOOKED
_DOWN: Final = (_C, _C, _C, _L)
_IN: Final = (Thumb.OVER, Thumb.OVER, Thumb.BESIDE)

POSES: Final[Sequence[Pose]] = (
    Pose("fist", ((_C,), (_C,), (_C,), (_C,)), _IN, facing=Facing.ANY, weight=7),
    Pose("open_palm", ((_S,), (_S,), (_S,), (_S,)), (Thumb.OUT, Thumb.OUT, Thumb.ALONG), (-3, 22), weight=6),
    Pose("open_palm", ((_S,), (_S,), (_S,), (_S,)), (Thumb.ALONG,), (-6, 4), weight=3),  # stop
    Pose("point", ((_S,), _DOWN, _DOWN, _DOWN), (*_IN, Thumb.ACROSS), weight=7),
    Pose("point", ((_S,), _DOWN, _DOWN, _DOWN), (*_IN, Thumb.ACROSS), facing=Facing.AHEAD),
    Pose("thumb_up", (_DOWN, _DOWN, _DOWN, _DOWN), (Thumb.OUT,), facing=Facing.THUMB_UP, weight=6),
    Pose("thumb_down", (_DOWN, _DOWN, _DOWN, _DOWN), (Thumb.OUT,), facing=Facing.THUMB_DOWN, weight=6),
    Pose("victory", ((_S,), (_S,), _DOWN, _DOWN), (*_IN, Thumb.ACROSS), (14, 40), weight=7),
    # What looks like one of these and is none of them.
    Pose("none", (_DOWN, _DOWN, _DOWN, _DOWN), (Thumb.OUT,), facing=Facing.THUMB_LEVEL, weight=2),
    Pose("none", ((_S,), _DOWN, _DOWN, _DOWN), (Thumb.OUT,), weight=2),  # L, pistol
    Pose("none", ((_S,), (_S,), _DOWN, _DOWN), (*_IN, Thumb.ACROSS), (-5, 5), weight=2),  # two together
    Pose("none", ((_S,), (_S,), _DOWN, _DOWN), (Thumb.OUT,), (-4, 35), weight=2),  # three with the thumb
    Pose("none", ((_S,), (_S,), (_S,), _DOWN), (*_IN, Thumb.ACROSS, Thumb.OUT), (0, 25), weight=2),
    Pose("none", (_DOWN, (_S,), (_S,), (_S,)), (*_IN, Thumb.ACROSS), (0, 20)),
    Pose("none", ((_S,), (_S,), (_S,), (_S,)), (Thumb.ACROSS,), (-3, 20), weight=2),  # four
    Pose("none", ((_S,), _DOWN, _DOWN, (_S,)), (*_IN, Thumb.ACROSS, Thumb.OUT), weight=2),  # horns, I love you
    Pose("none", (_DOWN, _DOWN, _DOWN, (_S,)), (*_IN, Thumb.OUT, Thumb.OUT), weight=3),  # little finger, call me
    Pose("none", (_DOWN, (_S,), _DOWN, _DOWN), (*_IN, Thumb.ACROSS, Thumb.OUT), weight=2),
    Pose("none", ((_H,), (_S,), (_S,), (_S,)), (Thumb.PINCH,), (0, 20), weight=2),  # ok
    Pose("none", ((_H,), (_H, _L), (_H, _L), (_H, _L)), (Thumb.PINCH,), weight=2),  # pinch, O
    Pose("none", ((_K,), (_K,), (_K,), (_K,)), (Thumb.OUT, Thumb.ALONG), (0, 15), weight=2),  # claw
    Pose("none", ((_H,), (_H,), (_H,), (_H,)), (Thumb.OUT, Thumb.ALONG, Thumb.ACROSS), facing=Facing.ANY, weight=3),
    Pose("none", ((_H, _K), _DOWN, _DOWN, _DOWN), (*_IN, Thumb.ALONG), weight=1),  # a bent index finger
    Pose("none", ((_S, _H), (_S, _H), (_H, _K), (_H, _K)), tuple(Thumb), facing=Facing.ANY, weight=2),
)

_NEAR_UP: Final[Mapping[Facing, tuple[float, float]]] = {
    Facing.THUMB_UP: (0, 50),
    Facing.THUMB_DOWN: (130, 180),
    Facing.THUMB_LEVEL: (72, 108),
}


@dataclass(frozen=True, slots=True, eq=False)
class Hands:
    """Generated hands: ``joints`` [n, 21, 3] in pixels, ``right`` [n] a probability, ``labels`` [n] in `LABELS`."""

    joints: npt.NDArray[np.float32]
    right: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


def generate(count: int, rng: np.random.Generator) -> Hands:
    """About ``count`` hands in the proportions of `POSES`, in random order."""
    total = sum(pose.weight for pose in POSES)
    parts = [_seen(pose, max(1, round(count * pose.weight / total)), rng) for pose in POSES]
    joints = np.concatenate([joints for joints, _ in parts])
    right = np.concatenate([right for _, right in parts])
    labels = np.concatenate([np.full(len(j), LABELS.index(p.label)) for p, (j, _) in zip(POSES, parts, strict=True)])
    order = rng.permutation(len(labels))
    return Hands(joints[order].astype(np.float32), right[order].astype(np.float32), labels[order])


def _seen(pose: Pose, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Joints in a picture and handedness of hands in one pose."""
    hands = _held(pose, count, rng)
    left = rng.random(count) < 0.5
    hands[left, :, 0] *= -1
    turned = _turned(hands, pose.facing, rng)
    seen = _photographed(turned, rng)
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
    for finger, ways in enumerate(pose.fingers):
        root = _KNUCKLES[finger] * np.stack(
            [thick[:, 0] * rng.normal(1, 0.07, count), *rng.normal(1, 0.04, (2, count))], 1
        )
        bones = _FINGER_BONES[finger] * rng.normal(1, 0.07, (count, 3)) * thick
        flexion = np.cumsum(_flexion(ways, count, rng), axis=1)
        joints[:, 5 + 4 * finger : 9 + 4 * finger] = _finger(root, bones, flexion, lean[:, finger])
    joints[:, 1:5] = _thumbs(pose.thumb, joints, rng)
    return joints


def _flexion(ways: Sequence[Finger], count: int, rng: np.random.Generator) -> Floats:
    """Flexion [n, 3] in radians, each hand in one of ``ways``."""
    ranges = np.array([way.value for way in ways], float)[rng.integers(len(ways), size=count)]
    return np.asarray(np.radians(rng.uniform(ranges[..., 0], ranges[..., 1])))


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


def _thumb(way: Thumb, joints: Floats, rng: np.random.Generator) -> Floats:
    count = len(joints)
    base = _THUMB_BASE + rng.normal(0, 0.03, (count, 3))
    bones = _THUMB_BONES * rng.normal(1, 0.07, (count, 3))
    if way in (Thumb.OUT, Thumb.ALONG):
        aside = rng.uniform(35, 80, count) if way is Thumb.OUT else rng.uniform(0, 24, count)
        rise = rng.uniform(-10, 35, count)
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
    if way is Thumb.OVER:  # on the outer phalanges of the index or middle finger
        middle = (joints[:, 10] + joints[:, 11]) / 2
        index = (joints[:, 6] + joints[:, 7]) / 2
        place = index * (1 - part) + middle * part + [0.0, -0.05, 0.16]
    elif way is Thumb.BESIDE:
        place = joints[:, 5] * (0.5 - 0.5 * part) + joints[:, 6] * (0.5 + 0.5 * part) + [0.14, 0.0, 0.02]
    elif way is Thumb.ACROSS:
        place = joints[:, 9] * (1 - part) + joints[:, 17] * part + [0.0, -0.15, 0.15]
    else:
        place = joints[:, _FINGERTIPS[0]]
    return np.asarray(place + rng.normal(0, 0.05, (count, 3)))


def _direction(aside_deg: Floats, rise_deg: Floats) -> Floats:
    """Unit vectors [n, 3] so far from the fingers towards the thumb's side and out of the palm."""
    aside, rise = np.radians(aside_deg), np.radians(rise_deg)
    return np.stack([np.sin(aside) * np.cos(rise), np.cos(aside) * np.cos(rise), np.sin(rise)], axis=1)


def _chain(steps: Floats) -> Floats:
    return np.concatenate([np.zeros((len(steps), 1, 3)), np.cumsum(steps, axis=1)], axis=1)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))


# --- seeing ----------------------------------------------------------------------------


def _turned(hands: Floats, facing: Facing, rng: np.random.Generator) -> Floats:
    """Hands as the camera meets them: turned about the forearm, tilted, then rolled in the picture."""
    count = len(hands)
    yaw = rng.uniform(-180, 180, count)
    if facing in (Facing.FLAT, Facing.AHEAD):
        yaw = rng.normal(0, 28, count) + 180 * (rng.random(count) < 0.4)
    pitch = np.clip(rng.normal(0, 22, count), -50, 50)
    if facing is Facing.AHEAD:
        pitch = rng.uniform(40, 75, count)
    tilted = np.einsum("nij,nkj->nki", _about("x", pitch) @ _about("y", yaw), hands)
    roll = np.where(rng.random(count) < 0.6, rng.normal(0, 40, count), rng.uniform(-180, 180, count))
    if facing in _NEAR_UP:
        along = tilted[:, 4] - tilted[:, 2]
        now = np.degrees(np.arctan2(along[:, 0], along[:, 1]))
        roll = now + rng.choice([-1, 1], count) * rng.uniform(*_NEAR_UP[facing], count)
        # A thumb that points at the camera points neither up nor down: lay such hands flat.
        flat = np.linalg.norm(along[:, :2], axis=1) < 0.7 * np.linalg.norm(along, axis=1)
        tilted[flat], roll[flat] = _laid_flat(hands[flat], roll[flat] - now[flat])
    return np.asarray(np.einsum("nij,nkj->nki", _about("z", roll), tilted))


def _laid_flat(hands: Floats, off_up: Floats) -> tuple[Floats, Floats]:
    """Hands with the palm to the camera, and the roll that keeps their thumbs where they were to be."""
    along = hands[:, 4] - hands[:, 2]
    return hands, np.degrees(np.arctan2(along[:, 0], along[:, 1])) + off_up


def _about(axis: str, degrees: Floats) -> Floats:
    """Rotation matrices [n, 3, 3] about one axis."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    zero, one = np.zeros_like(cos), np.ones_like(cos)
    rows = {
        "x": (one, zero, zero, zero, cos, -sin, zero, sin, cos),
        "y": (cos, zero, sin, zero, one, zero, -sin, zero, cos),
        "z": (cos, -sin, zero, sin, cos, zero, zero, zero, one),
    }
    return np.stack(rows[axis], axis=-1).reshape(-1, 3, 3)


def _photographed(hands: Floats, rng: np.random.Generator) -> Floats:
    """Joints in pixels, y down and z away from the camera as the landmark model gives them, errors included."""
    count = len(hands)
    distance = rng.uniform(3.5, 12, (count, 1, 1))
    near = distance / (distance - hands[..., 2:])
    seen = np.concatenate([hands[..., :2] * near, hands[..., 2:]], axis=-1) * [1, -1, -1]
    seen += _errors(seen, rng)
    seen[..., 2] *= rng.uniform(0.45, 1.15, (count, 1))  # depth is the model's guess, and mostly a low one
    return seen * rng.uniform(40, 160, (count, 1, 1))


def _errors(seen: Floats, rng: np.random.Generator) -> Floats:
    """Errors [n, 21, 3]: of each joint, of each finger as a whole, larger for joints behind others."""
    count = len(seen)
    size = rng.uniform(0.01, 0.05, (count, 1, 1))
    joints = rng.normal(0, 1, seen.shape)
    fingers = np.repeat(rng.normal(0, 1, (count, 5, 3)), 4, axis=1)
    whole = np.concatenate([np.zeros((count, 1, 3)), fingers], axis=1)
    errors: Floats = size * (1 + 1.2 * _hidden(seen)[..., np.newaxis]) * (joints + 0.8 * whole) * [1, 1, 1.8]
    return errors


def _hidden(seen: Floats) -> Floats:
    """1 where another joint lies before this one in the picture, within a finger's width."""
    apart = np.linalg.norm(seen[:, :, np.newaxis, :2] - seen[:, np.newaxis, :, :2], axis=-1)
    before = seen[:, np.newaxis, :, 2] < seen[:, :, np.newaxis, 2] - 0.12
    return np.asarray(np.any((apart < 0.14) & before, axis=2), float)
