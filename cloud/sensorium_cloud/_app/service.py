"""The gRPC shell: bytes in, bytes out, every decision elsewhere.

Messages are taken as bytes and parsed here, so that one that is too large or no message at all is
refused like any other wrong input, and its stream lives on.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from sensorium import wire
from sensorium.concepts import Vocabulary
from sensorium.delivery import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, Hello, Refusal, Request, SequencedWindow, Welcome
from sensorium.errors import FieldError, SensoriumError
from sensorium.limits import ANSWERS_PER_MESSAGE
from sensorium.symbol import Symbol
from sensorium.v1 import fusion_pb2
from sensorium.window import Window
from sensorium_cloud.accept import Check, Conversation
from sensorium_cloud.access import Crowd, Rates
from sensorium_cloud.answer import Answer, Desk, Sent
from sensorium_cloud.batch import Overloaded
from sensorium_cloud.publish import message, symbol_message, together
from sensorium_cloud.refine import Arrival, Understand

log = logging.getLogger(__name__)

Take = Callable[[int, int], int]
"""Let so many windows pass now: 0, or in how many ms to come again."""
Context = grpc.aio.ServicerContext[bytes, bytes]
M = TypeVar("M", bound=Message)

SERVICE: Final = "sensorium.v1.FusionService"
_TOGETHER_BYTES: Final = 1 << 18
"""From so many on an answer begins a message of its own: clients take four megabytes if they were told nothing else."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the service promises and asks for.

    Attributes:
        max_in_flight: unanswered windows of one stream.
        max_message_bytes: largest message; gRPC itself takes more, so that we can say so.
        patience_ns: how long a window may wait.
        check: refuses a window that the fusion cannot take.
        software: name and version of the service.
        understand: the vocabulary of a device that was taught something.
        max_streams: of one device at once.
        stream_age_s: after about so long a stream is ended, for its device to choose a replica anew; 0 is never.
        windows_per_s: of one device; 0 is as many as can be done.
        own_names: whether a device's name has to be that of its certificate.
    """

    max_in_flight: int
    max_message_bytes: int
    patience_ns: int
    check: Check
    software: str
    understand: Understand = lambda _: None
    max_streams: int = 16
    stream_age_s: float = 0.0
    windows_per_s: float = 0.0
    own_names: bool = False


class FusionService:
    """The handlers of `sensorium.v1.FusionService`."""

    def __init__(self, desk: Desk, terms: Terms, *, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._desk = desk
        self._terms = terms
        self._now_ns = now_ns
        self._crowd = Crowd("streams", terms.max_streams)
        self._rates = Rates(terms.windows_per_s) if terms.windows_per_s else None
        self._streams: set[_Stream] = set()
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
        except* _GoneError:
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
        await _write(context, message(welcome))
        conversation = Conversation(
            hello, resume_after=resume_after, max_in_flight=terms.max_in_flight, check=terms.check
        )
        take = partial(self._rates.take, hello.device_id) if self._rates else _unlimited
        stream = _Stream(self._desk, terms, conversation, context, self._now_ns, vocabulary=vocabulary, take=take)
        if self._draining:  # it greeted us while we were asked to stop
            return
        self._streams.add(stream)
        try:
            await stream.run(requests)
        finally:
            self._streams.discard(stream)

    async def _greeted(self, requests: AsyncIterator[bytes], context: Context) -> Hello | None:
        """Who speaks; None if the stream ends before anybody said."""
        async for raw in requests:
            request = parsed_request(raw, self._terms.max_message_bytes)
            if isinstance(request, Hello):
                return request
            wrong = request if isinstance(request, Refusal) else Refusal(0, INVALID_ARGUMENT, "hello", "missing")
            reason = f"{wrong.reason}; the first message of a stream is a Hello"
            await _write(context, message(replace(wrong, reason=reason)))
        return None

    async def fuse_batch(self, raw: bytes, context: Context) -> bytes:
        """A batch at once: all of it, or an error."""
        received_ns = self._now_ns()
        try:
            windows = self._batch(raw)
        except FieldError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        until = _deadline_ns(self._now_ns(), context, self._terms.patience_ns)
        arrivals = [Arrival(window, received_ns, self._now_ns(), until) for window in windows]
        results = await self._desk.refinery.refine_all(arrivals)
        symbols: list[Symbol] = []
        for index, result in enumerate(results):
            if isinstance(result, SensoriumError):
                await _abort(context, result, index)
            else:
                symbols.append(result[0])
        return wire.symbols_to_proto(symbols).SerializeToString()

    def _batch(self, raw: bytes) -> tuple[Window, ...]:
        _check_size(raw, self._terms.max_message_bytes)
        windows = wire.batch_from_proto(_parsed(raw, fusion_pb2.FuseBatchRequest))
        for index, window in enumerate(windows):
            try:
                self._terms.check(window)
            except FieldError as error:
                raise error.inside(f"windows[{index}]") from None
        return windows


class _GoneError(Exception):
    """The device has left; nothing more can be said to it."""


async def _write(context: Context, raw: bytes) -> None:
    try:
        await context.write(raw)
    except (grpc.aio.InternalError, asyncio.InvalidStateError) as error:
        raise _GoneError from error


class _Stream:
    """Listens and speaks at once; whatever is answered goes through one bounded outbox."""

    def __init__(
        self,
        desk: Desk,
        terms: Terms,
        conversation: Conversation,
        context: Context,
        now_ns: Callable[[], int],
        *,
        vocabulary: Vocabulary | None,
        take: Take,
    ) -> None:
        self._vocabulary = vocabulary
        self._take = take
        self._desk = desk
        self._terms = terms
        self._conversation = conversation
        self._context = context
        self._now_ns = now_ns
        self._outbox: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False
        self._listening: asyncio.Task[None] | None = None

    async def run(self, requests: AsyncIterator[bytes]) -> None:
        loop, age_s = asyncio.get_running_loop(), self._terms.stream_age_s
        # Spread: devices that came together would all come back together.
        aged = loop.call_later(age_s * random.uniform(0.9, 1.1), self.leave) if age_s else None  # noqa: S311
        try:
            async with asyncio.TaskGroup() as group:
                self._listening = group.create_task(self._listen(requests))
                self._listening.add_done_callback(self._heard_all)
                group.create_task(self._speak())
        finally:
            if aged is not None:
                aged.cancel()

    def leave(self) -> None:
        """Listen no more; what the device sends meanwhile it sends again, on another stream."""
        if self._listening is not None:
            self._listening.cancel()

    def _heard_all(self, _: asyncio.Task[None]) -> None:
        self._ended = True
        self._news.set()

    async def _listen(self, requests: AsyncIterator[bytes]) -> None:
        async for raw in requests:
            received_ns = self._now_ns()
            request = self._shed(raw, received_ns) or parsed_request(raw, self._terms.max_message_bytes)
            self._hear(request, received_ns)
            # A device that does not read its answers is not listened to: the outbox stays bounded.
            while len(self._outbox) > self._terms.max_in_flight:
                self._room.clear()
                await self._room.wait()

    def _shed(self, raw: bytes, received_ns: int) -> Request | None:
        """Refusals for all of a message's windows where none can be answered in time.

        Nothing is looked into: refusing must cost little, or it would keep us from answering.
        """
        if len(raw) > self._terms.max_message_bytes:
            return None
        try:
            windows = fusion_pb2.FuseRequest.FromString(raw).windows.windows
        except DecodeError:
            return None
        if windows and (wait_ms := self._take(received_ns, len(windows))):
            reason = f"at most {self._terms.windows_per_s:g} windows a second of a device"
            return _all_of(windows, Refusal(0, RESOURCE_EXHAUSTED, "", reason, wait_ms))
        longest_ns = max((w.patience_ms * 1_000_000 or self._terms.patience_ns for w in windows), default=0)
        refusal = self._desk.shed(received_ns + min(longest_ns, self._terms.patience_ns)) if windows else None
        return None if refusal is None else _all_of(windows, refusal)

    def _hear(self, request: Request | Refusal, received_ns: int) -> None:
        heard = self._conversation.hear((request,) if isinstance(request, Refusal) else request)
        for response in heard.say:
            if isinstance(response, Refusal):
                self._desk.counted(response)
            self._say(message(response))
        until = _deadline_ns(self._now_ns(), self._context, self._terms.patience_ns)
        for item in heard.fuse:
            own = min(until, received_ns + item.patience_ms * 1_000_000) if item.patience_ms else until
            self._ask(item, Arrival(item.window, received_ns, self._now_ns(), own, self._vocabulary))

    def _ask(self, item: SequencedWindow, arrival: Arrival) -> None:
        self._desk.answer(
            Sent(self._conversation.hello, item, arrival), lambda answer: self._answered(item.sequence, answer)
        )

    def _answered(self, sequence: int, answer: Answer) -> None:
        if isinstance(answer, Refusal):
            refusal = replace(answer, sequence=sequence)
            self._conversation.refused(refusal)
            self._say(message(refusal))
        else:
            self._conversation.answered(sequence)
            self._say(symbol_message(sequence, answer))

    def _say(self, raw: bytes) -> None:
        self._outbox.append(raw)
        self._news.set()

    async def _speak(self) -> None:
        say = self._say_together if self._conversation.hello.takes_several else self._say_each
        while not (self._ended and self._conversation.in_flight == 0 and not self._news.is_set()):
            await self._news.wait()
            self._news.clear()
            await say()

    async def _say_each(self) -> None:
        while self._outbox:
            await self._write_next(1)
        if (ack := await self._acknowledgement()) is not None:
            await _write(self._context, ack)

    async def _say_together(self) -> None:
        """Everything in one message: a write costs as much as making the symbols of several windows."""
        if (ack := await self._acknowledgement()) is not None:
            self._outbox.append(ack)
        while self._outbox:
            await self._write_next(ANSWERS_PER_MESSAGE)

    async def _write_next(self, most: int) -> None:
        said, size = [self._outbox.popleft()], 0
        while self._outbox and len(said) < most and (size := size + len(said[-1])) < _TOGETHER_BYTES:
            said.append(self._outbox.popleft())
        await _write(self._context, together(said))
        self._room.set()

    async def _acknowledgement(self) -> bytes | None:
        """After the symbols, and only once the store knows how far the spool has come."""
        ack = self._conversation.ack()
        if ack is None:
            return None
        await self._desk.memory.advance(self._conversation.hello, ack.through)
        return message(ack)


def _unlimited(now_ns: int, count: int) -> int:  # noqa: ARG001
    return 0


def _all_of(windows: Iterable[fusion_pb2.SequencedWindow], refusal: Refusal) -> Request:
    return tuple(replace(refusal, sequence=window.sequence) for window in windows if window.sequence)


# --- messages --------------------------------------------------------------------------


def parsed_request(raw: bytes, max_bytes: int) -> Request | Refusal:
    """What a message of a stream says, or why it is refused as a whole."""
    try:
        _check_size(raw, max_bytes)
        return wire.request_from_proto(_parsed(raw, fusion_pb2.FuseRequest))
    except FieldError as error:
        return Refusal.of(error, _only_sequence(raw))


def _only_sequence(raw: bytes) -> int:
    """The sequence of a message's only window, so that its sender knows which one is meant; else 0."""
    try:
        windows = fusion_pb2.FuseRequest.FromString(raw).windows.windows
    except DecodeError:
        return 0
    return windows[0].sequence if len(windows) == 1 else 0


def _parsed(raw: bytes, kind: type[M]) -> M:
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise FieldError("message", f"not a {kind.DESCRIPTOR.full_name}") from error


def _check_size(raw: bytes, max_bytes: int) -> None:
    if len(raw) > max_bytes:
        raise FieldError("message", f"at most {max_bytes} bytes, not {len(raw)}; send fewer windows at once")


def _deadline_ns(now_ns: int, context: Context, patience_ns: int) -> int:
    remaining_s = context.time_remaining()
    return now_ns + (patience_ns if remaining_s is None else min(round(remaining_s * 1e9), patience_ns))


async def _abort(context: Context, error: SensoriumError, index: int) -> None:
    """End a unary call with the status that says what its caller can do."""
    match error:
        case Overloaded():
            # The standard way to tell a gRPC client when to retry (gRFC A6).
            pushback = (("grpc-retry-pushback-ms", str(error.retry_after_ms)),)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), pushback)
        case FieldError():
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error.inside(f"windows[{index}]")))
        case _:
            await context.abort(grpc.StatusCode.INTERNAL, f"windows[{index}]: {error}")
