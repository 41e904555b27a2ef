"""Bursts of events, pushed as runs or one by one: the same must come of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from sensorium.event import Event
from sensorium.window import Window
from sensorium.windowing.run import Run

MS = 1_000_000

Burst = tuple[Event, Sequence[tuple[int, int]], int]
"""What its events share, number and age of each in ms, and how long after the last burst it comes, in ms."""


def dense(aligner: Any, run: Run, now_ns: int) -> None:
    aligner.push_run(run, now_ns)


def one_by_one(aligner: Any, run: Run, now_ns: int) -> None:
    for row in range(len(run)):
        aligner.push(run.event(row), now_ns)


def told(
    aligner: Any, bursts: Iterable[Burst], push: Callable[[Any, Run, int], None], *, now_ms: int
) -> tuple[list[Window], Any]:
    """All windows that ``bursts`` make, and what was counted."""
    given_out: list[Window] = []
    for shared, events, after_ms in bursts:
        now_ms += after_ms
        numbers, ages = zip(*events, strict=True)
        push(aligner, Run(shared, np.array(numbers, np.uint64), (now_ms - np.array(ages, np.int64)) * MS), now_ms * MS)
        given_out += aligner.advance(now_ms * MS)
    return [*given_out, *aligner.finish(now_ms * MS)], aligner.counts()


def accounted(counts: Any) -> int:
    """Events that anything became of."""
    return sum(c.placed + c.late + c.duplicate + c.dropped for c in counts.values())
