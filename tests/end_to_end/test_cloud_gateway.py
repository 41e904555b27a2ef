"""The gateway of several processes: one address, one room and one history of a session, and metrics of all of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
from end_to_end.test_cloud_process import COMMAND, SMALL
from end_to_end.test_cloud_workers import children
from services import until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.needs_models

BOTH = [*COMMAND, "--gateway", "0", "--workers", "2"]
EVENT = {"type": "event", "modality": "gesture", "label": "thumb_up", "at_ms": 1.0}


@contextmanager
def both(log: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Two workers, and the URL of their gateway."""
    pipes = {"stdout": subprocess.PIPE, "text": True}
    with log.open("w") as err, subprocess.Popen(BOTH, stderr=err, cwd=SMALL, **pipes) as process:
        out: IO[str] | None = process.stdout
        assert out is not None
        try:
            assert out.readline().startswith("ready on "), log.read_text()
            urls = set(re.findall(r"gateway\.ready address=(\S+)", log.read_text()))
            assert len(urls) == 1  # one address for both
            yield process, urls.pop()
        finally:
            process.kill()


async def asked(url: str, times: int) -> None:
    """Batches over as many connections: the kernel gives each to one of the workers."""
    for number in range(times):
        body = {"batches": [{"session_id": f"s{number}", "events": [EVENT]}]}
        async with httpx.AsyncClient(timeout=20) as client:
            assert (await client.post(f"{url}/api/multimodal/batch", json=body)).status_code == 200


async def counted(url: str) -> list[float]:
    """What several connections are told of the number of symbols, one after the other."""
    told = []
    for _ in range(8):
        async with httpx.AsyncClient(timeout=20) as client:
            text = (await client.get(f"{url}/metrics")).text
        told.append(sum(float(v) for v in re.findall(r"^multimodal_symbols_total\{.*\} (\S+)$", text, re.MULTILINE)))
    return told


async def resident(url: str) -> float:
    async with httpx.AsyncClient(timeout=20) as client:
        text = (await client.get(f"{url}/metrics")).text
    found = re.search(r"^multimodal_memory_usage_bytes (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_whichever_worker_is_asked_tells_the_metrics_of_all_also_of_one_that_died(tmp_path: Path) -> None:
    with both(tmp_path / "log") as (process, url):
        await asked(url, 8)
        assert await counted(url) == [8.0] * 8

        together, before = await resident(url), children(process.pid)
        os.kill(victim := next(iter(before)), signal.SIGKILL)
        # Once its parent has seen it end, no connection waits for it any more.
        await asyncio.to_thread(until, lambda: not Path(f"/proc/{victim}").exists(), within_s=30)
        assert await resident(url) < 0.8 * together  # the dead one's memory is not counted on
        await asyncio.to_thread(until, lambda: len(children(process.pid)) == 2, within_s=30)
        await asked(url, 1)
        assert await counted(url) == [9.0] * 8  # what it had counted is

        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0


async def symbol(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while (line := json.loads(await socket.recv()))["type"] != "symbol":
            pass
    return dict(line)


async def alive(sockets: list[ClientConnection]) -> list[ClientConnection]:
    """Those whose worker still runs."""
    left = []
    for socket in sockets:
        with contextlib.suppress(ConnectionClosed):
            await socket.ping()
            left.append(socket)
    return left


async def lines(url: str) -> list[str]:
    async with httpx.AsyncClient(timeout=20) as client:
        told = (await client.get(f"{url}/api/sessions/kitchen/symbols")).json()["lines"]
    return [line["id"] for line in told if line["type"] == "symbol"]


async def test_people_of_a_session_are_together_in_all_workers_and_stay_so_when_one_is_killed(tmp_path: Path) -> None:
    said = json.dumps({"type": "event", "modality": "gesture", "label": "thumb_up"})
    with both(tmp_path / "log") as (process, url):
        async with contextlib.AsyncExitStack() as stack:
            address = f"{url.replace('http', 'ws')}/ws/multimodal/kitchen"
            sockets = [await stack.enter_async_context(connect(address)) for _ in range(12)]
            await sockets[0].send(said)
            first = [(await symbol(socket))["id"] for socket in sockets]
            assert len(set(first)) == 1

            before = children(process.pid)
            os.kill(max(before), signal.SIGKILL)
            await asyncio.to_thread(until, lambda: len(children(process.pid) - before) == 1, within_s=30)
            left = await alive(sockets)
            assert 0 < len(left) < 12  # the kernel had spread them
            await left[0].send(said)
            answered = {(await symbol(socket))["id"] for socket in left}

        async with asyncio.timeout(20):
            while not {first[0], *answered} <= set(told := await lines(url)):
                pass
    assert told.count(first[0]) == 1
