"""A set clock and a machine that slept are told once each."""

from __future__ import annotations

import asyncio

from agent.doubles import Ear

from sensorium.clock import Clock, ManualClock, WallOffset, observe_wall
from sensorium_agent._app.clock_watch import watch_clocks

S = 1_000_000_000


async def test_each_change_is_one_status() -> None:
    clock, ear, looks = ManualClock(), Ear(), asyncio.Semaphore(0)
    done = asyncio.Event()

    def read(clock: Clock, last: WallOffset | None) -> WallOffset:
        now_ns = clock.now_ns()
        return observe_wall(last, now_ns, now_ns + (3600 * S if now_ns > 5 * S else 0), now_ns)

    def asleep() -> int:
        return 60 * S if clock.at_ns > 7 * S else 0

    async def sleep(seconds: float) -> None:
        await looks.acquire()
        clock.at_ns += round(seconds * S)
        if clock.at_ns > 10 * S:
            done.set()

    async with watch_clocks(clock, ear, read=read, asleep=asleep, sleep=sleep):
        for _ in range(12):
            looks.release()
        async with asyncio.timeout(5):
            await done.wait()

    assert [(kind, what["wall_stepped_s"], what["suspended_s"]) for kind, what in ear.statuses] == [
        ("clock", 3600.0, 0.0),
        ("clock", 0.0, 60.0),
    ]
