"""History in a file: one for all workers of a machine, and, in a folder that stays, across restarts.

The verbs are `history.History`'s. Entries wait in memory for the next transaction, of which there are a few a second
whatever comes; a worker that is killed loses no more than that. Ids are places in the file's one order: who reads on
after an id misses nothing, whichever worker wrote it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NoReturn
from weakref import WeakValueDictionary

from sensorium_cloud.state.database import opened, transaction
from sensorium_cloud.state.history import START, Batch, Entry, HistoryError, Packed, Unwritten, placed
from sensorium_cloud.state.trouble import Trouble

log = logging.getLogger(__name__)

_FILE: Final = "sensorium-history.sqlite3"
_FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY, session TEXT NOT NULL, stream_type TEXT NOT NULL, timestamp_ns INTEGER NOT NULL,
    sequence INTEGER NOT NULL, packed INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_by_session ON entries (session);
"""
_ADD: Final = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)"
_READ: Final = """
SELECT id, stream_type, timestamp_ns, sequence, packed, data FROM entries
WHERE session = ? AND id > ? ORDER BY id LIMIT ?
"""
_DROP_OLD: Final = "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE id < ? ORDER BY id LIMIT ?)"
_DROP_OLDEST: Final = "DELETE FROM entries WHERE id IN (SELECT id FROM entries ORDER BY id LIMIT ?)"
_DROP_LOUD: Final = """
DELETE FROM entries WHERE session = ? AND id <= (
    SELECT id FROM entries WHERE session = ? ORDER BY id DESC LIMIT 1 OFFSET ?)
"""
_NUMBER_BITS: Final = 20
"""Of an id, for entries of one millisecond."""
_MAX_ID: Final = (1 << 63) - 1
_EVERY_S: Final = 0.05
"""Between transactions, and between looks for what others wrote: nobody who reads along notices."""
_TRIM_EVERY_S: Final = 60.0
_RETRY_S: Final = 1.0
_BATCH: Final = 1024
_WAITING: Final = 10_000
_LOCKED_S: Final = 2.0
_LOOK_AGAIN: Final = 1024
"""After so many new entries of a session it is looked whether they are too many."""


class FileHistory:
    """`sensorium_cloud.state.history.History` in a SQLite file.

    Args:
        folder: where the file lives, made if need be.
        now_ms: wall time: ids are made of it.
        unpack: makes JSON of `Packed` entries that another process may have written.
        retention_s: how long an entry is kept.
        max_entries: of a session.
        max_bytes: of all sessions; the oldest entries give way.

    Raises:
        HistoryError: the folder or file cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        now_ms: Callable[[], int],
        unpack: Callable[[bytes], bytes],
        *,
        retention_s: int = 3600,
        max_entries: int = 20_000,
        max_bytes: int = 256 << 20,
    ) -> None:
        self._now_ms, self._unpack = now_ms, unpack
        self._retention_ms, self._max_entries, self._max_bytes = retention_s * 1000, max_entries, max_bytes
        self._waiting = Unwritten(_WAITING)
        # One writes, one reads, one looks for news: none waits for what another asks of the file.
        self._writes, self._reads, self._looks = (_opened(folder) for _ in range(3))
        self._reading = threading.Lock()
        self._fresh: Counter[str] = Counter()
        self._trouble = Trouble()
        self._followed: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()
        self._seen_id: int | None = None
        self._trimmed = 0

    @property
    def dropped(self) -> int:
        """Entries that gave way before they were written, or before they were too old."""
        return self._waiting.gave_way + self._trimmed

    def tell(self, session_id: str, entries: Sequence[Entry]) -> None:
        """Queue ``entries``; the oldest that wait give way."""
        self._waiting.add(session_id, entries)

    async def read(self, session_id: str, after: str = START, limit: int = 1000) -> list[Entry]:
        """The oldest entries after an id; empty while the file cannot be read."""
        oldest = _id(self._now_ms() - self._retention_ms, 0) - 1
        return await asyncio.to_thread(self._read, session_id, max(_id(*placed(after)), oldest), limit)

    async def follow(self, session_id: str, after: str = START) -> AsyncIterator[Entry]:
        """Entries after an id as they come, whichever process they come from."""
        while True:
            changed = self._followed.setdefault(session_id, asyncio.Event())  # before: none may come unseen meanwhile
            found = await self.read(session_id, after)
            for entry in found:
                after = entry.id
                yield entry
            if not found:
                await changed.wait()

    async def run(self) -> NoReturn:
        """Write and look until cancelled; then what still waits is written."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write_always())
                group.create_task(self._look_always())
            raise AssertionError  # neither of them ends by itself
        finally:
            while self._waiting and self._took(batch := self._waiting.first(_BATCH), self._store(batch)):
                pass
            self.close()

    def close(self) -> None:
        """Nothing may be asked afterwards."""
        with self._reading:
            for db in (self._writes, self._reads, self._looks):
                db.close()

    # --- writing -------------------------------------------------------------------------

    async def _write_always(self) -> NoReturn:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TRIM_EVERY_S):  # what is too old goes also where nothing comes
                    await self._waiting.wait()
            took = await self._write()
            await asyncio.sleep(_EVERY_S if took else _RETRY_S)

    async def _write(self) -> bool:
        batch = self._waiting.first(_BATCH)
        storing = asyncio.get_running_loop().run_in_executor(None, self._store, batch)
        try:
            await asyncio.shield(storing)
        finally:  # also when cancelled: the thread goes on, and `run` writes the rest
            took = self._took(batch, await storing)
        return took

    def _took(self, batch: Batch, trimmed: int | Exception) -> bool:
        """Whether the file took ``batch``, of which nothing waits then any more."""
        if isinstance(trimmed, Exception):
            if self._trouble.begins():
                log.warning("history.away waiting=%d: %s; answers go on without it", len(self._waiting), trimmed)
            return False
        self._trimmed += trimmed
        self._waiting.written(batch)
        if self._trouble.ends():
            log.warning("history.back waiting=%d dropped=%d", len(self._waiting), self.dropped)
        return True

    def _store(self, batch: Batch) -> int | Exception:
        """Write ``batch`` and trim; how many others had to go for it, or why that could not be done."""
        try:
            with transaction(self._writes):
                first = max(_id(self._now_ms(), 0), _newest(self._writes) + 1)
                self._writes.executemany(_ADD, (_row(first + n, *one) for n, one in enumerate(batch.entries)))
                return self._trim([session for session, _ in batch.entries])
        except sqlite3.Error as error:
            return error

    def _trim(self, sessions: Sequence[str]) -> int:
        """Drop some of what is too old or too much: more than came, so that it ends."""
        db, trimmed = self._writes, 0
        db.execute(_DROP_OLD, (_id(self._now_ms() - self._retention_ms, 0), 2 * _BATCH))
        if _used_bytes(db) > self._max_bytes:
            trimmed += db.execute(_DROP_OLDEST, (2 * len(sessions) + 1,)).rowcount
        self._fresh.update(sessions)
        for session in [session for session, count in self._fresh.items() if count >= _LOOK_AGAIN]:
            trimmed += db.execute(_DROP_LOUD, (session, session, self._max_entries)).rowcount
            del self._fresh[session]
        if len(self._fresh) > _WAITING:
            self._fresh.clear()
        return trimmed

    # --- reading -------------------------------------------------------------------------

    def _read(self, session_id: str, after: int, limit: int) -> list[Entry]:
        with self._reading:
            try:
                return [self._entry(row) for row in self._reads.execute(_READ, (session_id, after, limit))]
            except sqlite3.Error as error:
                log.debug("history.unread reason=%s", error)
                return []

    def _entry(self, row: tuple[int, str, int, int, int, bytes]) -> Entry:
        number, stream_type, timestamp_ns, sequence, packed, data = row
        named = f"{number >> _NUMBER_BITS}-{number & ((1 << _NUMBER_BITS) - 1)}"
        return Entry(stream_type, timestamp_ns, sequence, Packed(data, self._unpack) if packed else data, named)

    async def _look_always(self) -> NoReturn:
        """Wake who follows sessions of which something was written: a file tells nobody that it has changed."""
        version = -1
        while True:
            await asyncio.sleep(_EVERY_S)
            if not self._followed:
                self._seen_id = None
                continue
            now = self._version()
            if now != version or self._seen_id is None:
                version = now
                written = await asyncio.to_thread(self._written)
                for session_id in list(self._followed) if written is None else written:
                    if (changed := self._followed.pop(session_id, None)) is not None:
                        changed.set()

    def _version(self) -> int:
        """Another one after others wrote; -1 while the file cannot be read."""
        try:
            return int(self._looks.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error as error:
            log.debug("history.unread reason=%s", error)
            return -1

    def _written(self) -> list[str] | None:
        """Sessions with new entries since the last look; None, for all, if there was none."""
        with self._reading:
            try:
                since, self._seen_id = self._seen_id, _newest(self._looks)
                if since is None:
                    return None
                query = "SELECT DISTINCT session FROM entries WHERE id > ? AND id <= ?"
                return [session for (session,) in self._looks.execute(query, (since, self._seen_id))]
            except sqlite3.Error as error:
                log.debug("history.unread reason=%s", error)
                return []


def _row(number: int, session_id: str, entry: Entry) -> tuple[object, ...]:
    packed = isinstance(entry.written, Packed)
    data = entry.written.raw if isinstance(entry.written, Packed) else entry.written
    sequence = min(entry.sequence, _MAX_ID)  # a device counts its windows in 64 bits, SQLite in 63
    return number, session_id, entry.stream_type, entry.timestamp_ns, sequence, int(packed), data


def _id(ms: int, number: int) -> int:
    """An id as the file has it; grows as ``ms`` and ``number`` do."""
    return min(max((ms << _NUMBER_BITS) + number, 0), _MAX_ID)


def _newest(db: sqlite3.Connection) -> int:
    (newest,) = db.execute("SELECT max(id) FROM entries").fetchone()
    return int(newest or 0)


def _used_bytes(db: sqlite3.Connection) -> int:
    """What is in the file; pages that are free again will be used first."""
    pages, free, size = (db.execute(f"PRAGMA {what}").fetchone()[0] for what in _SIZES)
    return int((pages - free) * size)


_SIZES: Final = ("page_count", "freelist_count", "page_size")


def prepare(folder: Path) -> None:
    """Make the file, before several processes open it at once; raises as `FileHistory` does."""
    _opened(folder).close()


def _opened(folder: Path) -> sqlite3.Connection:
    where = folder / _FILE
    try:
        return opened(where, partial(_prepare, where=where), locked_s=_LOCKED_S)
    except (OSError, sqlite3.Error) as error:
        raise HistoryError(f"{where}: history cannot be kept ({error}); give another folder with --state") from error


def _prepare(db: sqlite3.Connection, where: Path) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version not in (0, _FORMAT):
        raise HistoryError(f"{where}: written by another version of sensorium-cloud; move it away to start anew")
    if version == 0:
        db.executescript(f"{_SCHEMA}PRAGMA user_version = {_FORMAT};")
