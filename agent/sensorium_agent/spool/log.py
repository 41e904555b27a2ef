"""The spool: what is to be delivered lies here first, bounded, through crashes and power cuts.

A log of segments with checksums: `sensorium_agent.spool.format` tells how it lies on disk and
`sensorium_agent.spool.segment` keeps one file. `append` returns when the records would survive a power
cut. Space is taken ahead of time, a segment's at once and the cursor's on the first day, so that a full
disk stops new records and nothing else. Older records give way to newer ones by whole segments.

Blocking, and for one thread at a time; `sensorium_agent.uplink.link` gives it a worker of its own.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sensorium.errors import SensoriumError
from sensorium_agent.spool import format as spool_format
from sensorium_agent.spool.format import CURSOR_BYTES, HEADER_BYTES, Cursor, Header, Record
from sensorium_agent.spool.segment import SUFFIX, Segment, open_cursor, sync_directory

__all__ = ["Counts", "Record", "Spool", "SpoolBusy", "SpoolError", "SpoolFull", "Stored"]

log = logging.getLogger(__name__)

_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)
_READ_BYTES: Final = 4 << 20
"""About how much one `Spool.read` gives at most."""


class SpoolError(SensoriumError):
    """The spool cannot be used."""


class SpoolBusy(SpoolError):
    """Another process uses this spool."""


class SpoolFull(SpoolError):
    """The disk has no room for the records; the ones before are safe."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A record that is waiting, and the boot whose clock its ``at_ns`` is of."""

    sequence: int
    record: Record
    boot_id: str

    @property
    def payload(self) -> bytes:
        """The record's payload."""
        return self.record.payload

    @property
    def at_ns(self) -> int:
        """When it was made, on that boot's monotonic clock."""
        return self.record.at_ns

    def expired(self, boot_id: str, now_ns: int) -> bool:
        """Whether its time is over at ``now_ns`` of boot ``boot_id``.

        Of a record from an earlier boot only this is known: it is at least as old as this boot,
        whose clock began at 0.
        """
        age_ns = now_ns - self.at_ns if self.boot_id == boot_id else now_ns
        return 0 < self.record.ttl_s * 1_000_000_000 < age_ns


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the records since the spool was opened; nothing leaves uncounted.

    Attributes:
        appended: stored.
        acknowledged: delivered.
        expired: not delivered in time.
        evicted: gave way to newer ones.
        refused: not stored, since the disk was full or failing.
        damaged: found unreadable between good ones.
        torn: segments whose end was unreadable: a write that a crash cut short, or damage.
    """

    appended: int = 0
    acknowledged: int = 0
    expired: int = 0
    evicted: int = 0
    refused: int = 0
    damaged: int = 0
    torn: int = 0


class Spool:
    """A durable queue of records in one directory; made by `open`."""

    def __init__(
        self, directory: Path, max_bytes: int, segment_bytes: int, boot_id: str, files: contextlib.ExitStack
    ) -> None:
        self._directory, self._max_bytes, self._segment_bytes = directory, max_bytes, segment_bytes
        self._boot_id, self._files = boot_id, files
        self._counts = Counts()
        self._cursor_file = open_cursor(directory / "cursor")
        files.callback(os.close, self._cursor_file)
        cursor = spool_format.decode_cursor(os.pread(self._cursor_file, CURSOR_BYTES, 0))
        paths = sorted(path for path in directory.glob(f"*{SUFFIX}") if path.stem.isdigit())
        self._id = cursor.spool_id if cursor else _id_of(paths)
        self._cursor = cursor or Cursor(0, 0, 1, self._id)
        self._segments = self._recovered(paths)
        self._pending = sum(s.waiting(self.acknowledged) for s in self._segments)
        self._save_cursor(durable=True)

    @classmethod
    def open(
        cls, directory: Path, *, max_bytes: int = 64 << 20, segment_bytes: int = 1 << 20, boot_id: str = ""
    ) -> Spool:
        """The spool in ``directory``, made if there is none, mended if it was left in mid-write.

        Args:
            directory: for this spool alone.
            max_bytes: most it may take on disk, at least two segments.
            segment_bytes: size of a segment, unless one group of records needs more.
            boot_id: names the boot whose clock new records' ``at_ns`` are of.

        Raises:
            SpoolBusy: another process uses it.
            SpoolFull: there is no room for even an empty one.
            SpoolError: the directory cannot be written, or the sizes do not fit together.
        """
        if max_bytes < 2 * segment_bytes:
            raise SpoolError(
                f"spool {directory}: {max_bytes} bytes hold no two segments of {segment_bytes}; raise spool.max_mb"
            )
        with contextlib.ExitStack() as files, _failing(directory):
            directory.mkdir(parents=True, exist_ok=True)
            sync_directory(directory.parent)
            lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            files.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SpoolBusy(f"spool {directory}: another agent uses it; give each its own directory") from error
            spool = cls(directory, max_bytes, segment_bytes, boot_id, files)
            spool._files = files.pop_all()
            return spool

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Keep the cursor and let go of the directory."""
        with _failing(self._directory), self._files:
            for here in self._segments:
                here.close()
            self._save_cursor(durable=True)

    @property
    def spool_id(self) -> str:
        """Random name of this spool, 32 hex digits; its sequences mean nothing without it."""
        return self._id.hex()

    @property
    def acknowledged(self) -> int:
        """Everything up to this sequence is delivered."""
        return self._cursor.acknowledged

    @property
    def last(self) -> int:
        """The newest sequence ever used; 0 if none."""
        return self._cursor.next - 1

    @property
    def pending(self) -> int:
        """How many records wait for an acknowledgement."""
        return self._pending

    @property
    def counts(self) -> Counts:
        """What became of the records so far."""
        return self._counts

    # --- writing ---------------------------------------------------------------------------

    def append(self, records: Sequence[Record]) -> range:
        """Store ``records`` durably, all or none, and give their sequences.

        Raises:
            SpoolFull: the disk has no room; may be tried again when it has.
            SpoolError: the disk fails, or the group is larger than half the spool.
        """
        first = self._cursor.next
        blocks = [spool_format.encode(record, first + i, self._id) for i, record in enumerate(records)]
        try:
            with _failing(self._directory):
                self._segment_with(sum(map(len, blocks))).write(first, blocks)
        except SpoolError:
            self._count(refused=len(blocks))
            raise
        self._cursor = replace(self._cursor, next=first + len(blocks))
        self._pending += len(blocks)
        self._count(appended=len(blocks))
        return range(first, first + len(blocks))

    def _segment_with(self, size: int) -> Segment:
        """A segment that is written to and has room for ``size`` bytes."""
        last = self._segments[-1] if self._segments else None
        if last and last.writable and last.room >= size:
            return last
        capacity = max(self._segment_bytes, HEADER_BYTES + size)
        if capacity > self._max_bytes // 2:
            raise SpoolError(f"spool {self._directory}: {size} bytes at once are over half of {self._max_bytes}")
        if last:
            last.close()
        self._make_room(capacity)
        fresh = Segment.create(self._directory, Header(capacity, self._cursor.next, self._id, self._boot_id))
        # Only now: until the new one exists, a torn end tells how many sequences to leave out.
        for left in self._segments:
            if not left.whole:
                left.cut()
        self._segments.append(fresh)
        return fresh

    def _make_room(self, capacity: int) -> None:
        """Unlink what nobody wants, then the oldest, until ``capacity`` fits under the limit."""
        self._unlink([s for s in self._segments if s.waiting(self.acknowledged) == 0])
        while self._segments and sum(s.size for s in self._segments) + capacity > self._max_bytes:
            evicted = self._segments[0].waiting(self.acknowledged)
            self._pending -= evicted
            self._count(evicted=evicted)
            log.warning("spool.evicted records=%d pending=%d", evicted, self._pending)
            self._unlink(self._segments[:1])

    def _unlink(self, gone: Sequence[Segment]) -> None:
        if not gone:
            return
        # First the cursor: with the last segment goes the only other trace of the sequences used.
        self._save_cursor(durable=True)
        for old in gone:
            old.path.unlink(missing_ok=True)
            self._segments.remove(old)

    def _save_cursor(self, *, durable: bool) -> None:
        self._cursor = replace(self._cursor, generation=self._cursor.generation + 1)
        offset, slot = spool_format.encode_cursor(self._cursor)
        os.pwrite(self._cursor_file, slot, offset)
        if durable:
            os.fdatasync(self._cursor_file)

    def _count(self, **more: int) -> None:
        self._counts = replace(self._counts, **{name: getattr(self._counts, name) + n for name, n in more.items()})

    # --- reading and forgetting ------------------------------------------------------------

    def read(self, after: int, limit: int, *, now_ns: int | None = None) -> list[Stored]:
        """The next records after sequence ``after``, oldest first: at most ``limit``, or about 4 MB.

        Args:
            after: as said; what is acknowledged is never given again.
            limit: most records wanted.
            now_ns: the time, on this boot's clock; with it, what has outlived its ``ttl_s`` is dropped.

        Raises:
            SpoolError: the disk fails.
        """
        found: list[Stored] = []
        size = 0
        with _failing(self._directory):
            for stored in self._waiting(max(after, self.acknowledged), now_ns):
                found.append(stored)
                size += len(stored.payload)
                if len(found) >= limit or size >= _READ_BYTES:
                    break
        return found

    def _waiting(self, after: int, now_ns: int | None) -> Iterator[Stored]:
        for here in self._segments:
            for sequence, record in here.read(after, self._id):
                if record is None:
                    self._bury(here, sequence, damaged=1)
                    continue
                stored = Stored(sequence, record, here.header.boot_id)
                if now_ns is not None and stored.expired(self._boot_id, now_ns):
                    self._bury(here, sequence, expired=1)
                else:
                    yield stored

    def _bury(self, here: Segment, sequence: int, **cause: int) -> None:
        here.bury(sequence)
        self._pending -= 1
        self._count(**cause)

    def acknowledge(self, through: int) -> None:
        """Forget everything up to ``through``: kept through a crash, but not waiting for the disk.

        A power cut may bring some of it back; who receives it knows the sequences.

        Raises:
            SpoolError: the disk fails.
        """
        through = min(through, self.last)
        if through <= self.acknowledged:
            return
        done = sum(s.waiting(self.acknowledged) - s.waiting(through) for s in self._segments)
        self._cursor = replace(self._cursor, acknowledged=through)
        self._pending -= done
        self._count(acknowledged=done)
        with _failing(self._directory):
            self._save_cursor(durable=False)
            self._unlink([s for s in self._segments if not s.writable and s.waiting(through) == 0])

    # --- opening ---------------------------------------------------------------------------

    def _recovered(self, paths: Sequence[Path]) -> list[Segment]:
        """Every segment with what is left in it, the last one open for writing if that is safe."""
        following = [int(path.stem) for path in paths[1:]]
        found = [
            Segment.recover(path, below, self._id, self._segment_bytes)
            for path, below in zip(paths, [*following, 1 << 64], strict=False)
        ]
        if not found:
            return found
        last = found[-1]
        self._count(damaged=sum(s.lost for s in found), torn=sum(s.torn for s in found[:-1]) + (not last.whole))
        beyond = max(last.last + 1 + last.unreadable, self._cursor.next)
        self._cursor = replace(self._cursor, next=beyond)
        if last.whole and last.header.boot_id == self._boot_id and beyond == last.last + 1:
            last.resume()
        return found


@contextlib.contextmanager
def _failing(directory: Path) -> Iterator[None]:
    """What the disk says, in one line for people."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise SpoolFull(f"spool {directory}: the disk is full; free some space or lower spool.max_mb") from error
        reason = error.strerror or type(error).__name__
        raise SpoolError(f"spool {directory}: {reason}; see that the agent may write there") from error


def _id_of(paths: Sequence[Path]) -> bytes:
    """The spool's id as a segment knows it, or a new one."""
    for path in reversed(paths):
        with path.open("rb") as file:
            header = spool_format.decode_header(file.read(HEADER_BYTES))
        if header is not None:
            return header.spool_id
    return secrets.token_bytes(16)
