"""Another device's clock where nobody answers probes: by its quickest messages, and therefore roughly."""

from __future__ import annotations

from collections import deque
from typing import Final

_S: Final = 1_000_000_000
_WINDOW_NS: Final = 120 * _S
_GRAIN_NS: Final = _S // 10
"""Messages closer together than this differ little in how soon they are forgotten: the quickest stands for them."""
_SKEW: Final = 200e-6
_STRIKES: Final = 8
"""Messages in a row that are all much slower than the quickest: their clock was set back."""
_STRIKE_NS: Final = 250_000_000


class OneWayClock:
    """Offset (theirs minus ours) from stamps and arrivals alone.

    The quickest message of the last 120 s was on its way for at least as long as the way takes; how
    long that is, nobody can measure from one end. Tell it, or live with the bound.

    Args:
        path_ns: how long the quickest messages take.
        path_error_ns: how far that may be wrong.
    """

    def __init__(self, path_ns: int = 0, path_error_ns: int = 500_000_000) -> None:
        self.steps = 0
        self._path_ns, self._path_error_ns = path_ns, path_error_ns
        # The largest difference of the window is first; each one after it is smaller and younger.
        self._largest: deque[tuple[int, int]] = deque()
        self._strikes: deque[tuple[int, int]] = deque(maxlen=_STRIKES)

    @property
    def known(self) -> bool:
        """Whether there was a message."""
        return bool(self._largest)

    def observe(self, stamp_ns: int, arrived_ns: int) -> None:
        """A message stamped ``stamp_ns`` there has come at ``arrived_ns`` of ours."""
        difference = stamp_ns - arrived_ns
        if self._largest and difference < self._largest[0][1] - _STRIKE_NS:
            self._strikes.append((arrived_ns, difference))
            if len(self._strikes) == _STRIKES:
                self._restart()
        else:
            self._strikes.clear()
        while self._largest and self._largest[-1][1] <= difference:
            self._largest.pop()
        if not self._largest or arrived_ns - self._largest[-1][0] >= _GRAIN_NS:
            self._largest.append((arrived_ns, difference))
        while self._largest[0][0] < arrived_ns - _WINDOW_NS:
            self._largest.popleft()

    def offset_ns(self) -> int:
        """Theirs minus ours; there must have been a message."""
        return self._largest[0][1] + self._path_ns

    @property
    def error_ns(self) -> int:
        """Half width of the interval that holds the true offset: the path's, and two minutes of drift."""
        return self._path_error_ns + round(_SKEW * _WINDOW_NS)

    def shift(self, by_ns: int) -> None:
        """Their clock was set by ``by_ns``."""
        self._largest = deque((at, difference + by_ns) for at, difference in self._largest)
        self._strikes.clear()

    def _restart(self) -> None:
        """Their clock was set back: only what came since then counts."""
        self.steps += 1
        self._largest.clear()
        kept, self._strikes = list(self._strikes), deque(maxlen=_STRIKES)
        for arrived_ns, difference in kept:
            self.observe(difference + arrived_ns, arrived_ns)
