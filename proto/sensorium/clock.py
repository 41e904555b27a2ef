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


def observe_wall(
    last: WallOffset | None, before_ns: int, wall_ns: int, after_ns: int, *, slew_ppm: float = 500.0
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
    """Read the wall clock once, between two readings of ``clock``."""
    before = clock.now_ns()
    wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
    return observe_wall(last, before, wall, clock.now_ns())
