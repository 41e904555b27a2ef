"""Lines for a reader who may be slow: written by a thread of its own, so that a full pipe never holds the agent up."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

log = logging.getLogger(__name__)

_ROOM: Final = 4096
"""Lines that may wait: minutes of a busy agent, some 8 MB."""
_AT_ONCE: Final = 64
_PATIENCE_S: Final = 2.0


class LineWriter:
    """Takes lines at any time without waiting; the oldest give way, are counted, and the reader is told.

    Args:
        file: descriptor of a file or pipe; what is written to it besides goes past this.
        lost: the line that says how many lines are missing at this place.
        room: lines that may wait.
    """

    def __init__(self, file: int, *, lost: Callable[[int], bytes] | None = None, room: int = _ROOM) -> None:
        self.dropped = 0
        self._file = file
        self._lost = lost
        self._room = room
        self._ready = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._untold = 0
        self._closed = False
        self._failure: OSError | None = None
        # A daemon: a reader that never reads again must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __call__(self, line: bytes) -> None:
        """Write ``line`` soon.

        Raises:
            OSError: an earlier line could not be written, for example because the reader has gone.
        """
        with self._ready:
            if self._failure is not None:
                raise self._failure
            if len(self._waiting) >= self._room:
                self._waiting.popleft()
                self._drop()
            self._waiting.append(line)
            self._ready.notify()

    def close(self, patience_s: float = _PATIENCE_S) -> None:
        """Write what waits; what the reader has not taken after ``patience_s`` is given up."""
        with self._ready:
            self._closed = True
            self._ready.notify()
        self._thread.join(patience_s)
        if self._thread.is_alive():
            log.warning("lines.given_up waiting=%d", len(self._waiting))

    def _drop(self) -> None:
        if not self._untold:
            log.warning("lines.reader_slow waiting=%d", self._room)
        self.dropped += 1
        self._untold += 1

    def _run(self) -> None:
        try:
            while chunk := self._take():
                _write_all(self._file, chunk)
        except OSError as error:
            with self._ready:
                self._failure = error

    def _take(self) -> bytes:
        """The next lines, after what is to be said about those before them; empty once all is written."""
        with self._ready:
            while not self._waiting and not self._closed:
                self._ready.wait()
            lines = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            if self._untold and self._lost is not None:
                lines.insert(0, self._lost(self._untold))
            self._untold = 0
            return b"".join(lines)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
