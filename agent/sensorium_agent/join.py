"""Events of all senses meet here in event time and leave as windows.

The decisions are those of a `sensorium.align.Windower`; this is the loop that tells it the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sensorium.align import Windower
from sensorium.clock import Clock
from sensorium.event import Event, Modality
from sensorium.window import Window


@dataclass(frozen=True, slots=True)
class Heard:
    """What one perceiver has to say, and up to where it has looked (None if it only waited)."""

    modality: Modality
    events: tuple[Event, ...]
    reached_ns: int | None


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the join. The turns of a session, in order, decide its windows: a recording keeps them.

    Attributes:
        now_ns: when it was taken.
        heard: what was heard; nothing if only time had passed.
        last: nothing more will come: everything closes.
    """

    now_ns: int
    heard: tuple[Heard, ...] = ()
    last: bool = False


def take(aligner: Windower, turn: Turn) -> tuple[Window, ...]:
    """The windows that ``turn`` closes or amends; events count before the mark that says they were all."""
    for heard in turn.heard:
        for event in heard.events:
            aligner.push(event, turn.now_ns)
        if heard.reached_ns is not None:
            aligner.reached(heard.modality, heard.reached_ns, turn.now_ns)
    return aligner.finish(turn.now_ns) if turn.last else aligner.advance(turn.now_ns)


def unheard(_: Turn) -> None:
    """For sessions that nobody records."""


async def join(
    aligner: Windower,
    clock: Clock,
    inbox: asyncio.Queue[Heard | None],
    on_window: Callable[[Window], None],
    on_turn: Callable[[Turn], None] = unheard,
) -> None:
    """Close windows in time until the inbox brings None, then close what is left."""

    def turn(*heard: Heard, last: bool = False) -> None:
        taken = Turn(clock.now_ns(), heard, last)
        on_turn(taken)
        for window in take(aligner, taken):
            on_window(window)

    aligner.start(clock.now_ns())
    while True:
        due_ns = aligner.next_due_ns()
        wait_s = None if due_ns is None else max(due_ns - clock.now_ns(), 0) / 1e9
        try:
            # Not wait_for: on Python 3.11 it loses a cancellation that comes together with an item.
            async with asyncio.timeout(wait_s):
                heard = await inbox.get()
        except TimeoutError:
            turn()
        else:
            if heard is None:
                break
            turn(heard)
    turn(last=True)
