"""What keeping an entry of history costs: ``python bench/history.py``.

CPU of this process an entry, when the history is full and every new entry has an old one go, as it is after an hour:
symbols as the service stores them, of many sessions, as many together as come between two transactions. Redis' own
processor time is told beside its client's, where there is a ``redis-server``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sensorium_cloud.state.file_history import FileHistory
from sensorium_cloud.state.history import Entry, History, Packed, Recent, Unwritten
from sensorium_cloud.state.redis_history import RedisHistory
from sensorium_cloud.state.redis_link import connected

SESSIONS = 1000
TOGETHER = 50
"""A transaction's, at a thousand windows a second."""
BATCHES = 1200
SYMBOL_BYTES = 1300
FILE_BYTES = 24 << 20
"""Full after a third of the batches."""


def batches(seed: int = 1) -> list[list[tuple[str, Entry]]]:
    """What is told, by the transaction."""
    dice = random.Random(seed)
    written = Packed(dice.randbytes(SYMBOL_BYTES), bytes)
    numbers = range(TOGETHER * BATCHES)
    told = [(f"kitchen-{dice.randrange(SESSIONS)}", Entry("symbol", n, n, written)) for n in numbers]
    return [told[n : n + TOGETHER] for n in range(0, len(told), TOGETHER)]


def in_this_process() -> float:
    """CPU us an entry."""
    history = Recent(wall(), max_entries=TOGETHER * BATCHES // SESSIONS // 3)
    return spent_us([lambda batch=batch: tell(history, batch) for batch in batches()])


def in_a_file() -> float:
    """CPU us an entry."""
    with tempfile.TemporaryDirectory() as folder:
        history = FileHistory(Path(folder), wall(), bytes, max_bytes=FILE_BYTES)
        with contextlib.closing(history):
            return spent_us([lambda batch=batch: store(history, batch) for batch in batches()])


def tell(history: History, batch: list[tuple[str, Entry]]) -> None:
    for session, entry in batch:
        history.tell(session, [entry])


def store(history: FileHistory, batch: list[tuple[str, Entry]]) -> None:
    waiting = Unwritten(TOGETHER)
    for session, entry in batch:
        waiting.add(session, [entry])
    trimmed = history._store(waiting.first(TOGETHER))
    assert isinstance(trimmed, int), trimmed


def wall() -> Callable[[], int]:
    """A clock that no test sets."""
    began_ms = 1_700_000_000_000
    return lambda: began_ms + time.monotonic_ns() // 1_000_000


def spent_us(steps: list[Callable[[], None]]) -> float:
    """CPU an entry of the last half of ``steps``."""
    half = len(steps) // 2
    for step in steps[:half]:
        step()
    began = time.process_time_ns()
    for step in steps[half:]:
        step()
    return (time.process_time_ns() - began) / (len(steps) - half) / TOGETHER / 1e3


async def in_redis(url: str, pid: int) -> tuple[float, float]:
    """CPU us an entry: the client's, the server's."""
    history = RedisHistory(connected(url))
    told = batches()
    async with running(history):
        began, theirs = time.process_time_ns(), cpu_s(pid)
        for batch in told:
            tell(history, batch)
            while len(history._waiting):  # noqa: ASYNC110 - as often as a service's event loop would turn
                await asyncio.sleep(0.001)
        count = len(told) * TOGETHER
        return (time.process_time_ns() - began) / count / 1e3, (cpu_s(pid) - theirs) / count * 1e6


@asynccontextmanager
async def running(history: History) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(history.run())
        try:
            yield
        finally:
            task.cancel()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(f"CPU us an entry of {SYMBOL_BYTES} bytes, {TOGETHER} together, {SESSIONS} sessions, the history full")
    print(f"  in this process         {in_this_process():6.1f}")
    print(f"  in a file               {in_a_file():6.1f}")
    if shutil.which("redis-server"):
        with tempfile.TemporaryDirectory() as folder:
            socket = f"{folder}/redis.sock"
            command = ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
                while not Path(socket).exists():
                    time.sleep(0.05)
                ours, theirs = asyncio.run(in_redis(f"unix://{socket}", server.pid))
                server.terminate()
        print(f"  in Redis                {ours:6.1f}, and {theirs:.1f} of Redis itself")


if __name__ == "__main__":
    main()
