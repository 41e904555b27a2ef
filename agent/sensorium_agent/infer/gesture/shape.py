"""The shape of a hand: numbers that stay when it is turned in the picture or mirrored.

A small network would need many examples to learn that a turned fist is a fist. It is told the shape in the palm's own
frame instead, and beside it the one thing that only the picture's upright says: where the thumb points.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_KNUCKLES: Final = np.array([5, 9, 13, 17])
_TIPS: Final = np.array([8, 12, 16, 20])
# Bends: at the middle one of three joints, from the knuckle (or the thumb's base) to the last joint of each finger.
_BENDS: Final = np.array(
    [(0, 1, 2), (1, 2, 3), (2, 3, 4)]
    + [(a, b, c) for root in (5, 9, 13, 17) for a, b, c in ((0, root, root + 1), (root, root + 1, root + 2))]
    + [(root + 1, root + 2, root + 3) for root in (5, 9, 13, 17)]
)
# Distances: the thumb's tip to what it may touch, fingertips to their knuckles, to the wrist, and to each other.
_PAIRS: Final = np.array(
    [(4, j) for j in (5, 6, 7, 8, 10, 11, 12, 13, 16, 17, 20)]
    + [(root + 3, root) for root in (5, 9, 13, 17)]
    + [(tip, 0) for tip in (4, 8, 12, 16, 20)]
    + [(8, 12), (12, 16), (16, 20), (3, 5), (2, 17)]
)
_FLAT: Final = np.array([1, 1, 0], np.float32)
_TINY: Final = np.float32(1e-6)
_MOST: Final = 4.0  # what int8 must reach; only joints in impossible places lie beyond
SHAPE: Final = 3 * 21 + 2 * len(_BENDS) + 2 * len(_PAIRS) + 3


def hand_shape(joints: Floats) -> Floats:
    """The shape [n, SHAPE] of hands with joints [n, 21, 3]: x right, y down, z away from the camera, on one scale.

    In order: the joints in the palm's frame (fingers up, the index finger's side right), in units of the hand's mean
    extent; the cosine of each bend, in the picture and in space; distances in units of the palm, both ways; the
    thumb's direction in the picture (up, sideways) and how long it looks.
    """
    framed, palm, extent = _in_palm_frame(joints)
    both = np.stack([framed * _FLAT, framed])
    thumb = joints[:, 4] - joints[:, 2]
    long = np.hypot(thumb[:, 0], thumb[:, 1]) + _TINY
    parts = (
        framed.reshape(len(joints), -1),
        *_bends(both),
        *_distances(both) / palm,
        np.stack([-thumb[:, 1] / long, np.abs(thumb[:, 0]) / long, long / (palm[:, 0] * extent[:, 0])], axis=1),
    )
    shape = np.concatenate(parts, axis=1)
    return np.asarray(np.clip(shape, -_MOST, _MOST, out=shape), np.float32)


def _in_palm_frame(joints: Floats) -> tuple[Floats, Floats, Floats]:
    """Joints [n, 21, 3] in the palm's frame, the palm's size [n, 1] there, and the hand's extent [n, 1].

    The extent is the root mean square distance of the joints from their centre in the picture, and the frame's unit.

    The palm's size is the longer of its length and twice its breadth, so that a palm seen from its edge or along the
    fingers has one too.
    """
    x, y, z = np.moveaxis(joints - joints.mean(axis=1, keepdims=True), 2, 0)
    extent = np.sqrt((x * x + y * y).mean(axis=1, keepdims=True)) + _TINY
    x, y, z = x / extent, y / extent, z / extent
    knuckle_x, knuckle_y = x[:, _KNUCKLES].mean(axis=1), y[:, _KNUCKLES].mean(axis=1)
    ahead_x, ahead_y = knuckle_x - x[:, 0], knuckle_y - y[:, 0]
    length = np.hypot(ahead_x, ahead_y) + _TINY
    cos, sin = (-ahead_y / length)[:, np.newaxis], (ahead_x / length)[:, np.newaxis]
    x, y = x - (knuckle_x + x[:, 0])[:, np.newaxis] / 2, y - (knuckle_y + y[:, 0])[:, np.newaxis] / 2
    right, down = x * cos + y * sin, y * cos - x * sin
    breadth = right[:, 5] - right[:, 17]
    side = np.where(breadth < 0, np.float32(-1), np.float32(1))[:, np.newaxis]
    palm = np.maximum(length, 2 * np.abs(breadth))[:, np.newaxis]
    return np.stack([side * right, down, z], axis=2), palm, extent


def _bends(points: Floats) -> Floats:
    """Cosines [..., n, bends] of the angles by which bones turn: 1 straight on, -1 back."""
    first = points[..., _BENDS[:, 1], :] - points[..., _BENDS[:, 0], :]
    then = points[..., _BENDS[:, 2], :] - points[..., _BENDS[:, 1], :]
    squares = _dot(first, first) * _dot(then, then)
    return np.asarray(_dot(first, then) / (np.sqrt(squares) + _TINY))


def _distances(points: Floats) -> Floats:
    """Distances [..., n, pairs]."""
    apart = points[..., _PAIRS[:, 0], :] - points[..., _PAIRS[:, 1], :]
    return np.asarray(np.sqrt(_dot(apart, apart)))


def _dot(one: Floats, other: Floats) -> Floats:
    return np.asarray(np.einsum("...i,...i->...", one, other))
