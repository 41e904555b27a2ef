"""Devices in great number for `cloud_load`: many Fuse streams on few connections, open loop or closed.

Open loop: a window is sent when its time has come, whether or not the one before was answered, and its latency counts
from then. The generator shares the machine with the service, so it speaks HTTP/2 itself (`http2`), writes a window's
numbers into bytes that are there, reads no more of an answer than its kind and its number, and counts what it takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
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
_FIRST = 1_234_567
"""Number of the window that the others are made from: all have seven digits, and three bytes in protobuf."""
WELCOME, ACK, SYMBOL, REFUSAL, ANSWERS = 0x0A, 0x12, 0x1A, 0x22, 0x2A
"""Tags of what a FuseResponse holds."""
_GLANCE = 24
"""Bytes of an answer that hold its tag, its length and its number."""

T = TypeVar("T")


def run(load: Coroutine[Any, Any, T]) -> T:
    """Run ``load`` on uvloop, as the service does."""
    import uvloop

    cloud.collect_seldom()
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
        self._connection, self._tally = connection, tally
        self._message = Message(name, patience_ms)
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
        self._due[number] = due_s
        self._tally.sent += 1
        self._connection.send(self._number, self._message.numbered(number))

    def _hear(self, raw: bytes) -> None:
        now_s = time.perf_counter()
        for kind, number in said(raw):
            if kind == SYMBOL:
                self._tally.answered.append((now_s, self._late_ms(number, now_s)))
            elif kind == REFUSAL:
                self._tally.refused.append((now_s, self._late_ms(number, now_s)))
            elif kind == WELCOME:
                self._welcomed.set_result(None)

    def _late_ms(self, number: int, now_s: float) -> float:
        return (now_s - self._due.pop(number)) * 1e3

    def _end(self) -> None:
        self._tally.broken += 1
        if not self._welcomed.done():
            self._welcomed.set_exception(ConnectionError())


class Message:
    """A message with one window, which differs from the next in nothing but the window's number."""

    def __init__(self, name: str, patience_ms: int) -> None:
        window = wire.window_to_proto(cloud.a_window(name, 0, np.random.default_rng(len(name))))
        window.index, window.id = _FIRST, f"{name}.{_FIRST}"
        one = fusion_pb2.SequencedWindow(sequence=_FIRST, window=window, patience_ms=patience_ms)
        batch = fusion_pb2.WindowBatch(windows=[one], sent_ns=1)  # its last eight bytes
        raw = fusion_pb2.FuseRequest(windows=batch).SerializeToString()
        self._raw = bytearray(raw)
        self._id = raw.index(f"{name}.{_FIRST}".encode()) + len(name) + 1
        self._sequence = raw.index(b"\x08" + _three_bytes(_FIRST)) + 1
        self._index = raw.index(b"\x18" + _three_bytes(_FIRST), self._id) + 1

    def numbered(self, number: int) -> bytes:
        """The message with window ``number``, counted from 1."""
        raw, one = self._raw, _three_bytes(_FIRST + number)
        raw[self._id : self._id + 7] = b"%d" % (_FIRST + number)
        raw[self._sequence : self._sequence + 3] = raw[self._index : self._index + 3] = one
        raw[-8:] = time.monotonic_ns().to_bytes(8, "little")
        return bytes(raw)


def _three_bytes(number: int) -> bytes:
    """A number of 2^14 to 2^21 - 1 in protobuf."""
    return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))


def said(raw: bytes) -> Iterator[tuple[int, int]]:
    """What a FuseResponse says, one by one: the tag, and the number of the window that is meant, counted from 1."""
    kind, (_, at) = raw[0], _number(raw, 1)
    if kind != ANSWERS:
        yield kind, _number(raw, at + 1)[0] - _FIRST if kind in (SYMBOL, REFUSAL) else 0
        return
    while at < len(raw):
        size, at = _number(raw, at + 1)
        yield from said(raw[at : at + min(size, _GLANCE)])
        at += size


def _number(raw: bytes, at: int) -> tuple[int, int]:
    """A number in protobuf that begins at ``at``, and where the next thing begins."""
    value = shift = 0
    while (byte := raw[at]) > 0x7F:
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return value | byte << shift, at + 1


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
    due = deque(sorted((begin_s + phases[n] + every_s * k, n, first + k) for n in range(len(some)) for k in each))
    while due:
        now_s = time.perf_counter()
        while due and due[0][0] <= now_s:  # whatever is due: timers know milliseconds
            due_s, n, number = due.popleft()
            some[n].send(number, due_s)
        await asyncio.sleep(due[0][0] - now_s if due else 0.0)
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
        kinds = [kind for kind, _ in said(raw)]
        if REFUSAL in kinds:
            raise RuntimeError(f"refused: {raw!r}")
        return kinds.count(SYMBOL)

    def _end(self) -> None:
        if not self.finished.done():
            self.finished.set_exception(ConnectionError("the stream ended before all was answered"))
