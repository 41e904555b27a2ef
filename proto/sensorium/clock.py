"""Device time: monotonic inside, wall time only at the edges, with an error bound.

Order and windows rest on the monotonic clock alone. The wall clock of a board without an RTC may
step by hours when NTP arrives; here that re-anchors the offset and touches nothing else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SLEW = 500e-6
"""The kernel slews the wall clock by at most 500 ppm, adjtimex(2)."""
_TRIES = 3
_NAP_NS = 1_000_000
"""Shorter than this no machine sleeps: two readings in a row are never quite at the same instant."""


class Clock(Protocol):
    """Tells the device's monotonic time."""

    def now_ns(self) -> int:
        """Nanoseconds that only grow, also across suspend."""


class DeviceClock:
    """The kernel's clock since boot, suspended time included."""

    def __init__(self) -> None:
        self.boot_id = boot_id()

    def now_ns(self) -> int:
        """Nanoseconds since boot."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class ManualClock:
    """A clock that is told the time: for tests, and for recordings played at any speed."""

    at_ns: int = 0

    def now_ns(self) -> int:
        """The time it was last told."""
        return self.at_ns


def boot_id(path: Path = _BOOT_ID) -> str:
    """Names this boot: monotonic times of two boots must never be compared."""
    try:
        return path.read_text().strip()
    except OSError:
        return "unknown"


@dataclass(frozen=True, slots=True)
class WallOffset:
    """Wall clock minus monotonic clock.

    Attributes:
        offset_ns: add to monotonic time for wall time.
        error_ns: half width of the interval that holds the true offset at ``at_ns``.
        at_ns: monotonic instant of the reading.
        steps: how often the wall clock has jumped since the start.
    """

    offset_ns: int
    error_ns: int
    at_ns: int
    steps: int = 0

    def wall_ns(self, monotonic_ns: int) -> int:
        """Wall time of a monotonic instant."""
        return monotonic_ns + self.offset_ns

    def error_at_ns(self, monotonic_ns: int) -> int:
        """Half width of the interval that holds the true wall time of an instant, unless the clock was set since."""
        return self.error_ns + round(abs(monotonic_ns - self.at_ns) * _SLEW)


def observe_wall(
    last: WallOffset | None, before_ns: int, wall_ns: int, after_ns: int, *, slew_ppm: float = _SLEW * 1e6
) -> WallOffset:
    """The offset after reading the wall clock between two readings of the monotonic one.

    The bound is half the time between the two readings. A change beyond both bounds and what slewing
    can explain is a step (the kernel slews by at most 500 ppm, adjtimex(2)).
    """
    error = (after_ns - before_ns + 1) // 2
    at = before_ns + error
    offset = wall_ns - at
    if last is None:
        return WallOffset(offset, error, at)
    slewed = round((at - last.at_ns) * slew_ppm * 1e-6)
    stepped = abs(offset - last.offset_ns) > error + last.error_ns + slewed
    return WallOffset(offset, error, at, last.steps + stepped)


def read_wall(clock: Clock, last: WallOffset | None = None) -> WallOffset:
    """Read the wall clock, between two readings of ``clock``; of three tries the one that took least."""
    tries = [(clock.now_ns(), time.clock_gettime_ns(time.CLOCK_REALTIME), clock.now_ns()) for _ in range(_TRIES)]
    return observe_wall(last, *min(tries, key=lambda t: t[2] - t[0]))


def asleep_ns() -> int:
    """For how long this machine has been suspended since it booted."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True)
class ClockChange:
    """What became of the clocks between two looks at them. No event, window or order depends on it.

    Attributes:
        at_ns: when it was found, on the monotonic clock.
        stepped_ns: by how much the wall clock was set, forward or back; 0 if it was not.
        suspended_ns: how long the machine slept; 0 if it did not.
    """

    at_ns: int
    stepped_ns: int = 0
    suspended_ns: int = 0


class ClockWatch:
    """Notices that the wall clock was set (NTP after minutes, a person), and that the machine has slept."""

    def __init__(self) -> None:
        self._last: WallOffset | None = None
        self._asleep_ns = 0

    @property
    def wall(self) -> WallOffset | None:
        """The newest reading, which every wall time is made from."""
        return self._last

    def look(self, wall: WallOffset, asleep_ns: int) -> ClockChange | None:
        """Take a reading in that was observed after `wall`; what has changed since then, if anything."""
        last, self._last = self._last, wall
        slept_ns, self._asleep_ns = asleep_ns - self._asleep_ns, asleep_ns
        if last is None:
            return None
        stepped_ns = wall.offset_ns - last.offset_ns if wall.steps > last.steps else 0
        suspended_ns = slept_ns if slept_ns > _NAP_NS else 0
        return ClockChange(wall.at_ns, stepped_ns, suspended_ns) if stepped_ns or suspended_ns else None
