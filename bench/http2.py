"""A gRPC client that costs little: frames of HTTP/2 (RFC 9113) over plain sockets, for benches that share the machine.

It knows what a client of one streaming method needs and no more: no TLS, no compression, no headers of others. It keeps
to the server's room for data and gives room back for what it has read, answers pings, and pings as often as gRPC's own
clients do that ask how wide the way is. Nothing waits in a thread or an event loop: `Lines.turn` writes and reads what
there is, whenever whoever drives it says so. What a window costs is printed by `cloud_load`.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
INITIAL_WINDOW_SIZE = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST_FRAME = 16_384
ROOM = 1 << 20
"""Bytes that the server may send on a stream, and on a connection, before it hears that they were read."""
_PING_S = 10.0
_READ = 1 << 16
_FIRST_ROOM = 65_535
"""What either side may send before it is told more."""
_PREFIX = struct.Struct(">BI")
"""Before a gRPC message: whether it is compressed, and its length."""
_HEADER = struct.Struct(">HBBBI")
"""Before a frame: its length in three bytes, its kind, its flags, its stream."""
_FRAMED = struct.Struct(">HBBBIBI")
"""Before a message that is a frame: both."""


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


# --- frames -----------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Call:
    """A stream: what to do with its messages and at its end, what it may send, and what of a message has come."""

    heard: Callable[[bytes], None]
    ended: Callable[[], None]
    room: int
    taken: int = 0
    waiting: deque[bytes] = field(default_factory=deque)
    partial: bytearray = field(default_factory=bytearray)


class Connection:
    """One side of a connection with any number of calls, without its socket; `Lines.connect` makes it.

    What it has to say is in `unsent`; ``speaks`` is called with it when that begins to be something.
    """

    def __init__(self, authority: str, speaks: Callable[[Connection], None]) -> None:
        self.unsent: list[bytes] = []
        self._authority, self._speaks = authority, speaks
        self._calls: dict[int, _Call] = {}
        self._next = 1
        self._room = self._initial = _FIRST_ROOM
        self._taken = 0
        self._blocked: set[int] = set()
        self._unread = b""
        settings = struct.pack(">HI", INITIAL_WINDOW_SIZE, ROOM)
        self._put(PREFACE + frame(SETTINGS, 0, 0, settings) + _more(0, ROOM - _FIRST_ROOM))

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
        size = len(message) + _PREFIX.size
        if size <= min(call.room, self._room, LARGEST_FRAME) and not call.waiting:  # nearly always
            call.room -= size
            self._room -= size
            self._put(_FRAMED.pack(size >> 8, size & 0xFF, DATA, 0, number, 0, len(message)) + message)
            return
        framed = _PREFIX.pack(0, len(message)) + message
        call.waiting.extend(framed[at : at + LARGEST_FRAME] for at in range(0, len(framed), LARGEST_FRAME))
        self._send_waiting(number, call)
        if call.waiting:
            self._blocked.add(number)

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._put(frame(PING, 0, 0, bytes(8)))

    def end(self) -> None:
        """The server is gone: so are all calls."""
        for number in list(self._calls):
            self._end(number)

    # --- frames out --------------------------------------------------------------------

    def _send_waiting(self, number: int, call: _Call) -> None:
        while call.waiting and len(call.waiting[0]) <= min(call.room, self._room):
            part = call.waiting.popleft()
            call.room -= len(part)
            self._room -= len(part)
            self._put(frame(DATA, 0, number, part))

    def _put(self, raw: bytes) -> None:
        if not self.unsent:
            self._speaks(self)
        self.unsent.append(raw)

    # --- frames in ---------------------------------------------------------------------

    def hear(self, data: bytes) -> None:
        """Take what has arrived."""
        unread = self._unread + data if self._unread else data
        at, there = 0, len(unread)
        while there - at >= _HEADER.size:
            high, low, kind, flags, stream = _HEADER.unpack_from(unread, at)
            end = at + _HEADER.size + (high << 8 | low)
            if end > there:
                break
            self._hear(kind, flags, stream, unread[at + _HEADER.size : end])
            at = end
        self._unread = unread[at:]

    def _hear(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE:
            self._widen(stream, int.from_bytes(payload))
        elif kind == DATA:
            self._hear_data(stream, payload)
        elif kind == SETTINGS and not flags & ACK:
            self._settle(payload)
        elif kind == PING and not flags & ACK:
            self._put(frame(PING, ACK, 0, payload))
        if kind == RST_STREAM or (flags & END_STREAM and kind in (DATA, HEADERS)):
            self._end(stream)

    def _hear_data(self, stream: int, payload: bytes) -> None:
        self._taken += len(payload)
        if self._taken > ROOM // 2:
            self._put(_more(0, self._taken))
            self._taken = 0
        call = self._calls.get(stream)
        if call is None:
            return
        call.taken += len(payload)
        if call.taken > ROOM // 2:
            self._put(_more(stream, call.taken))
            call.taken = 0
        if not call.partial and len(payload) > 4 and _PREFIX.unpack_from(payload)[1] == len(payload) - _PREFIX.size:
            call.heard(payload[_PREFIX.size :])  # nearly always a message is a frame
        else:
            _hear_part(call, payload)

    def _widen(self, stream: int, by: int) -> None:
        if stream == 0:
            self._room += by
        elif stream in self._calls:
            self._calls[stream].room += by
        for number in list(self._blocked) if self._blocked else ():
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


def _more(stream: int, size: int) -> bytes:
    """Room for so many bytes more; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4))


def _hear_part(call: _Call, payload: bytes) -> None:
    """Take what may be a part of a message, or several."""
    partial = call.partial
    partial += payload
    while len(partial) >= _PREFIX.size:
        end = _PREFIX.size + _PREFIX.unpack_from(partial)[1]
        if len(partial) < end:
            return
        message = bytes(partial[_PREFIX.size : end])
        del partial[:end]
        call.heard(message)


# --- sockets ----------------------------------------------------------------------------


class Lines:
    """The sockets of many connections, written and read in turns; close it."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._sockets: dict[int, tuple[socket.socket, Connection]] = {}
        self._numbers: dict[Connection, int] = {}
        self._speaking: list[Connection] = []
        self._order: deque[Connection] = deque()
        self._ping_s = 0.0

    def connect(self, address: str) -> Connection:
        """A connection to ``host:port``."""
        host, _, port = address.rpartition(":")
        line = socket.create_connection((host, int(port)))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setblocking(False)
        connection = Connection(address, self._speaking.append)
        self._sockets[line.fileno()] = line, connection
        self._numbers[connection] = line.fileno()
        self._epoll.register(line, select.EPOLLIN)
        self._order.append(connection)
        return connection

    def turn(self, wait_s: float = 0.0) -> None:
        """Write what is to be said and read what there is, after waiting for it for so long at most."""
        self._ping()
        self._write()
        for number, events in self._epoll.poll(wait_s):
            if events & select.EPOLLOUT:
                self._write_again(number)
            if events & ~select.EPOLLOUT:
                self._read(number)
        self._write()  # among it what the answers gave rise to

    def close(self) -> None:
        """Hang up; no call is told."""
        for line, _ in self._sockets.values():
            line.close()
        self._sockets.clear()
        self._epoll.close()

    def _ping(self) -> None:
        """One connection after the other, so that each has its turn in `_PING_S`."""
        now_s = time.perf_counter()
        if now_s >= self._ping_s and self._order:
            self._ping_s = now_s + _PING_S / len(self._order)
            self._order[0].ping()
            self._order.rotate(-1)

    def _write(self) -> None:
        for connection in self._speaking:
            if (number := self._numbers.get(connection)) is not None:
                self._send(number, connection)
        self._speaking.clear()

    def _send(self, number: int, connection: Connection) -> None:
        raw = b"".join(connection.unsent)
        connection.unsent.clear()
        try:
            sent = self._sockets[number][0].send(raw)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._hang_up(number)
            return
        if sent < len(raw):
            connection.unsent.append(raw[sent:])
            self._epoll.modify(number, select.EPOLLIN | select.EPOLLOUT)

    def _write_again(self, number: int) -> None:
        self._epoll.modify(number, select.EPOLLIN)
        self._speaking.append(self._sockets[number][1])

    def _read(self, number: int) -> None:
        line, connection = self._sockets[number]
        try:
            data = line.recv(_READ)
        except OSError:
            data = b""
        if data:
            connection.hear(data)
        else:
            self._hang_up(number)

    def _hang_up(self, number: int) -> None:
        line, connection = self._sockets.pop(number)
        del self._numbers[connection]
        self._order.remove(connection)
        self._epoll.unregister(number)
        line.close()
        connection.end()
