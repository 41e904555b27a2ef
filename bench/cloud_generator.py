"""Devices in great number for `cloud_load`: many Fuse streams on few connections, open loop or closed.

Open loop: every window has a time at which it is due, and is sent then, whether or not the one before was answered. Its
latency counts from the time it was due to the time its answer was read. The generator wakes up every two milliseconds,
reads all that has come and sends all that is due, so that some four milliseconds of a latency are its own: up to two
until a window is sent, and two until its answer is read (`cloud_clients` measures that). The streams' phases are drawn
at random, from a fixed seed, and kept: in each second windows crowd where they did in the one before.

The generator shares the machine with the service, so it speaks HTTP/2 itself (`http2`), writes a window's numbers into
bytes that are there, and reads no more of an answer than its kind and its number. A window has sound, a gesture and a
touch, by features; every one of a stream has the same features, and content of its own all the same by number and name.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import sys
import sysconfig
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import cloud
import http2
import numpy as np

from sensorium import wire
from sensorium.delivery import Hello
from sensorium.v1 import fusion_pb2

FUSE = "/sensorium.v1.FusionService/Fuse"
TICK_S = 0.002
A_CONNECTION = 25
_FIRST = 1_234_567
"""Number of the window that the others are made from: all have seven digits, and three bytes in protobuf."""
WELCOME, ACK, SYMBOL, REFUSAL, ANSWERS = 0x0A, 0x12, 0x1A, 0x22, 0x2A
"""Tags of what a FuseResponse holds."""
_GLANCE = 24
"""Bytes of an answer that hold its tag, its length and its number."""
_GREETING_S = 120.0


def machine() -> str:
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


def python() -> str:
    """The Python that is measured, and how it was built: the service costs a tenth less on one that was optimised."""
    built = "built with --enable-optimizations"
    if "--enable-optimizations" not in (sysconfig.get_config_var("CONFIG_ARGS") or ""):
        built = "the system's" if sys.base_prefix == "/usr" else "built without --enable-optimizations"
    return f"Python {platform.python_version()}, {built}"


@dataclass
class Tally:
    """What became of the windows: seconds at which it did, and milliseconds since they were due; and of the streams."""

    greeted: int = 0
    broken: int = 0
    sent: int = 0
    answered: list[tuple[float, float]] = field(default_factory=list)
    refused: list[tuple[float, float]] = field(default_factory=list)

    @property
    def open(self) -> int:
        """Windows that nothing was said of."""
        return self.sent - len(self.answered) - len(self.refused)

    def line(self, title: str) -> str:
        late, shed = [ms for _, ms in self.answered], [ms for _, ms in self.refused]
        parts = f"sent {self.sent}  answered {len(late)} ({quantiles(late)})"
        refused = f"  put off {len(shed)} ({quantiles(shed)})" if shed else "  put off 0"
        left = f"  unanswered {self.open}" if self.open else ""
        return f"{title:<36} {parts}{refused}{left}  streams broken {self.broken}   [{machine()}]"

    def seconds(self) -> Iterator[tuple[int, list[float], int]]:
        """By the second in which windows were due, from 0: milliseconds of what was answered, how many were put off."""
        due = [(at - ms / 1e3, ms) for at, ms in self.answered]
        off = [at - ms / 1e3 for at, ms in self.refused]
        begin_s = min((*(at for at, _ in due), *off), default=0.0)
        answered: dict[int, list[float]] = {}
        for at, ms in due:
            answered.setdefault(int(at - begin_s), []).append(ms)
        put_off = Counter(int(at - begin_s) for at in off)
        for second in sorted({*answered, *put_off}):
            yield second, answered.get(second, []), put_off[second]


def quantiles(ms: Sequence[float]) -> str:
    return f"p50 {statistics.median(ms or [0.0]):.1f}  p99 {p99(ms):.1f} ms"


def p99(ms: Sequence[float]) -> float:
    """0 if there is nothing to say."""
    return statistics.quantiles(ms, n=100)[98] if len(ms) > 1 else 0.0


class Stream:
    """One device on a Fuse stream, with windows of a session of its own."""

    def __init__(self, connection: http2.Connection, name: str, tally: Tally, patience_ms: int = 0) -> None:
        self.greeted = False
        """Whether the service has said Welcome."""
        self.overhear: Callable[[bytes], object] | None = None
        """Told every message, if somebody wants to know more of it."""
        self._connection, self._tally = connection, tally
        self._message = Message(name, patience_ms)
        self._due: dict[int, float] = {}
        self._number = connection.call(FUSE, self._hear, self._end)
        hello = Hello(name, "spool", takes_several=True)
        connection.send(self._number, wire.request_to_proto(hello).SerializeToString())

    def send(self, number: int, due_s: float) -> None:
        """Send window ``number``, counted from 1, which was due at ``due_s``."""
        self._due[number] = due_s
        self._tally.sent += 1
        self._connection.send(self._number, self._message.numbered(number))

    def _hear(self, raw: bytes) -> None:
        now_s = time.perf_counter()
        if self.overhear is not None:
            self.overhear(raw)
        for kind, number in said(raw):
            if kind == SYMBOL:
                self._tally.answered.append((now_s, self._late_ms(number, now_s)))
            elif kind == REFUSAL:
                self._tally.refused.append((now_s, self._late_ms(number, now_s)))
            elif kind == WELCOME:
                self.greeted = True
                self._tally.greeted += 1

    def _late_ms(self, number: int, now_s: float) -> float:
        return (now_s - self._due.pop(number)) * 1e3

    def _end(self) -> None:
        self._tally.broken += 1


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


def said(raw: bytes) -> Sequence[tuple[int, int]]:
    """What a FuseResponse says, one by one: the tag, and the number of the window that is meant, counted from 1."""
    kind, (_, at) = raw[0], _number(raw, 1)
    if kind != ANSWERS:
        return ((kind, _number(raw, at + 1)[0] - _FIRST if kind in (SYMBOL, REFUSAL) else 0),)
    found: list[tuple[int, int]] = []
    while at < len(raw):
        size, at = _number(raw, at + 1)
        found += said(raw[at : at + min(size, _GLANCE)])
        at += size
    return found


def _number(raw: bytes, at: int) -> tuple[int, int]:
    """A number in protobuf that begins at ``at``, and where the next thing begins."""
    value = shift = 0
    while (byte := raw[at]) > 0x7F:
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return value | byte << shift, at + 1


# --- open loop --------------------------------------------------------------------------


@dataclass(frozen=True)
class Crowd:
    """Streams that have been greeted, the lines they speak through, and where their windows are counted."""

    lines: http2.Lines
    streams: Sequence[Stream]
    tally: Tally

    def some(self, count: int) -> Crowd:
        """The first of them."""
        return Crowd(self.lines, self.streams[:count], self.tally)


@contextmanager
def streams(
    address: str, count: int, tally: Tally, patience_ms: int = 0, *, a_connection: int = A_CONNECTION
) -> Iterator[Crowd]:
    """That many streams, opened all at once, ``a_connection`` of them on each connection."""
    cloud.collect_seldom()
    with closing(http2.Lines()) as lines:
        connections = [lines.connect(address) for _ in range(max(-(-count // a_connection), 8))]
        opened = [Stream(connections[n % len(connections)], f"device-{n}", tally, patience_ms) for n in range(count)]
        _turn(lines, lambda: tally.greeted + tally.broken < count, _GREETING_S)
        yield Crowd(lines, [stream for stream in opened if stream.greeted], tally)


def offer(crowd: Crowd, per_s: float, seconds: float, first: int = 1, *, seed: int = 0) -> int:
    """Offer that many windows a second together, each stream from a random phase on; the next number."""
    begin_s, every_s = time.perf_counter() + 0.2, len(crowd.streams) / per_s
    each = range(max(int(seconds / every_s), 1))
    chance = random.Random(seed)
    phases = [chance.random() * every_s for _ in crowd.streams]
    due = deque(sorted((begin_s + phase + every_s * k, n, first + k) for n, phase in enumerate(phases) for k in each))
    while due:
        now_s = time.perf_counter()
        while due and due[0][0] <= now_s:
            due_s, n, number = due.popleft()
            crowd.streams[n].send(number, due_s)
        crowd.lines.turn()
        time.sleep(TICK_S)
    return first + len(each)


def settle(crowd: Crowd, within_s: float) -> None:
    """Read until everything is answered, or no longer."""
    _turn(crowd.lines, lambda: bool(crowd.tally.open), within_s)


def _turn(lines: http2.Lines, unfinished: Callable[[], bool], within_s: float) -> None:
    """Read and write for so long at most."""
    until_s = time.perf_counter() + within_s
    while unfinished() and time.perf_counter() < until_s:
        lines.turn()
        time.sleep(TICK_S)


# --- closed loop ------------------------------------------------------------------------


def pour(address: str, loads: Sequence[Sequence[bytes]], together: int, ahead: int, hello: bytes | None) -> None:
    """Send each of ``loads`` on a connection of its own, at most ``ahead`` windows unanswered, until all are answered.

    Every message has ``together`` windows. Without ``hello`` every message from the server answers one of ours.
    """
    cloud.collect_seldom()
    with closing(http2.Lines()) as lines:
        pourers = [_Pourer(lines.connect(address), load, together, ahead, hello) for load in loads]
        while any(pourer.unanswered for pourer in pourers):
            lines.turn(1.0)


class _Pourer:
    def __init__(
        self, connection: http2.Connection, load: Sequence[bytes], together: int, ahead: int, hello: bytes | None
    ) -> None:
        self._connection, self._load, self._together, self._ahead = connection, load, together, ahead
        self._speaks = hello is not None
        self._sent, self._answered = 0, 0
        self._number = connection.call(FUSE, self._hear, self._end)
        if hello is None:
            self._send()
        else:
            connection.send(self._number, hello)

    @property
    def unanswered(self) -> int:
        """Windows that were not answered yet, sent or not."""
        return len(self._load) * self._together - self._answered

    def _send(self) -> None:
        while self._sent < min(len(self._load), (self._answered + self._ahead) // self._together):
            self._connection.send(self._number, self._load[self._sent])
            self._sent += 1

    def _hear(self, raw: bytes) -> None:
        self._answered += self._answers_in(raw)
        self._send()

    def _answers_in(self, raw: bytes) -> int:
        if not self._speaks:
            return self._together
        kinds = [kind for kind, _ in said(raw)]
        if REFUSAL in kinds:
            raise RuntimeError(f"refused: {raw!r}")
        return kinds.count(SYMBOL)

    def _end(self) -> None:
        if self.unanswered:
            raise ConnectionError("the stream ended before all was answered")
