"""Is the agent well: how late its event loop runs, and what systemd is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import AsyncIterator

from sensorium_agent._app.tally import percentile

_EVERY_S = 0.02


class LoopWatch:
    """How much later than asked for the event loop woke, in ms; a stall within one period may go unseen."""

    def __init__(self) -> None:
        self.lags_ms: deque[float] = deque(maxlen=60_000)

    def summary(self) -> dict[str, float]:
        """p50, p99 and worst."""
        lags = self.lags_ms
        return {
            "p50": round(percentile(lags, 0.5), 3),
            "p99": round(percentile(lags, 0.99), 3),
            "max": round(max(lags, default=0.0), 3),
        }

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            self.lags_ms.append((loop.time() - due) * 1e3)


@contextlib.asynccontextmanager
async def watch_loop() -> AsyncIterator[LoopWatch]:
    """Watches the running loop while inside, and keeps systemd's watchdog content."""
    watch = LoopWatch()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(watch.run()), group.create_task(_keep_content())]
        notify("READY=1")
        yield watch
        notify("STOPPING=1")
        for task in tasks:
            task.cancel()


async def _keep_content() -> None:
    wanted_us = int(os.environ.get("WATCHDOG_USEC", "0"))
    while wanted_us:
        notify("WATCHDOG=1")
        await asyncio.sleep(wanted_us / 2e6)


def notify(state: str) -> None:
    """Tell systemd, where systemd started us (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out, contextlib.suppress(OSError):
        out.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
