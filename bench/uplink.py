"""How long from a window offered to its refined symbol, on loopback: ``python bench/uplink.py``.

Everything between is there: serialising, the spool's sync, gRPC both ways, parsing; the service answers at
once. Windows come as on a device, one at a time; then a spool full of them is drained.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import quantiles

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from agent.fake_cloud import FakeCloud
from shared.examples import SESSION, a_window

from sensorium.clock import DeviceClock
from sensorium.event import DType, Media, Modality, Tensor
from sensorium.symbol import Symbol
from sensorium.window import Window
from sensorium_agent.spool.log import Spool
from sensorium_agent.uplink.link import Caller, Patience, Uplink

WINDOWS = 500
BACKLOG = 2000


def window(number: int) -> Window:
    """About 8 kB: a keyframe, words, features."""
    base = a_window()
    gesture = base.slot(Modality.GESTURE)
    events = tuple(replace(e, features=Tensor.of([0.5] * 128, DType.F16), media=None) for e in gesture.events)
    words = base.slot(Modality.TEXT)
    picture = replace(words, events=(replace(words.events[0], media=Media("image/jpeg", bytes(7000))),))
    return replace(base, id=f"{SESSION}.{number}", index=number, slots=(picture, replace(gesture, events=events)))


async def one_at_a_time(uplink: Uplink, answered: dict[str, asyncio.Event]) -> list[float]:
    times = []
    for number in range(WINDOWS):
        fresh = window(number)
        answered[fresh.id] = asyncio.Event()
        began = time.perf_counter()
        await uplink.offer(fresh)
        await answered[fresh.id].wait()
        times.append((time.perf_counter() - began) * 1e3)
    return times


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - the figures are looked at as anybody may, and tell nobody of a change
        await asyncio.sleep(0.001)


async def backlog(uplink: Uplink, cloud: FakeCloud) -> tuple[float, float]:
    """Windows a second from a spool that filled while the cloud was away, and CPU ms a window of both sides."""
    await cloud.stop()
    await asyncio.gather(*(uplink.offer(window(WINDOWS + n)) for n in range(BACKLOG)))
    await until(lambda: not uplink.stats.up)
    await cloud.start()
    await until(lambda: uplink.stats.up)
    began, cpu = time.perf_counter(), time.process_time()
    await until(lambda: uplink.stats.spooled == 0)
    return BACKLOG / (time.perf_counter() - began), (time.process_time() - cpu) * 1e3 / BACKLOG


async def run(directory: Path) -> None:
    answered: dict[str, asyncio.Event] = {}

    def on_symbol(symbol: Symbol) -> None:
        if symbol.id in answered:
            answered[symbol.id].set()

    with Spool.open(directory) as spool:
        async with FakeCloud() as cloud, asyncio.TaskGroup() as group:
            uplink = Uplink(
                cloud.target,
                spool=spool,
                clock=DeviceClock(),
                caller=Caller("bench"),
                on_symbol=on_symbol,
                patience=Patience(backoff_s=(0.05, 0.1)),
            )
            group.create_task(uplink.run())
            times = await one_at_a_time(uplink, answered)
            cut = quantiles(times, n=100)
            print(f"window to refined symbol: p50 {cut[49]:.1f}  p99 {cut[98]:.1f} ms (p99 below 100)")
            rate, cpu_ms = await backlog(uplink, cloud)
            print(
                f"a backlog of {BACKLOG} windows: {rate:.0f} windows/s, {cpu_ms:.2f} ms CPU a window with the service"
            )
            print(f"in all: {uplink.stats.delivery}")
            await uplink.close()


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        asyncio.run(run(Path(directory)))


if __name__ == "__main__":
    main()
