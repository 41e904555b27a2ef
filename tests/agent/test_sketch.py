"""Drawings of what was seen: one picture large, many on a sheet, and a clear word where nothing can be kept."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sensorium_agent._app.files.sketch import Outline, Sheet, SketchError

JOINTS = np.random.default_rng(2).uniform(100, 300, (21, 2)).astype(np.float32)
GREY = np.full((400, 600, 3), 128, np.uint8)


def saved(sheet: Sheet, folder: Path) -> np.ndarray:
    sheet.save(folder / "out.png")
    picture = cv2.imread(str(folder / "out.png"))
    assert picture is not None
    return picture


def test_one_picture_keeps_its_size_and_gets_the_hand_drawn_on_it(tmp_path: Path) -> None:
    sheet = Sheet()
    sheet.add(GREY, [Outline(JOINTS, JOINTS[:4])], "fist 0.93")

    picture = saved(sheet, tmp_path)

    assert picture.shape == GREY.shape
    x, y = JOINTS[8].round().astype(int)
    assert (picture[y, x] != 128).any()
    assert (picture[390, 10] == 128).all()


def test_many_pictures_share_a_sheet_thinned_evenly(tmp_path: Path) -> None:
    sheet = Sheet()
    for _ in range(500):
        sheet.add(GREY, [], "no hand")

    assert saved(sheet, tmp_path).shape == (6 * 160, 6 * 240, 3)


def test_joints_without_a_picture_are_drawn_on_paper(tmp_path: Path) -> None:
    sheet = Sheet()
    sheet.add(None, [Outline(JOINTS / 1e6)], "0: point 0.80")

    picture = saved(sheet, tmp_path)

    assert (picture < 200).any()
    assert picture.shape[0] == picture.shape[1]


def test_joints_beyond_every_picture_do_no_harm(tmp_path: Path) -> None:
    sheet = Sheet()
    sheet.add(GREY, [Outline(JOINTS * 1e9)], "")

    saved(sheet, tmp_path)


def test_says_when_there_is_nothing_to_draw_or_nowhere_to_keep_it(tmp_path: Path) -> None:
    with pytest.raises(SketchError, match="nothing to draw"):
        Sheet().save(tmp_path / "out.png")

    sheet = Sheet()
    sheet.add(GREY, [], "")
    with pytest.raises(SketchError, match=r"\.txt is no kind of picture .*; name it \.png"):
        sheet.save(tmp_path / "sheet.txt")
    with pytest.raises(SketchError, match="can be written"):
        sheet.save(tmp_path / "no" / "out.png")
