"""What was taught is told from everything else, in a small space of our own making."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorium_agent.infer.prototypes import WAY, Floats, Prototypes, Space, SpaceError, read_space

WIDE = 8
RNG = np.random.default_rng(3)
FLAT = np.array(["flat"] * WAY)


def around(*centre: float, count: int = 40) -> Floats:
    """Looks at one thing: variance 1 in every direction."""
    middle = np.zeros(WIDE)
    middle[: len(centre)] = centre
    return (middle + RNG.normal(size=(count, WIDE))).astype(np.float32)


FLAT_HANDS = around(-9, 0)


def a_space() -> Space:
    ones = np.eye(WIDE, dtype=np.float32)
    return Space(np.zeros(WIDE, np.float32), ones, np.full(WIDE, 30, np.float32), FLAT_HANDS, FLAT, 1.0)


def chances(taught: Prototypes, places: Floats, built_in: str | None = None) -> Floats:
    return taught.chances(places, [built_in] * len(places))


def test_what_was_taught_is_known_and_nothing_else() -> None:
    taught = Prototypes(a_space(), {"claw": around(9, 0, count=5)})

    assert (chances(taught, around(9, 0)) > 0.5).mean() > 0.9
    assert (chances(taught, around(0, 9)) > 0.5).mean() < 0.05
    assert (chances(taught, around(0, 0)) > 0.5).mean() < 0.05


def test_of_two_that_were_taught_the_nearer_speaks() -> None:
    taught = Prototypes(a_space(), {"claw": around(9, 0, count=5), "hook": around(0, 9, count=5)})

    hooks = chances(taught, around(0, 9))

    assert ((hooks[:, 1] > 0.5) & (hooks[:, 0] < 0.5)).mean() > 0.9
    assert (hooks.sum(axis=1) <= 1.0 + 1e-6).all()


def test_what_looks_like_something_built_in_leaves_it_its_name() -> None:
    taught = Prototypes(a_space(), {"almost_flat": around(-8, 1, count=5)})

    assert (chances(taught, FLAT_HANDS, "flat") > 0.5).mean() < 0.1


def test_a_wider_sign_is_known_farther_from_its_middle() -> None:
    space, middle, far = a_space(), np.full(WIDE, 5.0), np.zeros(WIDE)
    far[0] = 4.0
    offsets = RNG.normal(size=(6, WIDE))
    offsets -= offsets.mean(axis=0)
    narrow, wide = (Prototypes(space, {"s": (middle + by * offsets).astype(np.float32)}) for by in (0.2, 2.0))
    look = (middle + far)[np.newaxis].astype(np.float32)

    assert chances(wide, look)[0, 0] > chances(narrow, look)[0, 0]


def test_a_file_that_is_no_space_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "space.npz").write_bytes(b"no")

    for name in ("space.npz", "none.npz"):
        with pytest.raises(SpaceError, match="not a space of examples; run: sensorium models verify"):
            read_space(tmp_path / name)
