"""How long messages lay unread before the service came to them. Pure.

What waits inside gRPC cannot be seen from outside of it, neither its number nor its age; in a service that gets too
little of the processor most of the waiting is there. But a message says when its device sent it, by a clock that need
not be ours: the least difference of the two clocks is that of a message that was read at once, and for whatever another
one takes longer, it lay.
"""

from __future__ import annotations

from typing import Final

_DRIFT: Final = 10_000
"""Clocks part by at most one in so many: by 100 millionths."""
_UNLIKELY_NS: Final = 60_000_000_000
"""Nothing lies for so long; a device's clock was set instead."""


class Unread:
    """Told when each message of one stream was sent, by the device's clock, and when it was read, by ours."""

    def __init__(self) -> None:
        self._least_ns: int | None = None
        self._read_ns = 0

    def lay_ns(self, sent_ns: int, now_ns: int) -> int:
        """For how long the message that is read now lay unread, ns; 0 if it does not say when it was sent."""
        if not sent_ns:
            return 0
        apart_ns = now_ns - sent_ns
        least_ns = apart_ns if self._least_ns is None else self._least_ns + (now_ns - self._read_ns) // _DRIFT
        if apart_ns - least_ns > _UNLIKELY_NS:
            least_ns = apart_ns
        self._least_ns, self._read_ns = min(apart_ns, least_ns), now_ns
        return apart_ns - self._least_ns
