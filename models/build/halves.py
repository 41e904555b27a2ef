"""Who is trained on, and who is measured with: decided by their names, the same everywhere and at any time."""

from __future__ import annotations

import hashlib


def number_of(name: str) -> int:
    """A whole number that says nothing of the name."""
    return int(hashlib.sha1(name.encode()).hexdigest(), 16)  # noqa: S324


def in_half(name: str, half: str) -> bool:
    """Whether ``name`` is in the half called ``even`` or ``odd``, or ``all`` are wanted."""
    return half == "all" or number_of(name) % 2 == (half == "odd")
