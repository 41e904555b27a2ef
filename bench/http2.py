"""A gRPC client that costs little: frames of HTTP/2 over asyncio (RFC 9113), for benches that share the machine.

It knows what a client of one streaming method needs and no more: no TLS, no compression, no headers of others.
What a window costs it is printed by `cloud_load`; more than half of that is the kernel's.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
INITIAL_WINDOW_SIZE = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST_WINDOW = (1 << 31) - 1
LARGEST_FRAME = 16_384
_PREFIX = struct.Struct(">BI")
"""Before a gRPC message: whether it is compressed, and its length."""
_HEADER = struct.Struct(">HBBBI")
"""Before a frame: its length in three bytes, its kind, its flags, its stream."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame with its header."""
    return _HEADER.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def request_headers(path: str, authority: str) -> bytes:
    """The header block of a gRPC call, in HPACK without a table or Huffman codes (RFC 7541)."""
    place, where = path.encode(), authority.encode()
    return b"".join((
        b"\x83\x86",  # :method POST and :scheme http, from the static table
        b"\x04", bytes([len(place)]), place,
        b"\x01", bytes([len(where)]), where,
        b"\x0f\x10\x10application/grpc",  # content-type
        b"\x00\x02te\x08trailers",
    ))  # fmt: skip


@dataclass(slots=True, eq=False)
class _Call:
    """A stream: what to do with its messages and at its end, what it may send, and what of a message has come."""

    heard: Callable[[bytes], None]
    ended: Callable[[], None]
    room: int
    waiting: deque[bytes] = field(default_factory=deque)
    partial: bytearray = field(default_factory=bytearray)


class Connection(asyncio.Protocol):
    """A connection with any number of calls; make it with `connect`."""

    def __init__(self, authority: str) -> None:
        self._authority = authority
        self._calls: dict[int, _Call] = {}
        self._next = 1
        self._room = self._initial = 65_535
        self._blocked: set[int] = set()
        self._unread = b""
        self._unsent: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    # --- what the bench does -----------------------------------------------------------

    def call(self, path: str, heard: Callable[[bytes], None], ended: Callable[[], None]) -> int:
        """Begin a call; its number. ``heard`` is told of every message, ``ended`` when the server ends the call."""
        number, self._next = self._next, self._next + 2
        self._calls[number] = _Call(heard, ended, self._initial)
        self._put(frame(HEADERS, END_HEADERS, number, request_headers(path, self._authority)))
        return number

    def send(self, number: int, message: bytes) -> None:
        """Send a message as soon as the server has room for it."""
        call = self._calls.get(number)
        if call is None:
            return
        framed = _PREFIX.pack(0, len(message)) + message
        call.waiting.extend(framed[at : at + LARGEST_FRAME] for at in range(0, len(framed), LARGEST_FRAME))
        self._send_waiting(number, call)
        if call.waiting:
            self._blocked.add(number)

    def close(self) -> None:
        """End all calls."""
        self._calls.clear()
        self._transport.close()

    # --- frames out --------------------------------------------------------------------

    def _send_waiting(self, number: int, call: _Call) -> None:
        while call.waiting and len(call.waiting[0]) <= min(call.room, self._room):
            part = call.waiting.popleft()
            call.room -= len(part)
            self._room -= len(part)
            self._put(frame(DATA, 0, number, part))

    def _put(self, raw: bytes) -> None:
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(raw)

    def _flush(self) -> None:
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    # --- frames in ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by class
        settings = struct.pack(">HI", INITIAL_WINDOW_SIZE, LARGEST_WINDOW)
        more = struct.pack(">I", LARGEST_WINDOW - 65_535)
        self._put(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, more))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        for number in list(self._calls):
            self._end(number)

    def data_received(self, data: bytes) -> None:
        unread = self._unread + data if self._unread else data
        at, there = 0, len(unread)
        while there - at >= 9:
            high, low, kind, flags, stream = _HEADER.unpack_from(unread, at)
            end = at + 9 + (high << 8 | low)
            if end > there:
                break
            self._hear(kind, flags, stream, unread[at + 9 : end])
            at = end
        self._unread = unread[at:]

    def _hear(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA and (call := self._calls.get(stream)) is not None:
            self._hear_data(call, payload)
        elif kind == WINDOW_UPDATE:
            self._widen(stream, int.from_bytes(payload))
        elif kind == SETTINGS and not flags & ACK:
            self._settle(payload)
        elif kind == PING and not flags & ACK:
            self._put(frame(PING, ACK, 0, payload))
        if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
            self._end(stream)

    def _hear_data(self, call: _Call, payload: bytes) -> None:
        partial = call.partial
        if not partial and len(payload) > 4 and _PREFIX.unpack_from(payload)[1] == len(payload) - _PREFIX.size:
            call.heard(payload[_PREFIX.size :])  # nearly always a message is a frame
            return
        partial += payload
        while len(partial) >= _PREFIX.size:
            end = _PREFIX.size + _PREFIX.unpack_from(partial)[1]
            if len(partial) < end:
                return
            message = bytes(partial[_PREFIX.size : end])
            del partial[:end]
            call.heard(message)

    def _widen(self, stream: int, by: int) -> None:
        if stream == 0:
            self._room += by
        elif stream in self._calls:
            self._calls[stream].room += by
        for number in list(self._blocked):
            if (call := self._calls.get(number)) is not None:
                self._send_waiting(number, call)
            if call is None or not call.waiting:
                self._blocked.discard(number)

    def _settle(self, payload: bytes) -> None:
        for key, value in struct.iter_unpack(">HI", payload):
            if key == INITIAL_WINDOW_SIZE:
                for call in self._calls.values():
                    call.room += value - self._initial
                self._initial = value
        self._put(frame(SETTINGS, ACK, 0))

    def _end(self, stream: int) -> None:
        call = self._calls.pop(stream, None)
        if call is not None:
            call.ended()


async def connect(address: str) -> Connection:
    """A connection to ``host:port``."""
    host, _, port = address.rpartition(":")
    _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(address), host, int(port))
    return connection
