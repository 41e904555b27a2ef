"""Real processes killed in mid-write, and real power cuts: what was called durable is there afterwards."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent.spool_writer import payload

from sensorium_agent.spool.log import Record, Spool, SpoolFull

WRITER = Path(__file__).with_name("spool_writer.py")
EXT4_IOC_SHUTDOWN = 0x8004587D
WITHOUT_FLUSHING_THE_JOURNAL = 2


def written_until(
    stop: Callable[[subprocess.Popen[bytes]], None], directory: Path, seed: int, groups: int, *, last_words: bool
) -> set[int]:
    """Let a writer store ``groups`` groups and go on, then stop it; the sequences it called durable.

    With ``last_words`` also those it named while it was being stopped.
    """
    with subprocess.Popen([sys.executable, WRITER, directory, str(seed)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(groups)]
        assert all(said), "the writer died by itself"
        stop(process)
        process.kill()
        rest = process.stdout.read().splitlines()
    named = [tuple(map(int, line.split())) for line in (said + rest if last_words else said)]
    return {sequence for first, last in named for sequence in range(first, last + 1)}


def check(directory: Path, promised: set[int]) -> None:
    """Everything promised is there, in order, unchanged; then it is forgotten."""
    with Spool.open(directory, segment_bytes=64 << 10, max_bytes=256 << 20) as spool:
        found: list[int] = []
        while stored := spool.read(found[-1] if found else 0, 1000):
            found += [s.sequence for s in stored]
            assert all(s.payload == payload(s.sequence) for s in stored)
        assert promised - set(found) == set()
        assert found == sorted(set(found))
        assert spool.counts.damaged == 0
        spool.acknowledge(found[-1])


def test_a_killed_writer_loses_nothing_it_called_durable(tmp_path: Path) -> None:
    for number in range(8):
        promised = written_until(lambda writer: writer.kill(), tmp_path, number, 3 + 5 * number, last_words=True)
        check(tmp_path, promised)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small ext4 disk of our own, in a file."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("needs root and mkfs.ext4 for a disk of its own")
    image, mount = tmp_path / "image", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(48 << 20)
    mount.mkdir()
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    if subprocess.run(["mount", "-o", "loop,noatime", image, mount], capture_output=True, check=False).returncode:
        pytest.skip("loop devices cannot be mounted here")
    yield mount
    subprocess.run(["umount", mount], check=True)


def cut_power(disk: Path) -> None:
    handle = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", WITHOUT_FLUSHING_THE_JOURNAL))
    except OSError as error:
        pytest.skip(f"ext4 cannot be shut down here: {error.strerror}")
    finally:
        os.close(handle)


def test_a_power_cut_loses_nothing_that_was_called_durable(disk: Path) -> None:
    used = 0
    for number in range(4):
        # Its last words do not count: a process outlives this cut, and a sync that meets it may come back as good.
        promised = written_until(lambda _: cut_power(disk), disk / "spool", number, 4 + 7 * number, last_words=False)
        assert min(promised) > used, "no sequence is used twice"
        used = max(promised)
        subprocess.run(["umount", disk], check=True)
        subprocess.run(["mount", "-o", "loop,noatime", disk.parent / "image", disk], check=True)
        check(disk / "spool", promised)


def fill(spool: Spool) -> None:
    while True:
        spool.append([Record(bytes(2048))] * 16)


def test_a_full_disk_stops_the_spool_and_space_brings_it_back(disk: Path) -> None:
    with Spool.open(disk / "spool", segment_bytes=1 << 20, max_bytes=512 << 20) as spool:
        with pytest.raises(SpoolFull, match="the disk is full"):
            fill(spool)
        stored = spool.last
        assert spool.pending == stored
        assert len(spool.read(0, 10)) == 10

        spool.acknowledge(stored // 2)
        spool.append([Record(bytes(2048))] * 16)
        assert spool.pending == stored - stored // 2 + 16
