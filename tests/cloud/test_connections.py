"""Clients at the gateway that do not read, do not ask, or say what nobody can: they cost little, and others nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
import pytest
from cloud.doubles import FakeFusion, settings
from websockets.asyncio.client import connect

from sensorium_cloud._app import connections, gateway, http
from sensorium_cloud._app.connections import HttpConnection, SocketConnection
from sensorium_cloud._app.hall import Hall
from sensorium_cloud._app.server import running
from sensorium_cloud._app.settings import Gateway, Limits
from sensorium_cloud.state.history import SYMBOL, Entry

TEXT, CLOSE, PING = 1, 8, 9
MORE, LAST = 0x00, 0x80
SYMBOLS = "/api/sessions/kitchen/symbols"
EVENT = json.dumps({"type": "event", "modality": "gesture", "label": "thumb_up"})
SYMBOL_LINE = json.dumps({"type": "symbol", "content": "x" * 1000}).encode()
SMALL = 4096

T = TypeVar("T", HttpConnection, SocketConnection)


@asynccontextmanager
async def a_gateway(caplog: pytest.LogCaptureFixture) -> AsyncIterator[str]:
    """HOST:PORT of a gateway that refuses nothing for its number."""
    limits = Limits(events_per_s=1e9, requests_per_s=1e9)
    chosen = msgspec.structs.replace(settings(), gateway=Gateway(enabled=True, port=0), limits=limits)
    async with running(chosen, FakeFusion().engines()):
        yield caplog.text.rpartition("gateway.ready address=http://")[2].split()[0]


class Raw:
    """A client that does only what it is told to, down to the bytes."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.socket.connect((host, int(port)))
        self.socket.settimeout(20)
        self._host = address

    def ask(self, path: str, *headers: str) -> None:
        said = (f"GET {path} HTTP/1.1", f"Host: {self._host}", *headers)
        self.socket.sendall("".join(f"{line}\r\n" for line in (*said, "")).encode())

    def open_websocket(self, session: str) -> bytes:
        """The head of the answer."""
        key = base64.b64encode(os.urandom(16)).decode()
        self.ask(
            f"/ws/multimodal/{session}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Extensions: permessage-deflate",
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        return head

    def send(self, opcode: int, payload: bytes, *, end: int = LAST, times: int = 1) -> None:
        """Frames; the mask is nothing, as it may be."""
        length = (
            struct.pack("!B", 0x80 | len(payload)) if len(payload) < 126 else b"\xfe" + struct.pack("!H", len(payload))
        )
        self.socket.sendall((bytes([end | opcode]) + length + bytes(4) + payload) * times)

    def rest(self) -> bytes:
        """Everything until the other side hangs up, in order or not."""
        found = bytearray()
        try:
            while more := self.socket.recv(65536):
                found += more
        except ConnectionResetError:
            pass
        return bytes(found)


@asynccontextmanager
async def a_raw(address: str) -> AsyncIterator[Raw]:
    client = await asyncio.to_thread(Raw, address)
    with client.socket:
        yield client


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0)


def the_hall() -> Hall:
    return next(one for one in gc.get_objects() if type(one) is Hall and not one._closed)


def server_side(client: Raw, kind: type[T]) -> T:
    own = client.socket.getsockname()
    return next(one for one in gc.get_objects() if type(one) is kind and one.client == own)


# --- who does not read -----------------------------------------------------------------


async def test_one_who_does_not_read_loses_lines_and_keeps_nobody_waiting(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog) as address, a_raw(address) as deaf:
        await asyncio.to_thread(deaf.open_websocket, "kitchen")
        connection, hall = server_side(deaf, SocketConnection), the_hall()
        while connection.writable.is_set():
            await asyncio.to_thread(deaf.send, TEXT, b"{}", times=500)  # each is refused, with a reason
        await asyncio.to_thread(deaf.send, TEXT, b"{}", times=500)
        (deaf_one,) = hall._sessions["kitchen"].members
        await until(deaf_one.outbox.full)
        async with connect(f"ws://{address}/ws/multimodal/kitchen") as other, asyncio.timeout(20):
            await other.send(EVENT)
            while json.loads(await other.recv())["type"] != "symbol":
                pass
        kept, dropped = connection.transport.get_write_buffer_size(), hall.dropped

    assert dropped
    assert kept < 1 << 18


async def test_pings_of_one_who_does_not_read_are_answered_once(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog) as address, a_raw(address) as deaf:
        await asyncio.to_thread(deaf.open_websocket, "kitchen")
        connection = server_side(deaf, SocketConnection)
        for _ in range(30):
            await asyncio.to_thread(deaf.send, PING, bytes(125), times=1000)
        await asyncio.to_thread(deaf.send, PING, b"last")
        await until(lambda: connection._pong.endswith(b"last"))
        kept = connection.transport.get_write_buffer_size()
        heard = bytearray()
        while b"last" not in heard:
            heard += await asyncio.to_thread(deaf.socket.recv, 65536)

    assert kept < 1 << 20  # of 4 MB


async def test_one_who_takes_nothing_for_long_is_cut_off(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "UNREAD_S", 0.3)
    async with a_gateway(caplog) as address, a_raw(address) as deaf:
        await asyncio.to_thread(deaf.open_websocket, "kitchen")
        hall = the_hall()
        with contextlib.suppress(OSError):  # which is how it finds out
            while True:
                await asyncio.to_thread(deaf.send, TEXT, b"{}", times=500)
        await until(lambda: not hall._sessions["kitchen"].members)


async def test_who_follows_and_does_not_read_is_cut_off_too(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "UNREAD_S", 1.0)
    async with a_gateway(caplog) as address, a_raw(address) as deaf, connect(f"ws://{address}/ws/multimodal/kitchen"):
        the_hall()._history.tell("kitchen", [Entry(SYMBOL, n, n, SYMBOL_LINE) for n in range(10_000)])
        await asyncio.to_thread(deaf.ask, SYMBOLS, "Accept: text/event-stream")
        await asyncio.to_thread(deaf.socket.recv, 1)
        connection = server_side(deaf, HttpConnection)
        await until(lambda: connection.flow.write_paused)
        kept = connection.transport.get_write_buffer_size()
        await until(lambda: not connection.flow.write_paused)  # nobody waits to write any more
        heard = await asyncio.to_thread(deaf.rest)

    assert kept < 1 << 18
    assert len(heard) < 10_000 * len(SYMBOL_LINE)


# --- who does not ask ------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"])
async def test_a_connection_on_which_nothing_is_asked_ends(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "SILENCE_S", 0.05)
    async with a_gateway(caplog) as address, a_raw(address) as silent, a_raw(address) as follower:
        await asyncio.to_thread(follower.ask, SYMBOLS, "Accept: text/event-stream")
        await asyncio.to_thread(silent.socket.sendall, begun)
        assert await asyncio.to_thread(silent.rest) == b""
        follower.socket.settimeout(0.2)  # four times as long
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(follower.rest)


async def test_the_head_of_a_question_is_not_collected_without_end(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is installed beside uvicorn: with httptools it would be."""
    async with a_gateway(caplog) as address, a_raw(address) as client:
        with contextlib.suppress(ConnectionError):
            await asyncio.to_thread(client.ask, "/healthz", *(f"X-{n}: {'x' * 1000}" for n in range(200)))
        head, _, _ = (await asyncio.to_thread(client.rest)).partition(b"\r\n")

    assert head in (b"", b"HTTP/1.1 400 Bad Request")


async def test_a_body_that_does_not_come_is_not_waited_for(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "_BODY_S", 0.05)

    async with a_gateway(caplog) as address, a_raw(address) as client:
        head = f"POST /api/multimodal/batch HTTP/1.1\r\nHost: {address}\r\nContent-Length: 100\r\n\r\n{{"
        await asyncio.to_thread(client.socket.sendall, head.encode())
        answer = b""
        while not answer.endswith(b"}"):
            answer += await asyncio.to_thread(client.socket.recv, SMALL)

    assert b" 408 " in answer
    assert b'"not here within 0.05 s; send less at once"' in answer


# --- who says what nobody can ----------------------------------------------------------


async def test_what_is_no_text_is_hung_up_on_and_said_in_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http._STRANGERS, "_again_s", {})
    async with a_gateway(caplog) as address:
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                async with a_raw(address) as client:
                    await asyncio.to_thread(client.open_websocket, "kitchen")
                    await asyncio.to_thread(client.send, TEXT, b"\xff")
                    heard = await asyncio.to_thread(client.rest)
                assert heard.endswith(b"\x88\x02" + struct.pack("!H", 1007))

    assert caplog.text.count("gateway.not_text") == 1
    assert "Traceback" not in caplog.text


async def test_nonsense_and_goodbye_at_once_are_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog) as address, a_raw(address) as client:
        await asyncio.to_thread(client.open_websocket, "kitchen")
        goodbye = bytes([LAST | CLOSE, 0x82]) + bytes(4) + struct.pack("!H", 1000)
        nonsense = bytes([LAST | TEXT, 0x81]) + bytes(4) + b"\xff"
        await asyncio.to_thread(client.socket.sendall, nonsense + goodbye)
        assert (await asyncio.to_thread(client.rest)).endswith(struct.pack("!H", 1000))

    assert "Fatal error" not in caplog.text


async def test_a_message_in_endless_pieces_is_not_collected(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog) as address, a_raw(address) as client:
        await asyncio.to_thread(client.open_websocket, "kitchen")
        await asyncio.to_thread(client.send, TEXT, b"{", end=MORE)
        await asyncio.to_thread(client.send, 0, b"", end=MORE, times=2000)
        heard = await asyncio.to_thread(client.rest)

    assert struct.pack("!H", 1009) + b"a message of more than 1024 pieces" in heard


async def test_what_is_squeezed_is_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    """A kilobyte can be made a megabyte of: who offers to squeeze is told no."""
    async with a_gateway(caplog) as address, a_raw(address) as client:
        head = await asyncio.to_thread(client.open_websocket, "kitchen")

    assert b" 101 " in head
    assert b"deflate" not in head
