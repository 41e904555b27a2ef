"""One Fuse stream: it listens and speaks at once, and every decision is elsewhere.

Messages are taken as bytes and parsed here, so that one that is too large or no message at all is
refused like any other wrong input, and its stream lives on.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from sensorium import wire
from sensorium.concepts import Vocabulary
from sensorium.delivery import RESOURCE_EXHAUSTED, Refusal, Request, SequencedWindow
from sensorium.errors import FieldError, SensoriumError
from sensorium.limits import ANSWERS_PER_MESSAGE
from sensorium.v1 import fusion_pb2
from sensorium_cloud.accept import Check, Conversation
from sensorium_cloud.answer import Answer, Desk, Sent
from sensorium_cloud.publish import message, symbol_message, together
from sensorium_cloud.refine import Arrival, Understand
from sensorium_cloud.unread import Unread

Take = Callable[[int, int], int]
"""Let so many windows pass now: 0, or in how many ms to come again."""
Context = grpc.aio.ServicerContext[bytes, bytes]
M = TypeVar("M", bound=Message)

_REFUSED_S: Final = 0.025
"""For so long refusals wait for others to be written with: nobody comes back sooner."""
_WAY_BACK: Final = 10
"""One part in so many of a device's patience is left for the answer to reach it."""
_NEVER_NS: Final = 1 << 62
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
        hello_s: how long a stream may take to say whose it is; 0 is for ever.
        idle_s: after so long without a message a stream is ended; 0 is never.
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
    hello_s: float = 10.0
    idle_s: float = 0.0


def pushback(after_ms: int) -> tuple[tuple[str, str], ...]:
    """The standard way to tell a gRPC client when to retry (gRFC A6)."""
    return (("grpc-retry-pushback-ms", str(after_ms)),)


class GoneError(Exception):
    """The device has left; nothing more can be said to it."""


async def write(context: Context, raw: bytes) -> None:
    try:
        await context.write(raw)
    except (grpc.aio.InternalError, asyncio.InvalidStateError) as error:
        raise GoneError from error


class Stream:
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
        self._loop = asyncio.get_running_loop()
        self._acknowledging = False
        self._failed: SensoriumError | None = None
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False
        self._listening: asyncio.Task[None] | None = None
        self._heard_ns = self._since_ns = now_ns()
        """When the newest message was read, and since when it could have been."""
        self._until_ns = _NEVER_NS
        """When the stream itself ends, if its device gave it a deadline."""
        self._unread = Unread()
        self._silence: asyncio.TimerHandle | None = None
        self._refused: asyncio.TimerHandle | None = None
        """When refusals are written, if nothing else is before."""

    async def run(self, requests: AsyncIterator[bytes]) -> None:
        loop, age_s = asyncio.get_running_loop(), self._terms.stream_age_s
        self._until_ns = deadline_ns(self._now_ns(), self._context, _NEVER_NS)
        # Spread: devices that came together would all come back together.
        aged = loop.call_later(age_s * random.uniform(0.9, 1.1), self.leave) if age_s else None  # noqa: S311
        self._watch_silence()
        try:
            async with asyncio.TaskGroup() as group:
                self._listening = group.create_task(self._listen(requests))
                self._listening.add_done_callback(self._heard_all)
                group.create_task(self._speak())
        finally:
            for timer in (aged, self._silence, self._refused):
                if timer is not None:
                    timer.cancel()

    def _watch_silence(self) -> None:
        """End a stream that has been silent for too long: whoever has something to say again opens another."""
        if not (idle_s := self._terms.idle_s):
            return
        left_s = idle_s - (self._now_ns() - self._heard_ns) * 1e-9
        if left_s > 0 or self._conversation.in_flight:
            self._silence = self._loop.call_later(left_s if left_s > 0 else idle_s, self._watch_silence)
            return
        # Nothing is wrong, so that the status is OK, and has no words of its own.
        reason = f"silent for {idle_s:g} s; open a stream again when there is something to send"
        self._context.set_trailing_metadata((("sensorium-reason", reason), *pushback(0)))
        self.leave()

    def leave(self) -> None:
        """Listen no more; what the device sends meanwhile it sends again, on another stream."""
        if self._listening is not None:
            self._listening.cancel()

    def _heard_all(self, _: asyncio.Task[None]) -> None:
        self._ended = True
        self._news.set()

    async def _listen(self, requests: AsyncIterator[bytes]) -> None:
        async for raw in requests:
            received_ns = self._heard_ns = self._since_ns = self._now_ns()
            self._desk.heard()
            request = parsed_request(raw, self._terms.max_message_bytes, partial(self._shed, received_ns=received_ns))
            self._hear(request, received_ns)
            # A device that does not read its answers is not listened to: the outbox stays bounded.
            while len(self._outbox) > self._terms.max_in_flight:
                self._room.clear()
                await self._room.wait()

    def _shed(self, batch: fusion_pb2.WindowBatch, *, received_ns: int) -> Request | None:
        """Refusals for all of a message's windows where none can be answered in time.

        Nothing is looked into: refusing must cost little, or it would keep us from answering.
        """
        windows = batch.windows
        if not windows:
            return None
        lay_ns = self._unread.lay_ns(batch.sent_ns, received_ns)
        self._since_ns = received_ns - lay_ns
        until_ns = self._since_ns + max(map(self._patience_ns, windows))
        talk = self._conversation
        refusal = talk.full() or talk.too_soon(received_ns) or self._too_fast(received_ns, len(windows))
        if refusal is None and (refusal := self._desk.shed(talk.hello.device_id, until_ns, lay_ns)) is not None:
            talk.put_off(refusal, received_ns)
        return None if refusal is None else _all_of(windows, refusal)

    def _patience_ns(self, item: SequencedWindow | fusion_pb2.SequencedWindow) -> int:
        stated_ns = item.patience_ms * 1_000_000
        return min(stated_ns - stated_ns // _WAY_BACK or self._terms.patience_ns, self._terms.patience_ns)

    def _too_fast(self, received_ns: int, count: int) -> Refusal | None:
        if not (wait_ms := self._take(received_ns, count)):
            return None
        reason = f"at most {self._terms.windows_per_s:g} windows a second of a device"
        return Refusal(0, RESOURCE_EXHAUSTED, "", reason, wait_ms)

    def _hear(self, request: Request | Refusal, received_ns: int) -> None:
        heard = self._conversation.hear((request,) if isinstance(request, Refusal) else request)
        if heard.say:
            self._desk.count_refused([response for response in heard.say if isinstance(response, Refusal)])
        for response in heard.say:
            self._say(message(response), soon=not isinstance(response, Refusal) or response.final)
        now_ns = self._now_ns()
        until_ns = min(now_ns + self._terms.patience_ns, self._until_ns)
        for item in heard.fuse:
            own_ns = min(until_ns, self._since_ns + self._patience_ns(item))
            self._ask(item, Arrival(item.window, received_ns, now_ns, own_ns, self._vocabulary))

    def _ask(self, item: SequencedWindow, arrival: Arrival) -> None:
        self._desk.answer(
            Sent(self._conversation.hello, item, arrival), lambda answer: self._answered(item.sequence, answer)
        )

    def _answered(self, sequence: int, answer: Answer) -> None:
        if isinstance(answer, Refusal):
            refusal = replace(answer, sequence=sequence)
            self._conversation.refused(refusal)
            self._say(message(refusal), soon=refusal.final)
        else:
            self._conversation.answered(sequence)
            self._say(symbol_message(sequence, answer))

    def _say(self, raw: bytes, *, soon: bool = True) -> None:
        """Have it written, and behind it how far the spool has come, once the store knows that.

        What need not be ``soon`` is written with others that come in a moment: a write costs more than what it says.
        """
        self._outbox.append(raw)
        if self._acknowledging:
            return
        if soon or not self._conversation.hello.takes_several:
            self._acknowledging = True  # what is said in this turn of the event loop is acknowledged together
            self._loop.call_soon(self._acknowledge)
        elif self._refused is None:
            self._refused = self._loop.call_later(_REFUSED_S, self._say_refused)

    def _say_refused(self) -> None:
        self._refused = None
        if not self._acknowledging:
            self._acknowledging = True
            self._acknowledge()

    def _acknowledge(self) -> None:
        ack = self._conversation.ack()
        if ack is None:
            self._acknowledging = False
            self._news.set()
        else:
            self._desk.advance(self._conversation.hello, ack.through, partial(self._advanced, message(ack)))

    def _advanced(self, ack: bytes, failed: SensoriumError | None) -> None:
        self._failed = self._failed or failed
        if failed is None:
            self._outbox.append(ack)
        self._news.set()
        self._acknowledge()  # of what was answered meanwhile

    async def _speak(self) -> None:
        """Write whatever there is; several in one message cost as much as one, where the device takes them."""
        most = ANSWERS_PER_MESSAGE if self._conversation.hello.takes_several else 1
        while not self._said_all():
            await self._news.wait()
            self._news.clear()
            if self._failed is not None:
                raise self._failed
            while self._outbox:
                await self._write_next(most)

    def _said_all(self) -> bool:
        waiting = self._acknowledging or self._refused is not None or self._news.is_set()
        return self._ended and not (self._conversation.in_flight or waiting)

    async def _write_next(self, most: int) -> None:
        said, size = [self._outbox.popleft()], 0
        while self._outbox and len(said) < most and (size := size + len(said[-1])) < _TOGETHER_BYTES:
            said.append(self._outbox.popleft())
        await write(self._context, together(said))
        self._room.set()


def unlimited(now_ns: int, count: int) -> int:  # noqa: ARG001
    return 0


def _all_of(windows: Sequence[fusion_pb2.SequencedWindow], refusal: Refusal) -> Request:
    return tuple(replace(refusal, sequence=window.sequence) for window in windows if window.sequence)


# --- messages --------------------------------------------------------------------------


Shed = Callable[[fusion_pb2.WindowBatch], Request | None]
"""What to say of windows that nobody looks into, if that is so."""


def parsed_request(raw: bytes, max_bytes: int, shed: Shed = lambda _: None) -> Request | Refusal:
    """What a message of a stream says, or why it is refused as a whole."""
    try:
        check_size(raw, max_bytes)
        message = parse(raw, fusion_pb2.FuseRequest)
        return shed(message.windows) or wire.request_from_proto(message)
    except FieldError as error:
        return Refusal.of(error, _only_sequence(raw))


def _only_sequence(raw: bytes) -> int:
    """The sequence of a message's only window, so that its sender knows which one is meant; else 0."""
    try:
        windows = fusion_pb2.FuseRequest.FromString(raw).windows.windows
    except DecodeError:
        return 0
    return windows[0].sequence if len(windows) == 1 else 0


def parse(raw: bytes, kind: type[M]) -> M:
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise FieldError("message", f"not a {kind.DESCRIPTOR.full_name}") from error


def check_size(raw: bytes, max_bytes: int) -> None:
    if len(raw) > max_bytes:
        raise FieldError("message", f"at most {max_bytes} bytes, not {len(raw)}; send fewer windows at once")


def deadline_ns(now_ns: int, context: Context, patience_ns: int) -> int:
    remaining_s = context.time_remaining()
    return now_ns + (patience_ns if remaining_s is None else min(round(remaining_s * 1e9), patience_ns))
