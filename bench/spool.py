"""What durability costs: the spool beside a bare loop of write and fdatasync: ``python bench/spool.py [DIRECTORY]``.

2 kB records, one and sixteen at a time. The bare loop writes the same bytes into a file reserved like a
segment, and keeps nothing else: no checksum, no index, no bound. Both take turns, so that a busy disk is
busy for both. Bytes written are the kernel's count for this process (/proc/self/io: whole pages, without
the file system's journal).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from sensorium_agent.spool.log import Record, Spool

PAYLOAD = os.urandom(2048)
SEGMENT = 1 << 20
ROUNDS = 9
GROUPS = 60
TARGET = 0.85
"""A new segment costs a sync of the directory, which the bare loop does without."""


class Bare:
    """Writes and syncs."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT)
        self._end = SEGMENT

    def append(self, payloads: list[bytes]) -> None:
        data = b"".join(payloads)
        if self._end + len(data) > SEGMENT:
            os.ftruncate(self._file, 0)
            os.posix_fallocate(self._file, 0, SEGMENT)
            self._end = 0
        os.pwrite(self._file, data, self._end)
        os.fdatasync(self._file)
        self._end += len(data)

    def close(self) -> None:
        os.close(self._file)


def written() -> int:
    """Bytes this process has caused to be written to disks."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


def timed(append, payloads: list) -> tuple[float, int]:
    """Seconds and bytes of ``GROUPS`` appends."""
    began, before = time.perf_counter(), written()
    for _ in range(GROUPS):
        append(payloads)
    return time.perf_counter() - began, written() - before


def drained(spool: Spool) -> int:
    """Bytes written to read everything and acknowledge it in steps of 64."""
    before = written()
    while stored := spool.read(0, 64):
        spool.acknowledge(stored[-1].sequence)
    return written() - before


def compare(directory: Path, at_once: int) -> None:
    bare = Bare(directory / f"bare{at_once}")
    runs = []
    with Spool.open(directory / f"spool{at_once}", segment_bytes=SEGMENT, max_bytes=256 << 20) as spool:
        for _ in range(ROUNDS):
            bare_s, bare_bytes = timed(bare.append, [PAYLOAD] * at_once)
            spool_s, spool_bytes = timed(spool.append, [Record(PAYLOAD)] * at_once)
            runs.append((bare_s, spool_s, bare_bytes, spool_bytes))
        payload = ROUNDS * GROUPS * at_once * len(PAYLOAD)
        plain, appended = (sum(run[i] for run in runs) / payload for i in (2, 3))
        emptied = drained(spool) / payload
    bare.close()
    count = GROUPS * at_once
    ratio = median(bare_s / spool_s for bare_s, spool_s, *_ in runs)
    print(
        f"by {at_once:2}: spool {count / median(r[1] for r in runs):7.0f} records/s, bare "
        f"{count / median(r[0] for r in runs):7.0f}, ratio {ratio:.2f} (at least {TARGET}); "
        f"{appended:.2f} bytes written per byte, {appended + emptied:.2f} with delivery, bare {plain:.2f}"
    )


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else Path.cwd()) as directory:
        for at_once in (1, 16):
            compare(Path(directory), at_once)


if __name__ == "__main__":
    main()
