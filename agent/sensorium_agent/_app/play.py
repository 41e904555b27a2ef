"""Plays files through the whole device pipeline as fast as it goes, the same way every time.

Time is the media's own: nothing is dropped, every sample is understood before the next is taken, and
windows close by the samples' times, so the same file gives the same windows on any machine.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Final

from sensorium.align import Windower
from sensorium.clock import ManualClock
from sensorium.event import Event, Sample
from sensorium_agent.answer import Answerer, Listener
from sensorium_agent.capture.ahead import Ahead
from sensorium_agent.infer.lanes import Lane
from sensorium_agent.join import Heard, Turn, take, unheard

Said = list[tuple[Lane, list[Event]]]

_TOGETHER: Final = 8
"""Samples that are joined at once while the next are understood: waking the loop for each costs a tenth of a model."""


async def play(
    samples: Iterator[Sample],
    lanes: Sequence[Lane],
    aligner: Windower,
    answerer: Answerer,
    *,
    clock: ManualClock,
    listener: Listener,
    ends_ns: int = 0,
    on_turn: Callable[[Turn], None] = unheard,
) -> None:
    """Play ``samples`` (in order of time; from 0, if the aligner has not begun) to their end, or to ``ends_ns``."""

    def turn(*heard: Heard, last: bool = False) -> None:
        taken = Turn(clock.at_ns, heard, last)
        on_turn(taken)
        for window in take(aligner, taken):
            answerer.answer(window)

    aligner.start(0)
    with closing(Ahead(lambda: _steps(samples, lanes), _TOGETHER)) as ahead:
        while steps := await asyncio.to_thread(_some, ahead):
            for sample, said in steps:
                clock.at_ns = max(clock.at_ns, sample.at_ns)
                listener.on_sample(sample)
                turn(*_heard(said, sample.at_ns, listener))
        clock.at_ns = max(clock.at_ns + 1, ends_ns)
        ticked = _heard([(lane, lane.tick(clock.at_ns)) for lane in lanes], None, listener)
        ended = _heard([(lane, list(lane.perceiver.finish(clock.at_ns))) for lane in lanes], None, listener)
    turn(*ticked, *ended, last=True)


def _steps(samples: Iterator[Sample], lanes: Sequence[Lane]) -> Iterator[tuple[Sample, Said]]:
    """Each sample, understood; first what waiting for it has decided."""
    for sample in samples:
        yield sample, [(lane, _understood(lane, sample)) for lane in lanes]


def _some(steps: Iterator[tuple[Sample, Said]]) -> list[tuple[Sample, Said]]:
    return list(itertools.islice(steps, _TOGETHER))


def _understood(lane: Lane, sample: Sample) -> list[Event]:
    due_ns = lane.next_due_ns()
    waited = lane.tick(sample.at_ns) if due_ns is not None and due_ns <= sample.at_ns else []
    return [*waited, *(lane.perceive([sample]) if lane.takes is sample.modality else [])]


def _heard(said: Said, reached_ns: int | None, listener: Listener) -> Iterator[Heard]:
    """Tell the listener of each event, and the join of each lane."""
    for lane, events in said:
        for event in events:
            listener.on_event(event)
        yield Heard(lane.modality, tuple(events), reached_ns)
