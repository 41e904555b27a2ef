"""A small kinematic hand before a camera: what the landmark model would measure of the paths of `motion_paths`."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_KNUCKLES: Final = np.array([[0.27, 0.95], [0.04, 1.0], [-0.17, 0.93], [-0.36, 0.81]])
_BONES: Final = np.array([[0.46, 0.27, 0.21], [0.51, 0.31, 0.22], [0.47, 0.29, 0.22], [0.37, 0.21, 0.20]])
_FLEXION: Final = np.radians([80, 100, 55])


class Camera(Protocol):
    """How well is seen: see `motion_paths.People`."""

    @property
    def error(self) -> tuple[float, float]:
        """Standard deviation of each joint, least and greatest, in palms."""

    @property
    def rate_hz(self) -> tuple[float, ...]:
        """Pictures a second, one of these."""

    @property
    def dropped(self) -> float:
        """Greatest share of pictures lost."""

    @property
    def late(self) -> float:
        """Standard deviation of the times, in periods."""


def filmed(
    path: Floats, path_hz: float, camera: Camera, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Times [n] and joints [n, 21, 3] in pixels of a hand on ``path``: place x, y, log size, roll and five curls."""
    rate = float(rng.choice(camera.rate_hz))
    due = np.arange(0, (len(path) - 1) / path_hz, 1 / rate)
    due = due[rng.random(len(due)) >= rng.uniform(0, camera.dropped)]
    taken = np.maximum.accumulate(np.clip(due + rng.normal(0, camera.late / rate, len(due)), 0, None))
    rows = path[np.minimum((due * path_hz).round().astype(int), len(path) - 1)]
    hands = (_seen(rows, rng) + _errors(len(rows), camera, rng)) * rng.uniform(15, 140)
    return (taken * 1e9).astype(np.int64) + np.arange(len(taken)), hands.astype(np.float32)


def _seen(rows: Floats, rng: np.random.Generator) -> Floats:
    """Joints [n, 21, 3] in palms of the picture."""
    hands = hand(rows[:, 4:], rng)
    if rng.random() < 0.5:
        hands[..., 0] *= -1
    yaw, pitch = np.radians(rng.normal(0, [18, 15]))
    hands = hands @ _about_y(yaw) @ _about_x(pitch)
    cos, sin = np.cos(rows[:, 3])[:, np.newaxis], np.sin(rows[:, 3])[:, np.newaxis]
    x, y = hands[..., 0] * cos + hands[..., 1] * sin, hands[..., 1] * cos - hands[..., 0] * sin
    near = np.exp(rows[:, 2])[:, np.newaxis]
    place = rows[:, :2] + rng.uniform(-2, 2, 2)
    depth = -hands[..., 2] * rng.uniform(0.5, 1.1)
    return np.stack([place[:, :1] + x * near, place[:, 1:2] - y * near, depth * near], axis=-1)


def _errors(count: int, camera: Camera, rng: np.random.Generator) -> Floats:
    """What the landmark model gets wrong: some of it lasts, depth most of all."""
    size = rng.uniform(*camera.error)
    own = rng.normal(0, size, (count, 21, 3))
    lasting = np.stack(
        [np.convolve(own[:, j, k], np.full(5, 0.3), "same") for j in range(21) for k in range(3)], axis=1
    )
    whole = rng.normal(0, 0.6 * size, (count, 1, 3))
    return np.asarray((0.7 * own + lasting.reshape(-1, 21, 3)[:count] + whole) * [1, 1, 2.5])


def hand(curl: Floats, rng: np.random.Generator) -> Floats:
    """Right hands [n, 21, 3] with their palms to the camera, fingers up, curled from 0 to 1 (thumb first)."""
    hands = np.zeros((len(curl), 21, 3))
    long = rng.normal(1, 0.06, (4, 1))
    for finger in range(4):
        bend = np.cumsum(curl[:, finger + 1, np.newaxis] * _FLEXION, axis=1)
        bones = _BONES[finger] * long[finger]
        lean = np.radians([8, 2, -4, -11][finger]) * (1 - 0.7 * curl[:, finger + 1])
        forward = (
            np.stack([np.sin(lean), np.cos(lean)], axis=1)[:, np.newaxis] * (np.cos(bend) * bones)[..., np.newaxis]
        )
        steps = np.concatenate([forward, (np.sin(bend) * bones)[..., np.newaxis]], axis=2)
        first = 5 + 4 * finger
        hands[:, first, :2] = _KNUCKLES[finger]
        hands[:, first + 1 : first + 4] = hands[:, first : first + 1] + np.cumsum(steps, axis=1)
    aside = np.radians(55 - 75 * curl[:, :1] * np.array([0.4, 0.8, 1.2]))
    thumb = (
        np.stack([np.sin(aside), np.cos(aside), np.full_like(aside, 0.3)], axis=2)
        * np.array([0.4, 0.34, 0.28])[:, np.newaxis]
    )
    hands[:, 1] = [0.27, 0.22, 0.08]
    hands[:, 2:5] = hands[:, 1:2] + np.cumsum(thumb, axis=1)
    return hands


def _about_y(angle: float) -> Floats:
    return np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])


def _about_x(angle: float) -> Floats:
    return np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
