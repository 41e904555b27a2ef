"""Looks at this machine's clocks while the agent runs, and tells when they were set or the machine slept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from sensorium.clock import Clock, ClockChange, ClockWatch, WallOffset, asleep_ns, read_wall
from sensorium_agent.answer import Listener
from sensorium_agent.capture.sensor import Sleep

log = logging.getLogger(__name__)

_EVERY_S: Final = 1.0


@asynccontextmanager
async def watch_clocks(
    clock: Clock,
    listener: Listener,
    *,
    read: Callable[[Clock, WallOffset | None], WallOffset] = read_wall,
    asleep: Callable[[], int] = asleep_ns,
    sleep: Sleep = asyncio.sleep,
) -> AsyncIterator[ClockWatch]:
    """Look every second while inside; a change is one line of the log and one status."""
    watch = ClockWatch()
    watch.look(read(clock, None), asleep())

    async def run() -> None:
        while True:
            await sleep(_EVERY_S)
            change = watch.look(read(clock, watch.wall), asleep())
            if change is not None:
                _tell(change, listener)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(run())
        yield watch
        running.cancel()


def _tell(change: ClockChange, listener: Listener) -> None:
    stepped_s, suspended_s = change.stepped_ns / 1e9, change.suspended_ns / 1e9
    log.warning("clock.changed wall_stepped_s=%.3f suspended_s=%.3f", stepped_s, suspended_s)
    listener.on_status("clock", at_ns=change.at_ns, wall_stepped_s=stepped_s, suspended_s=suspended_s)
