"""What machine is this, and what are its clocks and its disk like?"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
from pathlib import Path
from typing import Final

from sensorium.clock import boot_id
from sensorium_agent._app.doctor.result import Result

_TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised."""


def machine() -> Result:
    """What this is."""
    detail = f"{platform.machine()}, {platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}"
    if platform.machine() == "armv7l":
        return Result(
            "Machine", "warn", detail, "a 64-bit system has newer runtimes; here tflite-runtime takes their place"
        )
    return Result("Machine", "ok", detail.strip(", "))


def boot() -> Result:
    """Monotonic times of different boots can be told apart."""
    found = boot_id()
    if found == "unknown":
        return Result(
            "Boot id", "warn", "the kernel tells none", "mount /proc: without it spooled times may be mixed up"
        )
    return Result("Boot id", "ok", found)


def clock_state() -> int:
    """The kernel's clock state; a negative number if it will not say."""
    try:
        # 256 bytes hold struct timex on every architecture; modes = 0 only reads.
        return int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(256)))
    except (OSError, AttributeError):
        return -1


def wall_clock(kernel_state: int) -> Result:
    """The wall clock is set from the network; order and windows do not depend on it."""
    if kernel_state == _TIME_ERROR:
        way_out = "run: sudo timedatectl set-ntp true; until then wall times are this machine's guess"
        return Result("Wall clock", "warn", "not synchronised", way_out)
    if kernel_state < 0:
        return Result("Wall clock", "warn", "the kernel does not say", "check with: timedatectl")
    return Result("Wall clock", "ok", "synchronised")


def disk(directory: Path, max_mb: int) -> Result:
    """There is room for the spool, and it may be written."""
    there = next(p for p in (directory, *directory.parents) if p.exists())
    free_mb = shutil.disk_usage(there).free // 1_000_000
    if not os.access(there, os.W_OK):
        return Result(
            "Spool", "fail", f"{there} may not be written", "set [spool] directory, or run: chown it to this user"
        )
    if free_mb < max_mb:
        way_out = f"free some space, or set [spool] max_mb below {free_mb}"
        return Result("Spool", "fail", f"{free_mb} MB free for a spool of {max_mb} MB in {directory}", way_out)
    return Result("Spool", "ok", f"{free_mb} MB free for {max_mb} MB in {directory}")
