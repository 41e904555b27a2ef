"""Smoothed joints: calm at rest, close behind when they go."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium_agent.infer.gesture.smooth import Smoothed

SIZE_PX = 150.0
STILL = np.random.default_rng(3).normal(0, 50, (21, 3)).astype(np.float32)


def followed(places: np.ndarray, every_s: float = 1 / 30) -> np.ndarray:
    """Smoothed joints [n, 21, 3] of measured ones."""
    smoothed, seen = Smoothed.start(places[0], 0), [places[0]]
    for n, place in enumerate(places[1:], 1):
        smoothed = smoothed.then(place, round(n * every_s * 1e9), SIZE_PX)
        seen.append(smoothed.joints)
    return np.array(seen)


def test_a_hand_at_rest_trembles_less() -> None:
    noisy = STILL + np.random.default_rng(0).normal(0, 1.5, (90, 21, 3)).astype(np.float32)

    calm = followed(noisy)[30:]

    assert calm.std(axis=0).mean() < 0.6 * noisy.std(axis=0).mean()


@pytest.mark.parametrize("rate_hz", [10, 30, 60])
def test_a_swipe_is_followed_within_a_fiftieth_of_a_second(rate_hz: int) -> None:
    speed = 4 * SIZE_PX  # pixels a second
    way = np.arange(rate_hz) / rate_hz * speed
    there = STILL + np.stack([way, 0 * way, 0 * way], axis=1)[:, np.newaxis].astype(np.float32)

    behind = (there - followed(there, 1 / rate_hz))[rate_hz // 2 :, :, 0]

    assert behind.mean() / speed < 0.02


def test_a_picture_twice_at_one_time_does_no_harm() -> None:
    again = Smoothed.start(STILL, 5).then(STILL + 1, 5, SIZE_PX)

    assert np.isfinite(again.joints).all()
