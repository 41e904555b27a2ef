"""`sensorium see`: a line for each thing seen, whatever the file; a bad file loses nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sensorium_agent.__main__ import main
from sensorium_models import media

pytestmark = [pytest.mark.needs_models, pytest.mark.needs_media]

Seeing = Callable[..., tuple[int, list[dict[str, Any]], str]]

# A right hand that points up, as the landmark model gives it (x right, y down), in units of nothing.
POINTING = np.array(
    [(0, 0), (25, -12), (42, -35), (38, -55), (20, -62), (22, -72), (26, -104), (28, -122), (29, -140), (4, -76),
     (5, -98), (6, -76), (6, -66), (-13, -72), (-13, -90), (-11, -70), (-10, -62), (-29, -64), (-29, -78), (-26, -64),
     (-24, -56)], float
)  # fmt: skip


@pytest.fixture
def seeing(capfd: pytest.CaptureFixture[str]) -> Seeing:
    def see(*words: object) -> tuple[int, list[dict[str, Any]], str]:
        capfd.readouterr()
        code = main(["see", *map(str, words)])
        out, err = capfd.readouterr()
        said = [line for line in err.splitlines() if line.startswith("sensorium: ")]
        return code, [json.loads(line) for line in out.splitlines()], "\n".join(said)

    return see


def hands(folder: Path, *rows: np.ndarray) -> Path:
    path = folder / "hands.npz"
    np.savez(path, x=np.stack(rows))
    return path


def test_each_photo_has_one_line_with_a_hand_or_without(seeing: Seeing) -> None:
    photos = [media.path("opencv-doc/handSrc.jpg"), media.path("opencv-doc/fruits.jpg")]

    code, lines, said = seeing(*photos)

    assert (code, said) == (0, "")
    assert [line["file"] for line in lines] == [str(photo) for photo in photos]
    assert [(line["type"], line["modality"], line["label"]) for line in lines] == [
        ("event", "gesture", "open_palm"),
        ("event", "gesture", None),
    ]
    assert lines[1]["metadata"]["hands"] == "0"
    joints = np.array(lines[0]["metadata"]["joints"].split(), float)
    assert joints.shape == (42,)
    assert ((joints > -0.1) & (joints < 1.1)).all()


def test_each_row_of_measured_joints_has_a_line_in_order(tmp_path: Path, seeing: Seeing) -> None:
    code, lines, _ = seeing(hands(tmp_path, POINTING, np.full_like(POINTING, np.nan), POINTING * [-3, 3] + 500))

    assert code == 0
    assert [line["metadata"]["index"] for line in lines] == ["0", "1", "2"]
    assert [line["label"] for line in lines] == ["point", None, "point"]
    assert lines[0]["features"] == [128]
    assert lines[1]["features"] is None


def test_joints_all_in_one_place_are_no_hand(tmp_path: Path, seeing: Seeing) -> None:
    _, lines, _ = seeing(hands(tmp_path, np.zeros_like(POINTING), POINTING))

    assert [(line["label"], line["metadata"]["hands"]) for line in lines] == [(None, "0"), ("point", "1")]


@pytest.mark.parametrize(
    ("convention", "to"),
    [
        ("parts of a picture of 16:9", POINTING / [1600, 900] + 0.5),
        ("parts of a picture held upright", POINTING / [720, 1280] + 0.5),
        ("from the wrist, the largest 1", (POINTING - POINTING[0]) / np.abs(POINTING - POINTING[0]).max()),
        ("whole pixels", (POINTING + 300).round().astype(np.int16)),
        ("x to the left", POINTING * [-1, 1]),
        ("metres, with a depth", np.pad(POINTING / 1500, ((0, 0), (0, 1)))),
        ("depth not known", np.pad(POINTING, ((0, 0), (0, 1)))),
        ("turned by 30 degrees", POINTING @ np.array([[0.866, 0.5], [-0.5, 0.866]])),
    ],
)
def test_joints_mean_the_same_however_they_are_written(
    convention: str, to: np.ndarray, tmp_path: Path, seeing: Seeing
) -> None:
    _, (line,), _ = seeing(hands(tmp_path, to))

    assert line["label"] == "point", convention


def test_a_bad_file_is_one_line_and_loses_nothing_else(tmp_path: Path, seeing: Seeing) -> None:
    torn = tmp_path / "torn.npz"
    torn.write_bytes(b"PK\x03\x04 torn")
    words = tmp_path / "words.txt"
    words.write_text("hello\n")

    code, lines, said = seeing(torn, tmp_path / "missing.jpg", words, hands(tmp_path, POINTING))

    assert code == 1
    assert len(said.splitlines()) == 3
    assert "torn.npz: it is damaged" in said
    assert "no pictures" in said
    assert [line["label"] for line in lines] == ["point"]


def test_a_film_gives_the_lines_of_its_pictures_and_one_sheet(tmp_path: Path, seeing: Seeing) -> None:
    photo = cv2.imread(str(media.path("opencv-doc/handSrc.jpg")))
    film, out = tmp_path / "hand.avi", tmp_path / "out.png"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, photo.shape[1::-1])
    for _ in range(4):
        writer.write(photo)
    writer.release()

    code, lines, _ = seeing(film, "--overlay", out)

    assert code == 0
    assert [line["at_ns"] // 1_000_000 for line in lines] == [0, 100, 200, 300]
    assert {line["label"] for line in lines} == {"open_palm"}
    drawn = cv2.imread(str(out))
    assert drawn.shape[1] == 4 * 240


def test_a_file_that_is_no_video_is_one_line_and_no_library_adds_its_own(tmp_path: Path) -> None:
    (bad := tmp_path / "bad.mp4").write_text("no video")
    command = [sys.executable, "-m", "sensorium_agent", "see", str(bad)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"sensorium: {bad}: ")


def test_nothing_to_draw_is_said_in_a_line(tmp_path: Path, seeing: Seeing) -> None:
    code, lines, said = seeing(tmp_path / "missing.jpg", "--overlay", tmp_path / "out.png")

    assert (code, lines) == (1, [])
    assert "nothing to draw" in said


def test_the_verb_asks_for_no_camera_library_before_it_is_used() -> None:
    asked = (
        "import sys; from sensorium_agent.__main__ import main\ntry: main(['see', '--help'])\nexcept SystemExit: pass\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", asked + "print('cv2' in sys.modules, 'numpy' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.splitlines()[-1] == "False False"
