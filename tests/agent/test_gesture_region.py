"""Squares of pictures: where a point of the picture comes to lie in a cut, and back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sensorium_agent.infer.gesture.region import Region

SPOT = np.array([[0.75, 0.25]], np.float32)


def a_picture_with_a_spot_at(x: float, y: float, size: int = 200) -> np.ndarray:
    across, down = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    bright = 255 * np.exp(-((across - x) ** 2 + (down - y) ** 2) / 18)
    return np.repeat(bright.astype(np.uint8)[:, :, np.newaxis], 3, axis=2)


def brightest(cut: np.ndarray) -> tuple[float, float]:
    row, column = np.unravel_index(int(cut[:, :, 0].argmax()), cut.shape[:2])
    return (column + 0.5) / cut.shape[1], (row + 0.5) / cut.shape[0]


@pytest.mark.parametrize("angle_deg", [0, 30, 90, -135])
@pytest.mark.parametrize("side", [40.0, 100.0, 160.0])
def test_what_lies_at_a_point_of_the_square_is_seen_there_in_the_cut(angle_deg: int, side: float) -> None:
    region = Region(95, 105, side, math.radians(angle_deg))
    x, y = region.place(SPOT)[0]

    seen = brightest(region.cut(a_picture_with_a_spot_at(x, y), 80))

    assert seen == pytest.approx((0.75, 0.25), abs=0.03)


def test_a_square_of_many_pixels_is_shrunk_before_it_is_sampled() -> None:
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255

    cut = Region.around(stripes).cut(stripes, 50)

    assert cut.std() < 2
    assert cut.mean() == pytest.approx(127.5, abs=2)


def test_the_quick_cut_shows_the_same() -> None:
    region = Region(100, 100, 120, 0.4)
    x, y = region.place(SPOT)[0]

    assert brightest(region.cut(a_picture_with_a_spot_at(x, y), 80, quick=True)) == pytest.approx(
        (0.75, 0.25), abs=0.03
    )


def test_beyond_the_edge_it_is_black() -> None:
    white = np.full((50, 50, 3), 255, np.uint8)

    assert not Region(-100, -100, 40).cut(white, 10).any()


@pytest.mark.parametrize("quick", [False, True])
def test_beyond_the_edge_the_edge_may_go_on(quick: bool) -> None:
    red_then_blue = np.zeros((60, 60, 3), np.uint8)
    red_then_blue[:, :30, 0], red_then_blue[:, 30:, 2] = 255, 255

    cut = Region(0, 30, 60).cut(red_then_blue, 60, quick=quick, edge_goes_on=True)

    assert (cut[:, :58] == (255, 0, 0)).all()


def test_a_square_moves_along_its_own_axes() -> None:
    moved = Region(100, 100, 50, math.pi / 2).shifted(0.0, -0.5, scale=2.0)

    assert (moved.center_x, moved.center_y, moved.side) == pytest.approx((125, 100, 100))


def test_the_square_around_a_picture_holds_it() -> None:
    assert Region.around(np.zeros((480, 640, 3), np.uint8)) == Region(320, 240, 640)


@pytest.mark.parametrize("place", [(100, 100), (10, 190), (199, 100), (-30, 40)])
def test_the_quick_cut_is_the_same_wherever_it_reaches_over_the_edge(place: tuple[float, float]) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    region, further = Region(*place, 90, 0.5), Region(place[0] + 40, place[1] + 30, 90, 0.5)
    padded = np.zeros((290, 330, 3), np.uint8)
    padded[30:230, 40:240] = picture

    np.testing.assert_array_equal(region.cut(picture, 80, quick=True), further.cut(padded, 80, quick=True))
