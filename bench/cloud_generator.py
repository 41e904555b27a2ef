"""Devices in great number for `cloud_load`: many Fuse streams on few connections, open loop or closed.

Open loop: a window is sent when its time has come, whether or not the one before was answered, and its latency counts
from then. The generator shares the machine with the service, so it speaks HTTP/2 itself (`http2`) and counts what it
takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import statistics
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import cloud
import http2
import numpy as np

from sensorium import wire
from sensorium.delivery import Hello
from sensorium.v1 import fusion_pb2

FUSE = "/sensorium.v1.FusionService/Fuse"
_TICK_S = 0.05

T = TypeVar("T")


def run(load: Coroutine[Any, Any, T]) -> T:
    """Run ``load`` on uvloop, as the service does."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load)


def machine() -> str:
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


@dataclass
class Tally:
    """What became of the windows: seconds at which it did, and milliseconds since they were due."""

    sent: int = 0
    answered: list[tuple[float, float]] = field(default_factory=list)
    refused: list[tuple[float, float]] = field(default_factory=list)
    broken: int = 0

    def line(self, title: str) -> str:
        late, shed = [ms for _, ms in self.answered], [ms for _, ms in self.refused]
        parts = f"sent {self.sent}  answered {len(late)} ({quantiles(late)})"
        refused = f"  refused {len(shed)} ({quantiles(shed)})" if shed else "  refused 0"
        return f"{title:<36} {parts}{refused}  streams broken {self.broken}   [{machine()}]"


def quantiles(ms: Sequence[float]) -> str:
    cuts = statistics.quantiles(ms, n=100) if len(ms) > 1 else [0.0] * 99
    return f"p50 {cuts[49]:.1f}  p99 {cuts[98]:.1f} ms"


class Stream:
    """One device on a Fuse stream, with windows of a session of its own."""

    def __init__(self, connection: http2.Connection, name: str, tally: Tally, patience_ms: int = 0) -> None:
        self._connection, self._name, self._tally, self._patience_ms = connection, name, tally, patience_ms
        self._window = wire.window_to_proto(cloud.a_window(name, 0, np.random.default_rng(len(name))))
        self._due: dict[int, float] = {}
        self._welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number = connection.call(FUSE, self._hear, self._end)
        hello = Hello(name, "spool", takes_several=True)
        connection.send(self._number, wire.request_to_proto(hello).SerializeToString())

    async def greeted(self) -> bool:
        """Whether the service has said Welcome; False if the stream ended before."""
        with contextlib.suppress(ConnectionError):
            await self._welcomed
            return True
        return False

    @property
    def quiet(self) -> bool:
        """Whether everything that was sent is answered."""
        return not self._due

    def send(self, number: int, due_s: float) -> None:
        """Send window ``number``, counted from 1, which was due at ``due_s``."""
        self._window.index, self._window.id = number, f"{self._name}.{number}"
        one = fusion_pb2.SequencedWindow(sequence=number, window=self._window, patience_ms=self._patience_ms)
        self._due[number] = due_s
        self._tally.sent += 1
        request = fusion_pb2.FuseRequest(windows=fusion_pb2.WindowBatch(windows=[one]))
        self._connection.send(self._number, request.SerializeToString())

    def _hear(self, raw: bytes) -> None:
        now_s = time.perf_counter()
        for answer in answers(raw):
            match answer.WhichOneof("kind"):
                case "welcome":
                    self._welcomed.set_result(None)
                case "symbol":
                    self._tally.answered.append((now_s, self._late_ms(answer.symbol.sequence, now_s)))
                case "refusal":
                    self._tally.refused.append((now_s, self._late_ms(answer.refusal.sequence, now_s)))

    def _late_ms(self, number: int, now_s: float) -> float:
        return (now_s - self._due.pop(number)) * 1e3

    def _end(self) -> None:
        self._tally.broken += 1
        if not self._welcomed.done():
            self._welcomed.set_exception(ConnectionError())


def answers(raw: bytes) -> Sequence[fusion_pb2.FuseResponse]:
    """What a message says, one by one."""
    said = fusion_pb2.FuseResponse.FromString(raw)
    return said.answers.answers if said.HasField("answers") else [said]


# --- open loop --------------------------------------------------------------------------


@asynccontextmanager
async def streams(
    address: str, count: int, tally: Tally, patience_ms: int = 0, *, a_connection: int = 25
) -> AsyncIterator[list[Stream]]:
    """That many streams that have been greeted, opened all at once, ``a_connection`` of them on each connection."""
    connections = [await http2.connect(address) for _ in range(max(-(-count // a_connection), 8))]
    some = [Stream(connections[n % len(connections)], f"device-{n}", tally, patience_ms) for n in range(count)]
    good = [stream for stream in some if await stream.greeted()]
    yield good
    for connection in connections:
        connection.close()


async def offer(some: Sequence[Stream], per_s: float, seconds: float, first: int = 1) -> int:
    """Offer that many windows a second together, each stream from a random phase on; the next number."""
    begin_s, every_s = time.perf_counter() + 0.2, len(some) / per_s
    each = range(max(int(seconds / every_s), 1))
    phases = [random.random() * every_s for _ in some]
    due = sorted((begin_s + phases[n] + every_s * k, n, first + k) for n in range(len(some)) for k in each)
    for due_s, n, number in due:
        if due_s > time.perf_counter():
            await asyncio.sleep(due_s - time.perf_counter())
        some[n].send(number, due_s)
    return first + len(each)


async def settle(some: Sequence[Stream], within_s: float) -> None:
    """Wait until everything is answered, or no longer."""
    for _ in range(round(within_s / _TICK_S)):
        if all(stream.quiet for stream in some):
            break
        await asyncio.sleep(_TICK_S)


# --- closed loop ------------------------------------------------------------------------


async def pour(address: str, loads: Sequence[Sequence[bytes]], together: int, ahead: int, hello: bytes | None) -> None:
    """Send each of ``loads`` on a connection of its own, at most ``ahead`` windows unanswered, until all are answered.

    Every message has ``together`` windows. Without ``hello`` every message from the server answers one of ours.
    """
    connections = [await http2.connect(address) for _ in loads]
    pourers = [_Pourer(c, load, together, ahead, hello) for c, load in zip(connections, loads, strict=True)]
    await asyncio.gather(*(pourer.finished for pourer in pourers))
    for connection in connections:
        connection.close()


class _Pourer:
    def __init__(
        self, connection: http2.Connection, load: Sequence[bytes], together: int, ahead: int, hello: bytes | None
    ) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection, self._load, self._together, self._ahead = connection, load, together, ahead
        self._speaks = hello is not None
        self._sent, self._answered = 0, 0
        self._number = connection.call(FUSE, self._hear, self._end)
        if hello is None:
            self._send()
        else:
            connection.send(self._number, hello)

    def _send(self) -> None:
        while self._sent < min(len(self._load), (self._answered + self._ahead) // self._together):
            self._connection.send(self._number, self._load[self._sent])
            self._sent += 1

    def _hear(self, raw: bytes) -> None:
        self._answered += self._answers_in(raw)
        self._send()
        if self._answered >= len(self._load) * self._together and not self.finished.done():
            self.finished.set_result(None)

    def _answers_in(self, raw: bytes) -> int:
        if not self._speaks:
            return self._together
        kinds = [answer.WhichOneof("kind") for answer in answers(raw)]
        if "refusal" in kinds:
            raise RuntimeError(f"refused: {raw!r}")
        return kinds.count("symbol")

    def _end(self) -> None:
        if not self.finished.done():
            self.finished.set_exception(ConnectionError("the stream ended before all was answered"))
