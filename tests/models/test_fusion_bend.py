"""What a network is shown while it learns: clips bent, but never so that the answer would be wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from models.clips import a_file

pytest.importorskip("torch", reason="needs the extra `train`")

import torch
from models.build.fusion import dataset as datasets
from models.build.fusion.bend import Bend, Clips
from models.build.fusion.learn import fresh
from models.build.fusion.recipe import Recipe

CALM = Recipe(absent=0, noisy=0, mismatched=0, mixed=0, width=16)
ROWS = torch.arange(48)


def a_bend(folder: Path, recipe: Recipe) -> Bend:
    clips = datasets.read(a_file(folder))
    net = fresh(clips, np.eye(4, 384, dtype=np.float32), recipe)
    return Bend(net, clips, Clips.of(clips), recipe, torch.Generator().manual_seed(0))


def test_noise_drowns_one_sense_at_most_and_only_beside_another(tmp_path: Path) -> None:
    bend = a_bend(tmp_path, replace(CALM, noisy=1.0))
    present = torch.tensor([[True, True]] * 40 + [[True, False]] * 40)

    loud = bend._noise(present) > 0.1

    assert (loud.sum(1)[:40] == 1).all()
    assert not loud[40:].any()


def test_a_sense_left_out_is_still_asked_alone_and_a_drowned_one_is_not(tmp_path: Path) -> None:
    left_out = a_bend(tmp_path, replace(CALM, absent=0.6)).show(ROWS)
    drowned = a_bend(tmp_path, replace(CALM, noisy=1.0)).show(ROWS)

    assert not left_out.present.all()
    assert left_out.present.any(1).all()
    assert left_out.asked.all()
    assert drowned.asked.any(1).all()
    assert 10 < int((~drowned.asked).sum()) < 48


def test_a_sense_from_another_clip_is_told_by_its_own_class(tmp_path: Path) -> None:
    bend = a_bend(tmp_path, replace(CALM, mismatched=1.0))

    shown = bend.show(ROWS)

    apart = shown.own[:, 0] != shown.own[:, 1]
    assert bool((apart == shown.swapped).all())
    assert int(apart.sum()) > 20
    assert bool((shown.own == bend.clips.y[:, None]).any(1).all())


def test_only_honest_clips_are_mixed(tmp_path: Path) -> None:
    shown = a_bend(tmp_path, replace(CALM, mixed=1.0, mismatched=0.5)).show(ROWS)

    mixed = shown.share < 1

    assert int(mixed.sum()) > 5
    assert not (mixed & shown.swapped).any()
    assert bool((shown.share >= 0.5).all())
