"""Plays files through the whole device pipeline as fast as it goes, the same way every time.

Time is the media's own: nothing is dropped, every sample is understood before the next is taken, and
windows close by the samples' times, so the same file gives the same windows on any machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from sensorium.align import Aligner
from sensorium.clock import ManualClock
from sensorium.event import Event, Sample
from sensorium_agent.answer import Answerer, Listener
from sensorium_agent.infer.lanes import Lane
from sensorium_agent.join import Heard, take

Said = list[tuple[Lane, list[Event]]]


async def play(
    samples: Iterator[Sample],
    lanes: Sequence[Lane],
    aligner: Aligner,
    answerer: Answerer,
    *,
    clock: ManualClock,
    listener: Listener,
    ends_ns: int = 0,
) -> None:
    """Play ``samples`` (in order of time, from 0) to their end, and not less than ``ends_ns``."""
    loop = asyncio.get_running_loop()
    aligner.start(0)
    with ThreadPoolExecutor(1, thread_name_prefix="play") as thread:
        while (step := await loop.run_in_executor(thread, _step, samples, lanes)) is not None:
            sample, said = step
            listener.on_sample(sample)
            clock.at_ns = max(clock.at_ns, sample.at_ns)
            _hear(said, sample.at_ns, aligner, clock, listener)
            for window in aligner.advance(clock.at_ns):
                answerer.answer(window)
        clock.at_ns = max(clock.at_ns + 1, ends_ns)
        _hear([(lane, lane.tick(clock.at_ns)) for lane in lanes], None, aligner, clock, listener)
        _hear([(lane, list(lane.perceiver.finish(clock.at_ns))) for lane in lanes], None, aligner, clock, listener)
    for window in aligner.finish(clock.at_ns):
        answerer.answer(window)


def _step(samples: Iterator[Sample], lanes: Sequence[Lane]) -> tuple[Sample, Said] | None:
    """Understand one sample; first what waiting for it has decided."""
    sample = next(samples, None)
    if sample is None:
        return None
    return sample, [(lane, _understood(lane, sample)) for lane in lanes]


def _understood(lane: Lane, sample: Sample) -> list[Event]:
    due_ns = lane.next_due_ns()
    waited = lane.tick(sample.at_ns) if due_ns is not None and due_ns <= sample.at_ns else []
    return [*waited, *(lane.perceive([sample]) if lane.takes is sample.modality else [])]


def _hear(said: Said, reached_ns: int | None, aligner: Aligner, clock: ManualClock, listener: Listener) -> None:
    for lane, events in said:
        for event in events:
            listener.on_event(event)
        take(aligner, Heard(lane.modality, tuple(events), reached_ns), clock.at_ns)
