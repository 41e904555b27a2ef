"""A fusion service that keeps the contract, or breaks it as told; on a real port, with real messages."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from shared.examples import a_symbol

from sensorium import wire
from sensorium.delivery import Ack, Hello, Refusal, Response, SequencedSymbol, SequencedWindow, Welcome
from sensorium.symbol import Symbol
from sensorium.v1 import fusion_pb2
from sensorium.window import Window


def symbol_of(window: Window) -> Symbol:
    return replace(
        a_symbol(),
        id=window.id,
        session_id=window.session_id,
        window_revision=window.revision,
        start_ns=window.start_ns,
        end_ns=window.end_ns,
        boot_id=window.boot_id,
    )


def _to_bytes(said: Message | bytes) -> bytes:
    return said if isinstance(said, bytes) else said.SerializeToString()


class Mood(Enum):
    """How the service behaves."""

    WELL = auto()
    SILENT = auto()
    """Welcomes, then says nothing more."""
    RUDE = auto()
    """Says nothing at all."""
    GARBLED = auto()
    """Answers bytes that are no message."""
    NONSENSE = auto()
    """Answers messages that break the contract."""
    CLOSED = auto()
    """Lets nobody in."""


@dataclass
class Memory:
    """What the service knows of one spool."""

    answers: dict[int, SequencedSymbol | Refusal] = field(default_factory=dict)

    @property
    def safe(self) -> int:
        return max(self.answers, default=0)


@dataclass
class FakeCloud:
    """Answers each window at once, from memory if it has it, and acknowledges it.

    Attributes:
        mood: how it behaves.
        refuse: a refusal for a window, or None.
        max_in_flight: as in its Welcome.
        fused: how often each window was fused, not answered from memory.
        got: how often each window arrived.
        hellos: the greetings.
    """

    mood: Mood = Mood.WELL
    refuse: Callable[[SequencedWindow], Refusal | None] = lambda _: None
    max_in_flight: int = 64
    max_message_bytes: int = 4 << 20
    claims: int = 0
    port: int = 0
    fused: Counter[str] = field(default_factory=Counter)
    got: Counter[str] = field(default_factory=Counter)
    hellos: list[Hello] = field(default_factory=list)
    memory: dict[str, Memory] = field(default_factory=dict)
    streams: int = 0
    _server: grpc.aio.Server | None = None

    @property
    def target(self) -> str:
        return f"localhost:{self.port}"

    async def start(self, credentials: grpc.ServerCredentials | None = None) -> None:
        """Begin to serve, on the same port as before if there was one."""
        options = (("grpc.so_reuseport", 0), ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000))
        self._server = grpc.aio.server(options=options)
        fuse = grpc.stream_stream_rpc_method_handler(
            self._fuse,
            fusion_pb2.FuseRequest.FromString,
            lambda m: m.SerializeToString() if isinstance(m, Message) else m,
        )
        handlers = grpc.method_handlers_generic_handler("sensorium.v1.FusionService", {"Fuse": fuse})
        self._server.add_generic_rpc_handlers((handlers,))
        address = f"localhost:{self.port}"
        if credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, credentials)
        await self._server.start()

    async def stop(self) -> None:
        """Die: what is under way is cut off."""
        assert self._server is not None
        await self._server.stop(None)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _fuse(self, requests: AsyncIterator[fusion_pb2.FuseRequest], context: Any) -> AsyncIterator[Any]:
        self.streams += 1
        memory = Memory()
        async for request in requests:
            said = wire.request_from_proto(request)
            if isinstance(said, Hello):
                self.hellos.append(said)
                memory = self.memory.setdefault(said.spool_id, Memory())
            async for answer in self._answers(said, memory, context):
                yield answer

    async def _answers(self, said: Hello | tuple[Any, ...], memory: Memory, context: Any) -> AsyncIterator[Any]:
        match self.mood:
            case Mood.CLOSED:
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
            case Mood.RUDE:
                await asyncio.Event().wait()
            case Mood.GARBLED:
                yield b"\xff\xff\xff"
            case Mood.NONSENSE:
                yield fusion_pb2.FuseResponse(welcome=fusion_pb2.Welcome())
            case _ if isinstance(said, Hello):
                resume = self.claims or memory.safe
                yield wire.response_to_proto(Welcome(resume, self.max_in_flight, self.max_message_bytes, "fake"))
            case Mood.WELL:
                for answer in [a for one in said for a in self._answer(one, memory)]:
                    yield wire.response_to_proto(answer)

    def _answer(self, one: SequencedWindow | Refusal, memory: Memory) -> list[Response]:
        assert isinstance(one, SequencedWindow), one
        self.got[one.window.id] += 1
        if one.sequence not in memory.answers:
            refusal = self.refuse(one)
            if refusal is not None and not refusal.final:
                return [refusal]
            if refusal is None:
                self.fused[one.window.id] += 1
            memory.answers[one.sequence] = refusal or SequencedSymbol(one.sequence, symbol_of(one.window))
        return [memory.answers[one.sequence], Ack(memory.safe)]
