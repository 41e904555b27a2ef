"""What a camera and the landmark model make of a hand: turned, projected, and blurred the way the model blurs.

Least along the picture, most in depth, and where joints hide each other. Coordinates of a hand as in `hand_model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Facing(Enum):
    """What of the hand the camera may see."""

    FLAT = "palm or back"
    SIDES = "palm or back, and often the thumb's or the little finger's side"
    AHEAD = "palm or back, the fingers up to nearly at the camera"
    ANY = "any side"
    THUMB_UP = "any side, thumb upwards in the picture"
    THUMB_DOWN = "any side, thumb downwards in the picture"
    THUMB_LEVEL = "any side, thumb sideways in the picture"


_NEAR_UP: Final[Mapping[Facing, tuple[float, float]]] = {
    Facing.THUMB_UP: (0, 60),
    Facing.THUMB_DOWN: (120, 180),
    Facing.THUMB_LEVEL: (78, 102),
}
_DEPTH: Final = (0.15, 0.7)
"""The landmark model's depth against the truth: on real hands it is a third of a generated hand's, mostly."""

# Measured by hand_noise.py: the median hand errs by 0.037 of its extent (0.025 of the palm), the wrist
# twice as much as other joints, in depth two thirds of that, and neighbours on a finger by the same (correlation 0.85).
_ERROR: Final = (0.008, 0.08)
_OF_JOINT: Final = np.array([2.0, 1.1, *[1.0] * 2, 1.2, *[0.85, 0.95, 0.95, 1.1] * 4])


def turned(hands: Floats, facing: Facing, rng: np.random.Generator) -> Floats:
    """Hands as the camera meets them: turned about the forearm, tilted, then rolled in the picture."""
    count = len(hands)
    yaw = rng.uniform(-180, 180, count)
    if facing in (Facing.FLAT, Facing.SIDES, Facing.AHEAD):
        spread = np.where(rng.random(count) < (0.5 if facing is Facing.SIDES else 0.15), 60, 26)
        yaw = rng.normal(0, 1, count) * spread + 180 * (rng.random(count) < 0.4)
    pitch = np.clip(rng.normal(0, 1, count) * np.where(rng.random(count) < 0.3, 45, 20), -80, 80)
    if facing is Facing.AHEAD:
        pitch = rng.uniform(40, 80, count) * rng.choice([1, 1, -1], count)
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


def photographed(hands: Floats, rng: np.random.Generator) -> Floats:
    """Joints in pixels, y down and z away from the camera as the landmark model gives them, errors included."""
    count = len(hands)
    distance = 1 / rng.uniform(1 / 14, 1 / 3, (count, 1, 1))
    near = distance / (distance - hands[..., 2:])
    seen = np.concatenate([hands[..., :2] * near, hands[..., 2:]], axis=-1) * [1, -1, -1]
    seen += _errors(seen, rng)
    seen[..., 2] *= _depth(count, rng)
    seen[..., 0] *= _squeezed(count, rng)
    return np.asarray(seen * rng.uniform(40, 160, (count, 1, 1)))


def _depth(count: int, rng: np.random.Generator) -> Floats:
    """What of the depth is told [n, 1]; none for a third, as many collections have no depth."""
    return np.where(rng.random((count, 1)) < 0.35, 0, rng.uniform(*_DEPTH, (count, 1)))


def _squeezed(count: int, rng: np.random.Generator) -> Floats:
    """Width against height [n, 1]: 1 mostly; others where x and y were divided by different sides of a picture."""
    shape = np.exp(rng.uniform(-1, 1, (count, 1)) * np.log(16 / 9))
    return np.where(rng.random((count, 1)) < 0.3, shape, 1)


def _errors(seen: Floats, rng: np.random.Generator) -> Floats:
    """Errors [n, 21, 3]: of each joint, of each finger as a whole, larger for joints behind others."""
    count = len(seen)
    size = _ERROR[0] * (_ERROR[1] / _ERROR[0]) ** rng.random((count, 1, 1))
    joints = rng.normal(0, 1, seen.shape)
    fingers = np.repeat(rng.normal(0, 1, (count, 5, 3)), 4, axis=1)
    whole = np.concatenate([joints[:, :1], fingers], axis=1)
    hidden = 1 + _hidden(seen)[..., np.newaxis]
    errors: Floats = size * _OF_JOINT[:, np.newaxis] * hidden * (0.42 * joints + whole) * [1, 1, 1.8]
    return errors


def _hidden(seen: Floats) -> Floats:
    """1 where another joint lies before this one in the picture, within a finger's width."""
    apart = np.linalg.norm(seen[:, :, np.newaxis, :2] - seen[:, np.newaxis, :, :2], axis=-1)
    before = seen[:, np.newaxis, :, 2] < seen[:, :, np.newaxis, 2] - 0.12
    return np.asarray(np.any((apart < 0.14) & before, axis=2), float)
