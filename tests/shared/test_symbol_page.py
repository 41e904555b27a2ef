"""The page about a symbol's figures has all of them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from sensorium.symbol import Entropy, Reason, Share, Symbol

PAGE = (Path(__file__).parents[2] / "docs" / "symbol.md").read_text()
_PLAIN = {
    "id",
    "session_id",
    "boot_id",
    "revision",
    "window_revision",
    "start_ns",
    "end_ns",
    "modality",
    "shares",
    "entropy",
}
"""Names and times, which have no formula; and the two that are headings."""


@pytest.mark.parametrize("kind", [Symbol, Share, Entropy])
def test_every_figure_is_explained(kind: type) -> None:
    assert {f.name for f in fields(kind) if f"`{f.name}`" not in PAGE} <= _PLAIN


def test_every_reason_to_abstain_is_explained() -> None:
    assert all(f"`{reason}`" in PAGE for reason in Reason)


def test_the_files_it_names_are_there() -> None:
    root = Path(__file__).parents[2]
    named = ("proto/sensorium/assemble.py", "cloud/sensorium_cloud/fuse/reading.py", "models/cards/fusion.md")

    assert all(name in PAGE and (root / name).exists() for name in named)
