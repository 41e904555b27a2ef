"""A SQLite file that is opened whole, and written whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LOCKED_S: Final = 5.0


def opened(
    file: Path | None, prepare: Callable[[sqlite3.Connection], None], *, locked_s: float = _LOCKED_S
) -> sqlite3.Connection:
    """The database in ``file``, which ``prepare`` has made ready; in memory if there is none.

    Any thread may use it, one at a time. ``locked_s`` is how long it waits for who else writes.

    Raises:
        OSError: its folder cannot be made.
        sqlite3.Error: it cannot be opened or made ready. What ``prepare`` raises, too.
    """
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(file or ":memory:", isolation_level=None, check_same_thread=False, timeout=locked_s)
    try:
        prepare(db)
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Everything inside becomes durable together, or, if it raises, not at all."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk may have ended it already
            db.execute("ROLLBACK")
        raise
