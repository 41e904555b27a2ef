"""How fast answers are made while there is plenty to do, and so what a new question will wait for. Pure.

By Little's law what is ahead, times what one costs, is the wait. What one costs is learned under load only: whoever
asks alone waits for much that a crowd shares.
"""

from __future__ import annotations

from typing import Final

from sensorium_cloud.batch import Overloaded, retry_ms

_REMEMBERED: Final = 256
"""Answers after which the past counts half."""
_BELIEVED: Final = 64
"""Answers under load before anything is expected: the first ones are slow, and few."""
_MARGIN: Final = 2
"""What is expected to take longer than this part of the time is refused: half of what is taken at the edge is late."""


class Tempo:
    """Told of every question that is taken and of every answer; expects nothing before it has seen a load.

    Args:
        loaded: from how many questions in the making on there is plenty to do.
    """

    def __init__(self, *, loaded: int = 32) -> None:
        self._loaded = loaded
        self._since_ns: int | None = None
        self._busy_ns = 0.0
        self._answers = 0.0

    def asked(self, now_ns: int, making: int) -> None:
        """A question was taken; now ``making`` are in the making."""
        if making >= self._loaded and self._since_ns is None:
            self._since_ns = now_ns

    def answered(self, now_ns: int, making: int, many: int = 1) -> None:
        """That ``many`` answers were made; ``making`` are left."""
        if self._since_ns is None:
            return
        self._busy_ns += now_ns - self._since_ns
        self._answers += many
        self._since_ns = now_ns if making >= self._loaded else None
        if self._answers >= _REMEMBERED:
            self._busy_ns, self._answers = self._busy_ns / 2, self._answers / 2

    def wait_ns(self, making: int) -> int:
        """How long a question that is asked now will wait, behind ``making`` others."""
        if self._answers < _BELIEVED:
            return 0
        return round((making + 1) * self._busy_ns / self._answers)

    def check(self, now_ns: int, deadline_ns: int | None, making: int) -> None:
        """Refuse at once what would be answered too late.

        Raises:
            Overloaded: come back when what is ahead has been done.
        """
        wait_ns = self.wait_ns(making)
        if wait_ns and deadline_ns is not None and now_ns + _MARGIN * wait_ns > deadline_ns:
            use_ms = max(deadline_ns - now_ns, 0) / 1e6
            reason = f"an answer takes {wait_ns / 1e6:.0f} ms now and is of use for {use_ms:.0f} ms"
            raise Overloaded("fusion", reason, retry_ms(wait_ns))
