"""A picture goes into a model as it is, whatever the model counts in."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium_agent.infer.runtime.model import ModelError, load
from sensorium_models import store

pytestmark = pytest.mark.needs_models


def a_crop(size: int) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 256, (1, size, size, 3), np.uint8)


def test_pixels_are_numbers_from_0_to_1_to_a_model_of_floats() -> None:
    palm, crop = load(store.path("palm_detection")), a_crop(192)

    for seen, wanted in zip(palm.run(crop), palm.run(crop * np.float32(1 / 255)), strict=True):
        np.testing.assert_array_equal(seen, wanted)


def test_pixels_are_themselves_less_128_to_a_model_of_int8() -> None:
    landmark, crop = load(store.path("hand_landmark")), a_crop(224)

    for seen, wanted in zip(landmark.run(crop), landmark.run((crop.astype(int) - 128).astype(np.int8)), strict=True):
        np.testing.assert_array_equal(seen, wanted)


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ModelError, match="wrong input"):
        load(store.path("hand_landmark")).run(a_crop(192))
