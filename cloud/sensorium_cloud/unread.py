"""How long messages lay unread before the service came to them, and whether it falls behind. Pure.

What waits inside gRPC cannot be seen from outside of it, neither its number nor its age; in a service that gets too
little of the processor most of the waiting is there. But a message says when its device sent it, by a clock that need
not be ours: the least difference of the two clocks is that of a message that was read at once, and for whatever another
one takes longer, it lay.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from sensorium_cloud.batch import Overloaded, retry_ms

_DRIFT: Final = 10_000
"""Clocks part by at most one in so many: by 100 millionths."""
_UNLIKELY_NS: Final = 60_000_000_000
"""Nothing lies for so long; a device's clock was set instead."""
_LONG_NS: Final = 1_000_000_000
_ASLEEP_NS: Final = 10_000_000_000
"""Where all messages of a stream lie so long for longer than this, its device slept, and its clock with it."""
_BEARABLE: Final = 4
"""A message may lie for one part in so many of the time that its answer is of use."""
_BURST_NS: Final = 100_000_000
"""For so long a burst may make messages lie; after it, more comes than can be done."""
_DEVICES: Final = 16
"""Of so many devices most have to wait: the clock of one, or its way here, says nothing of the service."""
_LATELY_NS: Final = 500_000_000
"""In so long that many devices have to be heard: of fewer, none waits for the others."""


class Unread:
    """Told when each message of one stream was sent, by the device's clock, and when it was read, by ours."""

    def __init__(self) -> None:
        self._least_ns: int | None = None
        self._long_since_ns: int | None = None
        self._read_ns = 0

    def lay_ns(self, sent_ns: int, now_ns: int) -> int:
        """For how long the message that is read now lay unread, ns; 0 if it does not say when it was sent."""
        if not sent_ns:
            return 0
        apart_ns = now_ns - sent_ns
        least_ns = apart_ns if self._least_ns is None else self._least_ns + (now_ns - self._read_ns) // _DRIFT
        if self._was_set(apart_ns - least_ns, now_ns):
            least_ns = apart_ns
        self._least_ns, self._read_ns = min(apart_ns, least_ns), now_ns
        return apart_ns - self._least_ns

    def _was_set(self, lay_ns: int, now_ns: int) -> bool:
        """Whether it is the device's clock that makes messages seem to lie for ``lay_ns``."""
        if lay_ns < _LONG_NS:
            self._long_since_ns = None
            return False
        if self._long_since_ns is None:
            self._long_since_ns = now_ns
        if lay_ns <= _UNLIKELY_NS and now_ns - self._long_since_ns <= _ASLEEP_NS:
            return False
        self._long_since_ns = None
        return True


class Behind:
    """Told for how long each message of a service lay; refuses those that lay too long while most devices' do.

    What is answered and what is refused share the processor, however long both have waited: taking all that can just be
    answered in time lets everybody wait until just before it is too late. Refused sooner, nobody has to, and as much is
    answered. A burst makes messages lie as well, so that only what lasts counts (Nichols and Jacobson 2012,
    "Controlling queue delay").

    How long a message lay is what its device makes us believe. So each device has one voice, however much it sends, and
    no message is refused for what others say that did not itself lie too long.
    """

    def __init__(self) -> None:
        self._heard: OrderedDict[str, tuple[int, bool]] = OrderedDict()
        """When each of the devices that were heard last was, and whether its message lay too long."""
        self._waiting = 0
        self._since_ns: int | None = None

    def check(self, device: str, lay_ns: int, now_ns: int, deadline_ns: int) -> None:
        """Refuse a message of ``device`` that lay too long, if those of most devices do.

        Raises:
            Overloaded: come back when what lies now has been read.
        """
        if not lay_ns:  # it was read at once, or nobody knows
            return
        too_long = lay_ns * _BEARABLE > lay_ns + deadline_ns - now_ns
        self._hear(device, now_ns, too_long=too_long)
        if not self._most_wait(now_ns):
            self._since_ns = None
        elif self._since_ns is None:
            self._since_ns = now_ns
        elif too_long and now_ns - self._since_ns >= _BURST_NS:
            reason = f"a message lies for {lay_ns / 1e6:.0f} ms before it is read: more comes than can be done"
            raise Overloaded("fusion", reason, retry_ms(lay_ns))

    def _hear(self, device: str, now_ns: int, *, too_long: bool) -> None:
        _, before = self._heard.pop(device, (0, False))
        self._heard[device] = now_ns, too_long
        self._waiting += too_long - before
        if len(self._heard) > _DEVICES:
            _, (_, forgotten) = self._heard.popitem(last=False)
            self._waiting -= forgotten

    def _most_wait(self, now_ns: int) -> bool:
        if 2 * self._waiting <= _DEVICES or len(self._heard) < _DEVICES:
            return False
        heard_ns, _ = next(iter(self._heard.values()))
        return now_ns - heard_ns <= _LATELY_NS
