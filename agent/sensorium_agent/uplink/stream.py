"""One Fuse stream to the cloud: messages go out and come in as bytes, and every way it can end is a `DownError`.

It speaks bytes to gRPC, so that they can be counted, and what is not a message is ours to judge.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError

from sensorium import wire
from sensorium.delivery import Response
from sensorium.errors import FieldError
from sensorium.event import Modality
from sensorium.v1 import event_pb2, fusion_pb2
from sensorium_agent.uplink.channel import Trouble, explain, open_channel
from sensorium_agent.uplink.replicas import Replica

E = TypeVar("E", bound=Exception)

METHOD: Final = "/sensorium.v1.FusionService/Fuse"


class DownError(Exception):
    """The stream is of no more use; ``trouble`` says why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


@dataclass(slots=True)
class Traffic:
    """Bytes of messages so far, both ways, and how many of those sent were each modality's own."""

    sent: int = 0
    received: int = 0
    by_modality: Counter[Modality] = field(default_factory=Counter)

    def count_sent(self, message: fusion_pb2.FuseRequest, size: int) -> None:
        """One more message went, of ``size`` bytes."""
        self.sent += size
        for slot in (slot for sequenced in message.windows.windows for slot in sequenced.window.slots):
            name = event_pb2.Modality.Name(slot.modality).removeprefix("MODALITY_").lower()
            self.by_modality[Modality(name)] += slot.ByteSize()


class FuseStream:
    """A stream to ``target`` that counts as dead when it does not move for ``patience_s``; see `open_stream`."""

    def __init__(self, call: Any, target: str, patience_s: float, traffic: Traffic) -> None:
        self._call, self._target, self._patience_s, self._traffic = call, target, patience_s, traffic
        self._greeted = False
        self._heard: deque[Response] = deque()

    async def write(self, message: fusion_pb2.FuseRequest) -> None:
        """Send a message, and say when; returns when the transport has room for another.

        Raises:
            DownError: the stream has ended, or took nothing for ``patience_s``.
        """
        if message.HasField("windows"):
            message.windows.sent_ns = time.monotonic_ns()
        data = message.SerializeToString()
        try:
            async with asyncio.timeout(self._patience_s):
                await self._call.write(data)
        except TimeoutError:
            raise self.silent() from None
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise await self._ended() from error
        self._traffic.count_sent(message, len(data))

    async def read(self) -> Response:
        """The next answer, however long it takes; the service may send several in one message.

        Raises:
            DownError: the stream has ended, or what came is not a message of the contract.
        """
        while not self._heard:
            self._heard.extend(await self._receive())
        return self._heard.popleft()

    async def _receive(self) -> tuple[Response, ...]:
        try:
            data = await self._call.read()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise await self._ended() from error
        if not isinstance(data, bytes):  # grpc.aio's mark for the end of a stream
            raise await self._ended()
        self._traffic.received += len(data)
        self._greeted = True
        try:
            return wire.responses_from_proto(fusion_pb2.FuseResponse.FromString(data))
        except (DecodeError, FieldError) as error:
            raise nonsense(self._target, str(error)) from error

    def silent(self) -> DownError:
        """Nothing was heard for too long."""
        return DownError(Trouble("silent", f"{self._target}: no answer for {self._patience_s:g} s; trying anew"))

    async def _ended(self) -> DownError:
        code, details = await self._call.code(), await self._call.details()
        return DownError(explain(self._target, code, details, greeted=self._greeted))


@asynccontextmanager
async def open_stream(
    replica: Replica, credentials: grpc.ChannelCredentials | None, patience_s: float, traffic: Traffic
) -> AsyncIterator[FuseStream]:
    """A new stream over a new channel, counted in ``traffic``; both are gone on leaving."""
    async with open_channel(replica, credentials) as channel:
        call = _raw_call(channel)
        try:
            yield FuseStream(call, replica.target, patience_s, traffic)
        finally:
            call.cancel()


def _raw_call(channel: Any) -> Any:
    """A Fuse call of bytes; the stubs of grpc.aio know only the one of the synchronous API."""
    return channel.stream_stream(METHOD)()


def nonsense(target: str, what: str) -> DownError:
    """What was heard breaks the contract."""
    text = f"{target}: does not speak as a fusion service should ({what}); check its version"
    return DownError(Trouble("nonsense", text))


def first(group: BaseExceptionGroup[E]) -> E:
    """One of a group's errors, however deep: each says why the stream ended."""
    error = group.exceptions[0]
    return first(error) if isinstance(error, BaseExceptionGroup) else error
