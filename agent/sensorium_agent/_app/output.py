"""What a run prints: JSON lines to whoever reads them, slow or quick."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from sensorium.clock import Clock
from sensorium.lines import encoded, status_line, writer
from sensorium_agent._app.line_writer import LineWriter
from sensorium_agent._app.listeners import LineListener


@dataclass(frozen=True, slots=True)
class Output:
    """What a run prints: JSON lines, with status lines among them if asked for."""

    jsonl: bool = False
    status: bool = False

    def listener(self, file: str | None) -> LineListener:
        """A listener that prints to standard output, or only counts; a slow reader slows it down."""
        return LineListener(writer(_to_stdout) if self.jsonl else None, file, status=self.status)

    @contextlib.contextmanager
    def live(self, file: str | None, clock: Clock) -> Iterator[LineListener]:
        """The same for what cannot wait: the reader misses the oldest lines, and is told how many."""
        if not self.jsonl:
            yield LineListener(None, file, status=self.status, clock=clock)
            return
        with LineWriter(sys.stdout.fileno(), lost=_lost if self.status else None) as lines:
            yield LineListener(writer(lines), file, status=self.status, clock=clock)


def _to_stdout(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _lost(lines: int) -> bytes:
    return encoded(status_line("lines", dropped=lines))
