"""Where words are compared with concepts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorium_cloud.fuse.space import Space, encoders_own, in_words, unit
from sensorium_cloud.runtime.net import ModelError


def test_rows_are_moved_alike_whatever_is_beside_them() -> None:
    rng = np.random.default_rng(0)
    space = Space(rng.normal(size=(384, 384)).astype(np.float32), rng.normal(size=384).astype(np.float32))
    rows = unit(rng.normal(size=(5, 384)).astype(np.float32))

    together = space(rows)

    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    assert all((space(rows[n : n + 1])[0] == together[n]).all() for n in range(5))


def test_the_encoders_own_space_leaves_rows_where_they_are() -> None:
    rows = unit(np.random.default_rng(1).normal(size=(2, 384)).astype(np.float32))

    assert encoders_own(384)(rows) == pytest.approx(rows, abs=1e-6)
    assert encoders_own(384)(rows[:0]).shape == (0, 384)


def test_the_shipped_space_knows_english_words() -> None:
    space = Space.load(Path(__file__).parents[2] / "models/weights/sentence_space.npz")

    assert space.matrix.shape == (384, 384)
    assert space.familiar(["turn", "off", "the", "light"]) == 1
    assert space.familiar(["éclaire", "déverrouille"]) == 0
    assert space.familiar([]) == 1


@pytest.mark.parametrize("data", [b"", b"no arrays"])
def test_what_is_no_space_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "space.npz"
    path.write_bytes(data)

    with pytest.raises(ModelError, match="not a space of sentences"):
        Space.load(path)


def test_a_name_is_worded_in_several_ways() -> None:
    assert in_words("light_off")[0] == "light off"
    assert all("light off" in wording for wording in in_words("light_off"))
