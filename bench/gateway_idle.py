"""What a WebSocket of the gateway costs that nobody speaks on: ``python bench/gateway_idle.py [COUNT]``.

The real service in a process of its own. Memory that connections leave behind is used for the next ones: the first turn
says what they cost a process that never had any, the second what the same number costs it once more.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

SESSION_SIZE = 50
SETTLED_S = 3.0
LINGER_S = 12.0
"""Rooms that everybody has left are forgotten after ten seconds."""


@contextmanager
def service() -> Iterator[tuple[str, int]]:
    """HOST:PORT of a gateway, and the process id."""
    command = [sys.executable, "-m", "sensorium_cloud", "serve", "--port", "0", "--gateway", "0"]
    with tempfile.TemporaryFile("w+") as log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process:
        assert process.stdout is not None
        process.stdout.readline()
        log.seek(0)
        yield log.read().rpartition("gateway.ready address=http://")[2].split()[0], process.pid
        process.terminate()


def resident_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


async def opened(address: str, count: int) -> list[ClientConnection]:
    return [
        await connect(f"ws://{address}/ws/multimodal/s{n // SESSION_SIZE}", ping_interval=None) for n in range(count)
    ]


async def measure(address: str, pid: int, count: int) -> None:
    for turn in ("first", "again"):
        before = resident_kib(pid)
        sockets = await opened(address, count)
        await asyncio.sleep(SETTLED_S)
        each = (resident_kib(pid) - before) / count
        print(f"{count} idle WebSockets, {turn}: {each:.1f} KiB each")
        await asyncio.gather(*(socket.close() for socket in sockets))
        await asyncio.sleep(LINGER_S)
        print(f"all gone: {resident_kib(pid) - before:+d} KiB")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with service() as (address, pid):
        asyncio.run(measure(address, pid, count))


if __name__ == "__main__":
    main()
