"""The gRPC shell: who may come and on what terms; each stream goes its own way in `stream`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Final

import grpc

from sensorium import wire
from sensorium.delivery import INVALID_ARGUMENT, Hello, Refusal, Welcome
from sensorium.errors import FieldError, SensoriumError
from sensorium.symbol import Symbol
from sensorium.v1 import fusion_pb2
from sensorium.window import Window
from sensorium_cloud._app.statuses import abort, caller
from sensorium_cloud._app.stream import (
    Context,
    GoneError,
    Stream,
    Terms,
    check_size,
    deadline_ns,
    parse,
    parsed_request,
    pushback,
    unlimited,
    write,
)
from sensorium_cloud.accept import Conversation
from sensorium_cloud.access import Crowd, Rates
from sensorium_cloud.answer import Desk
from sensorium_cloud.publish import message
from sensorium_cloud.refine import Arrival

log = logging.getLogger(__name__)

SERVICE: Final = "sensorium.v1.FusionService"
_HELLO_RETRY_MS: Final = 1_000


class FusionService:
    """The handlers of `sensorium.v1.FusionService`."""

    def __init__(self, desk: Desk, terms: Terms, *, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._desk = desk
        self._terms = terms
        self._now_ns = now_ns
        self._crowd = Crowd("streams", terms.max_streams)
        self._rates = Rates(terms.windows_per_s) if terms.windows_per_s else None
        self._streams: set[Stream] = set()
        self._draining = False

    def handlers(self) -> grpc.GenericRpcHandler[bytes, bytes]:
        """What to add to a `grpc.aio` server."""
        methods = {
            "Fuse": grpc.stream_stream_rpc_method_handler(self.fuse),
            "FuseBatch": grpc.unary_unary_rpc_method_handler(self.fuse_batch),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def drain(self) -> None:
        """Listen to nobody any more; each stream ends when what was heard on it is answered."""
        self._draining = True
        for stream in self._streams:
            stream.leave()

    async def fuse(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """One stream, from Hello until the device leaves."""
        try:
            hello = await self._greeted(requests, context)
            if hello is not None:
                await self._check_name(hello, context)
                await self._converse(hello, requests, context)
        except* GoneError:
            log.debug("stream.gone")
        except* SensoriumError as group:
            # A device that floods, or a store that fails: coming back later may help.
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(group.exceptions[0]))

    async def _check_name(self, hello: Hello, context: Context) -> None:
        """End the stream of a device that takes another's name: it could feed its session, or move its spool on."""
        if not self._terms.own_names:
            return
        names = [name.decode(errors="replace") for name in context.auth_context().get("x509_common_name", ())]
        if hello.device_id not in names:
            said = f"the certificate is of {', '.join(names) or 'nobody'}, not of {hello.device_id}"
            log.warning("stream.refused reason=%s", said)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"{said}; set device_name, or tls.own_names there")

    async def _converse(self, hello: Hello, requests: AsyncIterator[bytes], context: Context) -> None:
        with self._crowd.joined(hello.device_id):
            await self._welcome(hello, requests, context)

    async def _welcome(self, hello: Hello, requests: AsyncIterator[bytes], context: Context) -> None:
        terms = self._terms
        resume_after = await self._desk.memory.resume_after(hello)
        vocabulary = await asyncio.to_thread(terms.understand, hello.taught) if hello.taught else None
        welcome = Welcome(resume_after, terms.max_in_flight, terms.max_message_bytes, terms.software)
        await write(context, message(welcome))
        conversation = Conversation(
            hello, resume_after=resume_after, max_in_flight=terms.max_in_flight, check=terms.check
        )
        take = partial(self._rates.take, hello.device_id) if self._rates else unlimited
        stream = Stream(self._desk, terms, conversation, context, self._now_ns, vocabulary=vocabulary, take=take)
        if self._draining:  # it greeted us while we were asked to stop
            return
        self._streams.add(stream)
        try:
            await stream.run(requests)
        finally:
            self._streams.discard(stream)

    async def _greeted(self, requests: AsyncIterator[bytes], context: Context) -> Hello | None:
        """Who speaks; None if the stream ends before anybody said."""
        hello_s = self._terms.hello_s
        try:
            async with asyncio.timeout(hello_s or None):
                return await self._hello(requests, context)
        except TimeoutError:
            reason = f"no Hello within {hello_s:g} s; the first message of a stream is a Hello"
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, reason, pushback(_HELLO_RETRY_MS))

    async def _hello(self, requests: AsyncIterator[bytes], context: Context) -> Hello | None:
        async for raw in requests:
            request = parsed_request(raw, self._terms.max_message_bytes)
            if isinstance(request, Hello):
                return request
            wrong = request if isinstance(request, Refusal) else Refusal(0, INVALID_ARGUMENT, "hello", "missing")
            reason = f"{wrong.reason}; the first message of a stream is a Hello"
            await write(context, message(replace(wrong, reason=reason)))
        return None

    async def fuse_batch(self, raw: bytes, context: Context) -> bytes:
        """A batch at once: all of it, or an error."""
        received_ns = self._now_ns()
        try:
            windows = self._batch(raw)
        except FieldError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if self._rates and (wait_ms := self._rates.take(caller(context), received_ns, len(windows))):
            reason = f"at most {self._terms.windows_per_s:g} windows a second of one caller; try again in {wait_ms} ms"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, reason, pushback(wait_ms))
        until = deadline_ns(self._now_ns(), context, self._terms.patience_ns)
        arrivals = [Arrival(window, received_ns, self._now_ns(), until) for window in windows]
        results = await self._desk.refinery.refine_all(arrivals)
        symbols: list[Symbol] = []
        for index, result in enumerate(results):
            if isinstance(result, SensoriumError):
                await abort(context, result, index)
            else:
                symbols.append(result[0])
        return wire.symbols_to_proto(symbols).SerializeToString()

    def _batch(self, raw: bytes) -> tuple[Window, ...]:
        check_size(raw, self._terms.max_message_bytes)
        windows = wire.batch_from_proto(parse(raw, fusion_pb2.FuseBatchRequest))
        for index, window in enumerate(windows):
            try:
                self._terms.check(window)
            except FieldError as error:
                raise error.inside(f"windows[{index}]") from None
        return windows
