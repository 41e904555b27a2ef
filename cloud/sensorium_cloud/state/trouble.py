"""When to say that something is wrong: each time that it begins, but seldom where it comes and goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_AGAIN_NS: Final = 60_000_000_000


class Trouble:
    """Something that may be wrong, and what was said of that.

    A disk or a memory that is full takes a little in between: what was said is not said again before a minute is over.
    """

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns = now_ns
        self._told = False
        self._again_ns = 0

    def begins(self) -> bool:
        """It is wrong; whether to say so."""
        now_ns = self._now_ns()
        if self._told or now_ns < self._again_ns:
            return False
        self._told, self._again_ns = True, now_ns + _AGAIN_NS
        return True

    def ends(self) -> bool:
        """It is well; whether to say so, as it was said to be wrong."""
        told, self._told = self._told, False
        return told
