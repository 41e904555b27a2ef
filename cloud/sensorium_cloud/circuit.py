"""When to ask a service again that did not answer. Pure: told the time."""

from __future__ import annotations

from typing import Final

_FIRST_NS: Final = 100_000_000
_LONGEST_NS: Final = 5_000_000_000


class Circuit:
    """Closed while all is well; open after a failure, with one try each time the wait is over (Nygard, Release It!)."""

    def __init__(self) -> None:
        self._wait_ns = 0
        self._again_ns = 0
        self._trying = False

    @property
    def closed(self) -> bool:
        """Whether the last that was heard was good."""
        return self._wait_ns == 0

    def allows(self, now_ns: int) -> bool:
        """Whether to ask now; while open, true for one asker a wait."""
        if self.closed:
            return True
        if now_ns < self._again_ns:
            return False
        self._again_ns = now_ns + self._wait_ns
        self._trying = True
        return True

    def worked(self) -> bool:
        """An answer came; whether that is news."""
        news = not self.closed
        self._wait_ns = 0
        self._trying = False
        return news

    def failed(self, now_ns: int) -> bool:
        """None came; whether that is news. The wait doubles with each try, not with all that failed together."""
        news = self.closed
        if news or self._trying:
            self._wait_ns = min(max(2 * self._wait_ns, _FIRST_NS), _LONGEST_NS)
            self._again_ns = now_ns + self._wait_ns
        self._trying = False
        return news
