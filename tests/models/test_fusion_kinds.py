"""What the network sees of points and worn sensors: what was done, not where, by whom, or how the sensor is held."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

import torch
from models.build.fusion.kinds import Body, Worn, spread_of_distances, tree, units
from models.test_fusion_dataset import a_walker

WALKER = torch.from_numpy(a_walker())


def test_bones_are_found_where_points_hang_together() -> None:
    _, pairs = tree(spread_of_distances(WALKER.reshape(12, 30, 8, 3)))

    assert {tuple(sorted(pair)) for pair in pairs} == {(p, p + 1) for p in range(7)}


def test_knees_that_mostly_stand_still_are_no_bone_though_thighs_are_not_equally_long() -> None:
    thigh = torch.linspace(0.3, 0.5, 12)[:, None].expand(12, 60)
    opened = torch.full((12, 60), 0.3)
    opened[0] = torch.linspace(0.1, 0.6, 60)  # one of twelve bends its knees
    left, right = (thigh * (sign * opened).sin() for sign in (-1, 1))
    knees = torch.stack([torch.stack([x, -thigh * opened.cos(), 0 * x], -1) for x in (left, right)], 2)
    body = torch.cat([torch.zeros(12, 60, 1, 3), knees], 2)

    _, pairs = tree(spread_of_distances(body))

    assert {tuple(sorted(pair)) for pair in pairs} == {(0, 1), (0, 2)}


def test_a_body_is_seen_alike_wherever_it_is_and_however_tall() -> None:
    body = Body(24, 3)
    body.measure(WALKER)

    elsewhere = 1.7 * WALKER + torch.tensor([5.0, -2.0, 9.0]).repeat(8)

    assert torch.allclose(body(WALKER), body(elsewhere), atol=1e-2)


def test_long_arms_do_what_short_arms_do() -> None:
    body = Body(24, 3)
    body.measure(WALKER)
    at = WALKER.reshape(12, 30, 8, 3)
    root = int(body.root.argmax())
    bones = (body.bones @ at) * torch.linspace(0.6, 1.5, 7)[:, None]
    other = (at[:, :, root : root + 1] + body.chains @ bones).flatten(2)

    seen, again = body.view(WALKER)[..., :48], body.view(other)[..., :48]

    assert torch.allclose(seen, again, atol=1e-2)


def test_points_in_a_plane_are_seen_too() -> None:
    flat = WALKER.reshape(12, 30, 8, 3)[..., :2].flatten(2)
    body = Body(16, 2)
    body.measure(flat)

    assert body(flat).shape == (12, 30, body.channels)
    assert bool(torch.isfinite(body(torch.zeros_like(flat))).all())


def test_a_still_point_and_a_still_sensor_give_numbers() -> None:
    for view, size in ((Body(24, 3), 24), (Worn(3), 3)):
        view.measure(torch.zeros(4, 64, size))
        assert bool(torch.isfinite(view(torch.zeros(4, 64, size))).all())


@pytest.mark.parametrize(("kind", "same"), [("features", False), ("points", True), ("inertial", True)])
def test_axes_that_belong_together_keep_one_unit(kind: str, same: bool) -> None:
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(500, 3)) * [1, 4, 9]).float()

    _, spread = units(kind, torch.cat([values, values], 1))

    assert bool((spread[0] == spread[1]).all()) == same
