"""Windows, a fusion that counts, and a device that speaks gRPC to a real service."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace

import grpc

from sensorium import wire
from sensorium.delivery import Hello, Response, SequencedWindow, Welcome
from sensorium.errors import FieldError
from sensorium.event import Event, Media, Modality
from sensorium.symbol import Provenance, Revision, Share, Symbol, entropy_of
from sensorium.v1 import fusion_pb2, fusion_pb2_grpc
from sensorium.window import Presence, Slot, Window
from sensorium_cloud._app.server import running
from sensorium_cloud._app.settings import Engine, Listen, Settings
from sensorium_cloud.encode.encoders import EncodedWindow
from sensorium_cloud.refine import Engines

MS = 1_000_000


def an_event(label: str | None = "nod", *, session: str = "kitchen", at_ns: int = 0, **what: object) -> Event:
    modality = what.pop("modality", Modality.GESTURE)
    assert isinstance(modality, Modality)
    event = Event(modality, f"{modality}_{session}", 0, session, at_ns, label=label, score=0.9)
    return replace(event, **what)  # type: ignore[arg-type]


def a_window(index: int = 0, *events: Event, session: str = "kitchen") -> Window:
    """The session's window number ``index``, with a gesture if nothing else is given."""
    chosen = events or (an_event(session=session, at_ns=500 * index * MS + MS),)
    slots = []
    for modality in Modality:
        own = tuple(event for event in chosen if event.modality is modality)
        slot = Slot(modality, Presence.PRESENT, own, age_ns=0, offset_ns=0) if own else Slot(modality, Presence.ABSENT)
        slots.append(slot)
    start, end = 500 * index * MS, 500 * (index + 1) * MS
    return Window(f"{session}.{index}", session, index, 0, start, end, end + 100 * MS, tuple(slots))


def a_picture(data: bytes = b"\xff\xd8") -> Event:
    return an_event(None, modality=Modality.VIDEO, media=Media("image/jpeg", data))


def words(text: str) -> Event:
    return an_event(None, modality=Modality.TEXT, text=text)


def a_symbol(window: Window) -> Symbol:
    return Symbol(
        id=window.id,
        session_id=window.session_id,
        revision=Revision.CLOUD,
        window_revision=window.revision,
        start_ns=window.start_ns,
        end_ns=window.end_ns,
        concept="approve",
        content="Yes.",
        abstained=None,
        confidence=0.9,
        alternatives=(),
        domains=("GESTURE",),
        shares=tuple(Share(slot.modality, slot.presence) for slot in window.slots),
        entropy=entropy_of((0.9, 0.1), (1.0,), 0.0, 1),
        latency=(),
        timeline=(),
        provenance=Provenance("fake", "fake"),
    )


@dataclass
class FakeFusion:
    """Stands for encoders and network: remembers what it fused; holds fusion or pictures until told to go on."""

    batches: list[list[str]] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    pictures_go: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go.set()
        self.pictures_go.set()

    @property
    def fused(self) -> list[str]:
        return [window for batch in self.batches for window in batch]

    def engines(self) -> Engines:
        return Engines(check=self.check, add_pictures=self.look, add_words=lambda batch: batch, fuse=self.fuse)

    def check(self, window: Window) -> None:
        for slot in window.slots:
            if any(event.label == "unfit" for event in slot.events):
                raise FieldError("slots[3].events[0].features", "has shape [3]; a gesture vector has 128 numbers")

    def look(self, batch: Sequence[EncodedWindow]) -> Sequence[EncodedWindow]:
        assert self.pictures_go.wait(10)
        return [replace(encoded, encode_ms=7.0) for encoded in batch]

    def fuse(self, batch: Sequence[EncodedWindow]) -> list[Symbol]:
        assert self.go.wait(10)
        self.batches.append([encoded.window.id for encoded in batch])
        for encoded in batch:
            if any(event.label == "poison" for slot in encoded.window.slots for event in slot.events):
                raise ZeroDivisionError
        return [a_symbol(encoded.window) for encoded in batch]


def settings(**engine: float) -> Settings:
    return Settings(listen=Listen(port=0, stop_grace_s=0.1), engine=Engine(provider="cpu", **engine))  # type: ignore[arg-type]


@dataclass
class Device:
    """A client on one Fuse stream."""

    call: grpc.aio.StreamStreamCall

    async def say(self, message: fusion_pb2.FuseRequest) -> None:
        await self.call.write(message)

    async def greet(self, spool: str = "spool-a", device: str = "pi") -> Welcome:
        await self.say(wire.request_to_proto(Hello(device, spool)))
        welcome = await self.hear()
        assert isinstance(welcome, Welcome)
        return welcome

    async def send(self, *windows: Window, first: int = 1) -> None:
        await self.say(wire.request_to_proto([SequencedWindow(first + i, w) for i, w in enumerate(windows)]))

    async def hear(self) -> Response:
        async with asyncio.timeout(10):
            raw = await self.call.read()
        assert raw is not grpc.aio.EOF, await self.call.code()
        return wire.response_from_proto(raw)

    async def hear_many(self, count: int) -> list[Response]:
        return [await self.hear() for _ in range(count)]

    async def leave(self) -> list[Response]:
        """Say that nothing more comes; what is still heard."""
        await self.call.done_writing()
        heard = []
        async with asyncio.timeout(10):
            while (raw := await self.call.read()) is not grpc.aio.EOF:
                heard.append(wire.response_from_proto(raw))
        return heard


@dataclass
class Client:
    address: str
    channel: grpc.aio.Channel

    @property
    def stub(self) -> fusion_pb2_grpc.FusionServiceStub:
        return fusion_pb2_grpc.FusionServiceStub(self.channel)

    def device(self, **options: float) -> Device:
        return Device(self.stub.Fuse(**options))


@asynccontextmanager
async def connected(settings: Settings, engines: Engines) -> AsyncIterator[Client]:
    """A service and a channel to it, both for real."""
    async with (
        running(settings, engines) as address,
        grpc.aio.insecure_channel(address, options=[("grpc.max_send_message_length", -1)]) as channel,
    ):
        yield Client(address, channel)


Connect = Callable[..., AbstractAsyncContextManager[Client]]
