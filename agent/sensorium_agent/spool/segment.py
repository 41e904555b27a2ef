"""One file of the spool: reserved, written durably, recovered after a crash, read past damage.

Errors of the disk leave here as they come (`OSError`); `sensorium_agent.spool.log` says them to people.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from sensorium_agent.spool import format as spool_format
from sensorium_agent.spool.format import CURSOR_BYTES, HEADER_BYTES, RECORD_BYTES, Header, Record

log = logging.getLogger(__name__)

SUFFIX: Final = ".segment"


@dataclass(slots=True, eq=False)
class Segment:
    """Where a file's records are, and which of them nobody wants any more.

    Attributes:
        path: the file, named by the sequence it begins with.
        header: its own facts.
        size: bytes it takes on disk.
        end: where the next record goes.
        lost: records found missing between good ones when it was recovered.
        torn: something unreadable followed its last good record when it was recovered.
        whole: it ends as it was left, so that appending to it is safe.
    """

    path: Path
    header: Header
    size: int
    end: int = HEADER_BYTES
    lost: int = 0
    torn: bool = False
    whole: bool = True
    _sequences: array[int] = field(default_factory=lambda: array("Q"))
    _offsets: array[int] = field(default_factory=lambda: array("I"))
    _dead: set[int] = field(default_factory=set)
    _file: int | None = None

    @classmethod
    def create(cls, directory: Path, header: Header) -> Self:
        """A new one, reserved, durable under its name, open for writing.

        Its header is safe no sooner than its first records, whose sync is one for both.
        """
        path = directory / f"{header.first:020d}{SUFFIX}"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _reserve(file, header.capacity)
            _write_all(file, spool_format.encode_header(header), 0)
            sync_directory(directory)
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        return cls(path, header, header.capacity, _file=file)

    @classmethod
    def recover(cls, path: Path, below: int, spool_id: bytes, usual_bytes: int) -> Self:
        """What is left of one; of sequences from ``below`` on, only the next segment's word counts."""
        data, first = path.read_bytes(), int(path.stem)
        header = spool_format.decode_header(data)
        scan = spool_format.scan(data, spool_id, first, below)
        here = cls(path, header or Header(usual_bytes, first, spool_id, ""), len(data))
        here.lost, here.torn = scan.lost, scan.torn or header is None
        here.whole = not here.torn and here.size >= here.header.capacity
        for sequence, offset in scan.found:
            here._add(sequence, offset, scan.end)
        if here.lost or here.torn:
            log.warning("spool.damaged file=%s lost=%d torn=%s", path.name, here.lost, here.torn)
        return here

    def _add(self, sequence: int, begin: int, end: int) -> None:
        self._sequences.append(sequence)
        self._offsets.append(begin)
        self.end = end

    # --- what it holds ---------------------------------------------------------------------

    @property
    def last(self) -> int:
        """Its last record's sequence; the one before its first if it is empty."""
        return self._sequences[-1] if self._sequences else self.header.first - 1

    @property
    def unreadable(self) -> int:
        """How many records may have been lost at its end, at most."""
        return 0 if self.whole else -(-(max(self.header.capacity, self.size) - self.end) // RECORD_BYTES)

    def waiting(self, after: int) -> int:
        """How many of its records beyond ``after`` are still wanted."""
        dead = sum(sequence > after for sequence in self._dead)
        return len(self._sequences) - bisect_right(self._sequences, after) - dead

    def bury(self, sequence: int) -> None:
        """Nobody wants this record any more."""
        self._dead.add(sequence)

    def read(self, after: int, spool_id: bytes) -> Iterator[tuple[int, Record | None]]:
        """Its records beyond ``after`` that are still wanted, None where one is damaged."""
        begin = bisect_right(self._sequences, after)
        wanted = [i for i in range(begin, len(self._sequences)) if self._sequences[i] not in self._dead]
        if not wanted:
            return
        with self.path.open("rb", buffering=0) as file:
            for i in wanted:
                end = self._offsets[i + 1] if i + 1 < len(self._offsets) else self.end
                block = os.pread(file.fileno(), end - self._offsets[i], self._offsets[i])
                good = spool_format.decode(block, 0, spool_id)
                yield self._sequences[i], good[1] if good and good[0] == self._sequences[i] else None

    # --- writing ---------------------------------------------------------------------------

    @property
    def writable(self) -> bool:
        """Whether it is open for writing."""
        return self._file is not None

    @property
    def room(self) -> int:
        """Bytes that still fit."""
        return self.size - self.end

    def resume(self) -> None:
        """Open a whole one for writing again."""
        self._file = os.open(self.path, os.O_RDWR)

    def write(self, first: int, blocks: list[bytes]) -> None:
        """Store encoded records, the first with sequence ``first``: they survive a power cut, or are not there."""
        assert self._file is not None
        try:
            _write_all(self._file, b"".join(blocks), self.end)
            os.fdatasync(self._file)
        except OSError:
            # After a failed sync the kernel may call the same pages clean: never write on behind them.
            # What was half written goes, or a restart would find records that were refused.
            self.close()
            self.cut()
            raise
        for i, block in enumerate(blocks):
            self._add(first + i, self.end, self.end + len(block))

    def cut(self) -> None:
        """Let the file end where its last good record does."""
        try:
            os.truncate(self.path, self.end)
        except OSError as error:
            # The recovery passes over what is left there; only its space is lost.
            log.warning("spool.cut file=%s error=%s", self.path.name, error.strerror)
        else:
            self.size, self.whole = self.end, True

    def close(self) -> None:
        """Write no more to it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def open_cursor(path: Path) -> int:
    """The cursor's file, reserved once and for all, so that a full disk never stops an acknowledgement."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.fstat(file).st_size < CURSOR_BYTES:
            _reserve(file, CURSOR_BYTES)
            os.fsync(file)
            sync_directory(path.parent)
    except OSError:
        os.close(file)
        raise
    return file


def _reserve(file: int, size: int) -> None:
    """Take the space now; where the file system cannot, at least the size."""
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
        os.ftruncate(file, size)


def _write_all(file: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written


def sync_directory(directory: Path) -> None:
    """Make the names in ``directory`` survive a power cut."""
    with contextlib.ExitStack() as files:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        files.callback(os.close, handle)
        os.fsync(handle)
