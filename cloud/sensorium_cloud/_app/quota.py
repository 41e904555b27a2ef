"""How much of the machine's processors this process may use: what its control groups say, of either version."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_MOUNTED: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")


def processors(mounted: Path = _MOUNTED, own: Path = _OWN) -> int:
    """How many processes to run, one for each processor: at least one.

    A container sees all processors of its machine; what it may spend of them its control group says, or one above.
    """
    allowed = [_version_2(folder) for folder in _upwards(mounted, _path(own, ""))]
    for name in ("cpu", "cpu,cpuacct", "cpuacct,cpu"):
        allowed += [_version_1(folder) for folder in _upwards(mounted / name, _path(own, "cpu"))]
    return max(min(len(os.sched_getaffinity(0)), *allowed), 1)


def _path(own: Path, controller: str) -> str:
    """Where this process is among the groups of a controller; version 2 has one tree for all, with no name."""
    try:
        told = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return ""
    return next((line[2].strip("/") for line in told if len(line) == 3 and controller in line[1].split(",")), "")


def _upwards(mounted: Path, path: str) -> list[Path]:
    """The folder of a group and of all above it; within a container only the topmost may be there."""
    parts = Path(path).parts
    return [mounted.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]


def _version_2(folder: Path) -> int:
    """In one file: "200000 100000" is two processors, "max 100000" as many as there are."""
    try:
        spend, period = map(int, (folder / "cpu.max").read_text().split())
    except (OSError, ValueError):
        return sys.maxsize
    return _rounded_up(spend, period)


def _version_1(folder: Path) -> int:
    """The same in two files; -1 is as many as there are."""
    try:
        spend, period = (int((folder / f"cpu.cfs_{what}_us").read_text()) for what in ("quota", "period"))
    except (OSError, ValueError):
        return sys.maxsize
    return _rounded_up(spend, period)


def _rounded_up(spend: int, period: int) -> int:
    return max(-(-spend // period), 1) if spend > 0 and period > 0 else sys.maxsize
