"""Joints that someone else has measured: what is read, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorium_agent.capture.files import BadFile
from sensorium_agent.capture.landmarks import read_landmarks
from sensorium_agent.capture.recording import RecordingError, open_landmarks

HANDS = np.random.default_rng(5).normal(0, 1, (4, 21, 3))


def saved(folder: Path, **arrays: object) -> Path:
    path = folder / "hands.npz"
    np.savez(path, **arrays)
    return path


def test_reads_joints_of_any_kind_of_number(tmp_path: Path) -> None:
    landmarks = read_landmarks(saved(tmp_path, x=(100 * HANDS).astype(np.int16)))

    assert landmarks.joints.dtype == np.float32
    assert landmarks.joints.shape == (4, 21, 3)


def test_joints_too_large_for_a_float_are_no_joints(tmp_path: Path) -> None:
    assert np.isinf(read_landmarks(saved(tmp_path, x=np.full((1, 21, 3), 1e300))).joints).all()


def test_joints_whose_squares_no_float_holds_are_no_joints(tmp_path: Path) -> None:
    assert np.isinf(read_landmarks(saved(tmp_path, x=HANDS.astype(np.float64) * 1e25 + 1e25)).joints).all()


def test_an_array_by_itself_is_the_joints(tmp_path: Path) -> None:
    np.save(tmp_path / "hands.npy", HANDS)

    assert len(read_landmarks(tmp_path / "hands.npy").joints) == len(HANDS)


def test_flat_joints_get_no_depth_and_hands_without_a_side_none(tmp_path: Path) -> None:
    landmarks = read_landmarks(saved(tmp_path, x=HANDS[..., :2]))

    assert not landmarks.joints[..., 2].any()
    assert (landmarks.right == 0.5).all()


def test_sides_are_probabilities(tmp_path: Path) -> None:
    landmarks = read_landmarks(saved(tmp_path, x=HANDS, right=[True, False, True, False]))

    assert landmarks.right.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"y": HANDS}, "no array x"),
        ({"x": HANDS[0]}, r"shape \[21, 3\]"),
        ({"x": HANDS[:0]}, "no hands in it"),
        ({"x": 3.0}, r"shape \[\]"),
        ({"x": HANDS[:, :20]}, r"shape \[4, 20, 3\]"),
        ({"x": HANDS.astype(str)}, "no numbers"),
        ({"x": HANDS, "right": [1, 0]}, r"right has shape \[2\]"),
        ({"x": np.array([None, HANDS], object)}, "plain NumPy arrays"),
    ],
)
def test_what_are_no_hands_is_refused_and_says_why(arrays: dict[str, object], reason: str, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=reason):
        read_landmarks(saved(tmp_path, **arrays))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 torn"])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hands.npz"
    path.write_bytes(content)

    with pytest.raises(BadFile, match="not an archive"):
        read_landmarks(path)


def test_a_bad_file_of_joints_is_one_line_that_names_it_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"hands\.npz: it has no array x .*; write it with numpy\.savez"):
        open_landmarks(saved(tmp_path, y=HANDS))
    with pytest.raises(RecordingError, match=r"none\.npz: No such file or directory; check the path"):
        open_landmarks(tmp_path / "none.npz")
