"""Takes the turns of a recorded session again: the same windows, at any speed.

Pure but for the pace: the aligner is told the times that were recorded, whatever the clock on the wall says now.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeVar

from sensorium.align import Windower
from sensorium.clock import ManualClock, WallOffset, observe_wall
from sensorium.window import Window
from sensorium.wire import canonical_bytes
from sensorium_agent.join import Turn, take

T = TypeVar("T")


@dataclass(slots=True)
class Fingerprint:
    """What windows come to: a hash over the canonical bytes of all of them, in order."""

    windows: int = 0
    _hash: blake2b = field(default_factory=lambda: blake2b(digest_size=32))

    def add(self, window: Window) -> None:
        """One more window, or revision."""
        data = canonical_bytes(window)
        self._hash.update(len(data).to_bytes(8, "little") + data)
        self.windows += 1

    def hexdigest(self) -> str:
        """64 hex digits; equal for equal sequences of windows only."""
        return self._hash.hexdigest()


def retake(turns: Iterable[Turn], aligner: Windower, clock: ManualClock) -> Iterator[Window]:
    """The windows of ``turns`` as they were recorded: exactly those times, nothing between."""
    for turn in turns:
        clock.at_ns = turn.now_ns
        yield from take(aligner, turn)


def simulate(turns: Iterable[Turn], aligner: Windower, clock: ManualClock) -> Iterator[Window]:
    """The windows of ``turns`` that were changed: between them the aligner is woken whenever it asks for it."""
    for turn in turns:
        while (due_ns := aligner.next_due_ns()) is not None and due_ns < turn.now_ns:
            clock.at_ns = max(clock.at_ns, due_ns)
            yield from aligner.advance(clock.at_ns)
            if aligner.next_due_ns() == due_ns:
                break  # it has said all it can before the turn
        clock.at_ns = turn.now_ns
        yield from take(aligner, turn)


def paced(items: Iterable[T], at_ns: Callable[[T], int], speed: float | None, start_ns: int) -> Iterator[T]:
    """``items``, each at its own time after now, ``speed`` times as fast as it happened; None for at once."""
    began_s = time.monotonic()
    for item in items:
        if speed is not None:
            left_s = began_s + (at_ns(item) - start_ns) / 1e9 / speed - time.monotonic()
            if left_s > 0:
                time.sleep(left_s)
        yield item


def count_steps(readings: Iterable[WallOffset]) -> tuple[int, int, int]:
    """Of readings of the wall clock: how many, how many steps they show, and by how many ns it moved in all."""
    count, first, last = 0, None, None
    for count, reading in enumerate(readings, 1):  # noqa: B007 (used after the loop)
        before_ns, wall_ns = reading.at_ns - reading.error_ns, reading.wall_ns(reading.at_ns)
        last = observe_wall(last, before_ns, wall_ns, reading.at_ns + reading.error_ns)
        first = first or last
    if first is None or last is None:
        return 0, 0, 0
    return count, last.steps, last.offset_ns - first.offset_ns
