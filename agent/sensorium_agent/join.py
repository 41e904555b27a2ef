"""Events of all senses meet here in event time and leave as windows.

The decisions are `sensorium.align.Aligner`'s; this is the loop that tells it the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sensorium.align import Aligner
from sensorium.clock import Clock
from sensorium.event import Event, Modality
from sensorium.window import Window


@dataclass(frozen=True, slots=True)
class Heard:
    """What one perceiver has to say, and up to where it has looked (None if it only waited)."""

    modality: Modality
    events: tuple[Event, ...]
    reached_ns: int | None


def take(aligner: Aligner, heard: Heard, now_ns: int) -> None:
    """Give the aligner the events before the mark that says they were all."""
    for event in heard.events:
        aligner.push(event, now_ns)
    if heard.reached_ns is not None:
        aligner.reached(heard.modality, heard.reached_ns, now_ns)


async def join(
    aligner: Aligner, clock: Clock, inbox: asyncio.Queue[Heard | None], on_window: Callable[[Window], None]
) -> None:
    """Close windows in time until the inbox brings None, then close what is left."""
    aligner.start(clock.now_ns())
    while True:
        due_ns = aligner.next_due_ns()
        wait_s = None if due_ns is None else max(due_ns - clock.now_ns(), 0) / 1e9
        try:
            # Not wait_for: on Python 3.11 it loses a cancellation that comes together with an item.
            async with asyncio.timeout(wait_s):
                heard = await inbox.get()
        except TimeoutError:
            pass
        else:
            if heard is None:
                break
            take(aligner, heard, clock.now_ns())
        for window in aligner.advance(clock.now_ns()):
            on_window(window)
    for window in aligner.finish(clock.now_ns()):
        on_window(window)
