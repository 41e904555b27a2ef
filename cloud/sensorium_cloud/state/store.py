"""What the service must not forget: how far each spool has come, and the answers of the last hour.

One SQLite file, or memory. Everything here is synchronous and belongs to one thread; `service` queues
operations, and what has queued up is one transaction.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from sensorium.delivery import Hello
from sensorium.errors import SensoriumError
from sensorium.value import Value
from sensorium_cloud.batch import Overloaded
from sensorium_cloud.state.database import opened, transaction
from sensorium_cloud.state.known import Known
from sensorium_cloud.state.trouble import Trouble

log = logging.getLogger(__name__)

RETRY_MS: Final = 5_000
"""When to come back to a state that could not be read or written: a full disk may be empty again then."""
_FILE: Final = "sensorium-cloud.sqlite3"
_FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS spools (
    device TEXT NOT NULL, spool TEXT NOT NULL, through INTEGER NOT NULL, at_s INTEGER NOT NULL,
    PRIMARY KEY (device, spool)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    number INTEGER PRIMARY KEY,
    device TEXT NOT NULL, spool TEXT NOT NULL, sequence INTEGER NOT NULL,
    window TEXT NOT NULL, content TEXT NOT NULL, at_s INTEGER NOT NULL, symbol BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (at_s);
DROP INDEX IF EXISTS answers_by_content;
DROP INDEX IF EXISTS answers_by_sequence;
"""
_ADD: Final = """
INSERT INTO answers (device, spool, sequence, window, content, at_s, symbol) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_NEWER: Final = """
SELECT number, device, spool, sequence, window, content FROM answers WHERE number > ? ORDER BY number
"""
_FIND: Final = """
SELECT symbol FROM answers
WHERE number = ? AND device = ? AND (content = ? OR (spool = ? AND sequence = ? AND window = ?))
"""
_FORGET_EVERY: Final = 256
_SPOOL_RETENTION_S: Final = 30 * 86_400
_MAX_SPOOLS: Final = 100_000
# SQLite's integers are signed; a spool that has written one window a nanosecond for 292 years may complain.
_MAX_SEQUENCE: Final = (1 << 63) - 1


class StoreError(SensoriumError):
    """The state on disk cannot be used."""


class Place(Value, frozen=True):
    """Where a window comes from, and what it is: enough to know it again.

    Attributes:
        device: name of the device.
        spool: name of its spool.
        sequence: the window's place in the spool.
        window: the window's id and revision.
        content: the window's content hash.
    """

    device: str
    spool: str
    sequence: int
    window: str
    content: str

    def keys(self) -> tuple[int, int]:
        """By what it is known: its content, or its place in the spool and its id.

        A place alone is not enough: a device that was set up anew may count its spool from 1 again.
        """
        placed = (self.device, self.spool, min(self.sequence, _MAX_SEQUENCE), self.window)
        return hash((self.device, self.content)), hash(placed)


class Remembers(Protocol):
    """What was answered and how far spools have come, off the event loop; each may raise `batch.Overloaded`."""

    async def resume_after(self, hello: Hello) -> int:
        """How far the device's spool has come."""

    async def advance_all(self, progress: Sequence[tuple[Hello, int]]) -> None:
        """How far the devices' spools have come."""

    def new(self, place: Place) -> bool:
        """Whether a window is known to be new without being looked up."""

    async def find_all(self, places: Sequence[Place]) -> list[bytes | None]:
        """The symbols that windows got before."""

    async def save_all(self, places: Sequence[Place], symbols: Sequence[bytes]) -> list[bytes]:
        """Remember windows' symbols; those that hold."""


class Store:
    """Resume points and answers, bounded in age and number.

    Args:
        folder: where the file lives, made if need be; None keeps everything in memory.
        retention_s: how long an answer is remembered.
        max_answers: how many are remembered at most; the oldest go first.
        trouble: what was said of the file.

    Raises:
        StoreError: the folder or file cannot be used.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        retention_s: int = 3600,
        max_answers: int = 50_000,
        trouble: Trouble | None = None,
    ) -> None:
        self._retention_s = retention_s
        self._max_answers = max_answers
        self._saved = 0
        # By content an index of the file would have every answer change a page somewhere: twice the cost of saving it.
        self._known = Known(2 * (max_answers + _FORGET_EVERY))
        self._learned, self._version = 0, 0
        self._trouble = trouble or Trouble()
        self._db = _opened(folder)
        self._learn()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside becomes durable together, or, if it raises, not at all.

        Inside, what other processes have answered is known too.
        """
        learned = self._learned
        try:
            with transaction(self._db):
                self._learn()
                yield
        except BaseException:
            self._learned = learned  # others may give their answers the numbers that ours did not get
            raise

    def resume_after(self, device: str, spool: str) -> int:
        """Every window of the spool up to this sequence is answered; 0 if none is."""
        row = self._db.execute("SELECT through FROM spools WHERE device = ? AND spool = ?", (device, spool)).fetchone()
        return int(row[0]) if row else 0

    def advance(self, device: str, spool: str, through: int, *, now_s: int) -> None:
        """Every window of the spool up to ``through`` is answered; never moves back."""
        self.advance_all([(device, spool, through)], now_s=now_s)

    def advance_all(self, spools: Iterable[tuple[str, str, int]], *, now_s: int) -> None:
        """The same for many, each a device, its spool and how far that has come."""
        self._db.executemany(
            "INSERT INTO spools VALUES (?, ?, ?, ?) ON CONFLICT (device, spool) "
            "DO UPDATE SET through = max(through, excluded.through), at_s = excluded.at_s",
            ((device, spool, min(through, _MAX_SEQUENCE), now_s) for device, spool, through in spools),
        )

    def new(self, place: Place) -> bool:
        """Whether this process has not heard of an answer for the window; from any thread, at once."""
        return not self._known.any(place.keys())

    def find(self, place: Place) -> bytes | None:
        """The symbol this window got before: by its content, or by its place in the spool and its id."""
        sequence = min(place.sequence, _MAX_SEQUENCE)
        for number in self._known.numbers(place.keys()):
            whose = (number, place.device, place.content, place.spool, sequence, place.window)
            if (row := self._db.execute(_FIND, whose).fetchone()) is not None:
                return bytes(row[0])
        return None

    def save(self, place: Place, symbol: bytes, *, now_s: int) -> bytes:
        """Remember the answer of a window, and forget what is too old or too much.

        Returns:
            The answer that holds: another process may have answered the same window first.
        """
        if (before := self.find(place)) is not None:
            return before
        sequence = min(place.sequence, _MAX_SEQUENCE)
        row = (place.device, place.spool, sequence, place.window, place.content, now_s, symbol)
        self._heard_of(place, self._db.execute(_ADD, row).lastrowid or 0)
        self._saved += 1
        if self._saved % _FORGET_EVERY == 0:
            self.forget(now_s=now_s)
        return symbol

    def _learn(self) -> None:
        """Hear of what others have answered since."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._version:  # another process wrote
            self._version = version
            for number, *place in self._db.execute(_NEWER, (self._learned,)):
                self._heard_of(Place(*place), number)

    def _heard_of(self, place: Place, number: int) -> None:
        self._known.add(place.keys(), number)
        self._learned = number

    def forget(self, *, now_s: int) -> None:
        """Drop what is older than it need be remembered, and the oldest of what is too many."""
        self._db.execute(
            # The newest stays, or the next would get its number, which others take for known.
            "DELETE FROM answers WHERE at_s < ? AND number < (SELECT max(number) FROM answers)",
            (now_s - self._retention_s,),
        )
        self._db.execute(
            "DELETE FROM answers WHERE number <= (SELECT max(number) FROM answers) - ?", (self._max_answers,)
        )
        self._db.execute("DELETE FROM spools WHERE at_s < ?", (now_s - _SPOOL_RETENTION_S,))
        self._db.execute(
            "DELETE FROM spools WHERE (device, spool) IN "
            "(SELECT device, spool FROM spools ORDER BY at_s DESC LIMIT -1 OFFSET ?)",
            (_MAX_SPOOLS,),
        )

    def away(self, reason: Exception) -> None:
        """It could not be read or written."""
        if self._trouble.begins():
            way_out = "windows are put off until it can be written; make room, or give another folder with --state"
            log.error("state.away: %s; %s", reason, way_out)

    def back(self) -> None:
        """It can."""
        if self._trouble.ends():
            log.warning("state.back")

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Nothing may be asked afterwards."""
        self._db.close()


Operation = Callable[[Store], object]


def run_together(store: Store, operations: Sequence[Operation]) -> list[object]:
    """The results of ``operations``, all in one transaction.

    Raises:
        Overloaded: the file cannot be read or written now.
    """
    try:
        with store.transaction():
            results = [operation(store) for operation in operations]
    except sqlite3.OperationalError as error:
        store.away(error)
        raise Overloaded("store", "the state cannot be read or written", RETRY_MS) from error
    store.back()
    return results


def _opened(folder: Path | None) -> sqlite3.Connection:
    where = None if folder is None else folder / _FILE
    try:
        return opened(where, partial(_prepare, where=where))
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{where}: the state cannot be opened ({error}); give another folder with --state") from error


def _prepare(db: sqlite3.Connection, where: Path | None) -> None:
    # Without a sync at every commit a power cut may lose the newest answers: then a window that is sent
    # again is fused again. A crash of the service loses nothing.
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version not in (0, _FORMAT):
        raise StoreError(f"{where}: written by another version of sensorium-cloud; move it away to start anew")
    db.executescript(f"{_SCHEMA}PRAGMA user_version = {_FORMAT};")
