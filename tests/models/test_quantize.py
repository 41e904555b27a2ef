"""The hand models are made from the wheel's files without pictures, the same every time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from sensorium_agent.infer.runtime.model import load
from sensorium_models import quantize, store

pytestmark = pytest.mark.needs_models


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    return np.random.default_rng(3).random((1, 224, 224, 3), np.float32)


def test_folding_changes_no_result(tmp_path: Path, crop: np.ndarray) -> None:
    raw = store.path("hand_landmark_lite")
    folded = tmp_path / "folded.tflite"
    folded.write_bytes(quantize.folded(raw.read_bytes()))

    for ours, published in zip(load(folded).run(crop), load(raw).run(crop), strict=True):
        np.testing.assert_allclose(ours, published, atol=0.05)


@pytest.mark.parametrize("name", ["palm_detection", "hand_landmark"])
def test_the_recipe_gives_the_bytes_of_the_manifest(name: str, tmp_path: Path) -> None:
    made = tmp_path / "made.tflite"

    getattr(quantize, name)(store.path(f"{name}_lite"), made)

    assert hashlib.sha256(made.read_bytes()).hexdigest() == store.digest(name)


def test_weights_shrink_and_heads_stay_float() -> None:
    made, raw = store.path("hand_landmark"), store.path("hand_landmark_lite")

    assert made.stat().st_size < 0.8 * raw.stat().st_size
    assert [output.dtype for output in load(made).run(np.zeros((1, 224, 224, 3), np.int8))] == [np.float32] * 4


def test_another_model_than_the_one_the_ranges_were_measured_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(quantize.QuantizeError, match="ranges"):
        quantize.hand_landmark(store.path("palm_detection_lite"), tmp_path / "out.tflite")


def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(range(200)))

    with pytest.raises(quantize.QuantizeError, match="sensorium models fetch") as refused:
        quantize.palm_detection(damaged, tmp_path / "out.tflite")
    assert "\n" not in str(refused.value)
