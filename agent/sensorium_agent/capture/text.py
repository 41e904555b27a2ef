"""Written words: standard input, or a file that grows."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from sensorium.clock import Clock
from sensorium.event import Modality, Sample, Text
from sensorium_agent.capture.sensor import threaded
from sensorium_agent.capture.tail import POLL_S, Lines, follow

_KEPT: Final = 256
_TYPED_NS: Final = 50_000_000
"""From the end of a line to its reading: another process, a pipe and a busy event loop."""
_LOOK_UP_S: Final = 0.25
"""How often a thread that waits for input looks whether it shall stop."""


class TextSource:
    """Lines of text; empty ones say nothing.

    Args:
        source: "-" for standard input, which ends; or a file that grows, from its present end on.
        name: the source of the samples.
    """

    modality: Final = Modality.TEXT

    def __init__(self, source: str = "-", *, name: str = "text") -> None:
        self.name: Final = name
        self._source = source

    async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
        """One sample a line, dated when it was read; a line of a file may be a poll older."""
        error_ns = _TYPED_NS if self._source == "-" else _TYPED_NS + round(POLL_S * 1e9)
        number = 0
        async with aclosing(self._lines()) as batches:
            async for lines in batches:
                at_ns = clock.now_ns()
                for line in filter(None, map(str.strip, lines)):
                    yield Sample(self.modality, self.name, number, at_ns, Text(line), error_ns)
                    number += 1

    def _lines(self) -> AsyncGenerator[list[str], None]:
        if self._source != "-":
            return follow(self._source)
        return threaded(_read_stdin, name=self.name, depth=_KEPT)


def _read_stdin(put: Callable[[list[str]], None], stop: threading.Event) -> None:
    """Lines of standard input until its end: a pipe, a terminal or a file."""
    lines, file = Lines(), sys.stdin.fileno()
    while not stop.is_set():
        if not select.select([file], [], [], _LOOK_UP_S)[0]:
            continue
        data = os.read(file, 65_536)
        found = lines.feed(data) if data else lines.finish()
        if found:
            put(found)
        if not data:
            return
