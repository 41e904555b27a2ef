"""The uplink: windows go through the spool to the cloud, refined symbols come back.

A thin shell: `delivery` decides what to send when, the `outbox` has it on disk, this moves it over one stream
after another.
A cloud that is away costs nothing but room in the spool, and one line in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc

from sensorium import wire
from sensorium.clock import Clock, read_wall
from sensorium.concepts import Concept
from sensorium.delivery import Ack, Hello, Refusal, Response, SequencedSymbol, Welcome
from sensorium.event import Modality
from sensorium.symbol import Symbol
from sensorium.v1 import fusion_pb2
from sensorium.window import Window
from sensorium_agent.spool.log import Counts as SpoolCounts
from sensorium_agent.spool.log import Spool, SpoolError
from sensorium_agent.uplink import delivery
from sensorium_agent.uplink.channel import Trouble
from sensorium_agent.uplink.outbox import Numbered, Outbox
from sensorium_agent.uplink.replicas import Replica, Rounds, ranked, resolve
from sensorium_agent.uplink.stream import DownError, FuseStream, Traffic, first, nonsense, open_stream

log = logging.getLogger(__name__)

_WELCOME_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Stats:
    """The uplink's figures.

    Attributes:
        up: whether the service has welcomed us on the present stream.
        trouble: why not, in one line; empty if up.
        bytes_sent: of messages, before compression and without HTTP/2's frames.
        bytes_received: the same.
        bytes_by_modality: how many of those sent were each modality's own.
        in_flight: windows sent and not answered yet.
        spooled: windows that wait on disk.
        round_trip_ms: from sending the last answered window to its symbol; None before the first.
        delivery: what became of the windows that were sent.
        spool: what became of the windows that were stored.
    """

    up: bool
    trouble: str
    bytes_sent: int
    bytes_received: int
    bytes_by_modality: Mapping[Modality, int]
    in_flight: int
    spooled: int
    round_trip_ms: float | None
    delivery: delivery.Counts
    spool: SpoolCounts


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an uplink waits for what.

    Attributes:
        stream_s: how long an answer may take before the stream counts as dead.
        answer_ms: how long a window's answer is of use; the service refuses at once what would take longer, and it is
            sent again later. 0: as long as the service likes.
        ttl_s: how long a window is worth sending, 0 for ever.
        backoff_s: shortest and longest wait before a reconnect.
    """

    stream_s: float = 20.0
    answer_ms: int = 0
    ttl_s: int = 24 * 3600
    backoff_s: tuple[float, float] = (0.5, 30.0)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who greets the service.

    Attributes:
        device_id: name of this device.
        boot_id: names the boot its clock counts from.
        software: name and version, for the service's records.
    """

    device_id: str
    boot_id: str = ""
    software: str = ""


class Uplink:
    """Sends windows to the fusion service at ``target``; to be made and used inside one event loop.

    Args:
        target: host:port, or several with commas; several addresses are replicas, see `uplink.replicas`.
        spool: used by a thread of the uplink's own until `close` has returned; the caller closes it.
        clock: real time of this device.
        caller: who this device is.
        on_symbol: gets each refined symbol once, in the event loop; must return at once.
        on_link: gets True when the service welcomes us, False when it is gone.
        credentials: for TLS, see `sensorium_agent.uplink.channel.read_credentials`; None for a link in the clear.
        taught: asked before each greeting for what this device was taught.
        patience: how long it waits for what.
    """

    def __init__(
        self,
        target: str,
        *,
        spool: Spool,
        clock: Clock,
        caller: Caller,
        on_symbol: Callable[[Symbol], None],
        on_link: Callable[[bool], None] = lambda _: None,
        credentials: grpc.ChannelCredentials | None = None,
        taught: Callable[[], tuple[Concept, ...]] = tuple,
        patience: Patience = Patience(),
    ) -> None:
        self._target, self._credentials, self._spool, self._clock = target, credentials, spool, clock
        self._caller, self._patience = caller, patience
        self._on_symbol, self._on_link, self._taught = on_symbol, on_link, taught
        self._outbox = Outbox(
            spool, clock, ttl_s=patience.ttl_s, patience_s=patience.stream_s, backoff_s=patience.backoff_s
        )
        self._delivery, self._changed = self._outbox.delivery, self._outbox.changed
        self._open = True
        """Whether windows are taken."""
        self._closing = asyncio.Event()
        self._deadline_ns = 0
        self._running: asyncio.Task[Any] | None = None
        self._up, self._greeted_anew = False, False
        self._trouble: Trouble | None = None
        self._refused_field: str | None = None
        self._traffic = Traffic()
        self._rounds = Rounds()
        self._order: Sequence[Replica] = ()

    @property
    def stats(self) -> Stats:
        """The figures now."""
        trip_ns = self._delivery.last_round_trip_ns
        return Stats(
            up=self._up,
            trouble="" if self._up or self._trouble is None else self._trouble.text,
            bytes_sent=self._traffic.sent,
            bytes_received=self._traffic.received,
            bytes_by_modality=dict(self._traffic.by_modality),
            in_flight=self._delivery.in_flight,
            spooled=self._spool.pending,
            round_trip_ms=None if trip_ns is None else trip_ns / 1e6,
            delivery=self._delivery.counts,
            spool=self._spool.counts,
        )

    async def offer(self, window: Window) -> int | None:
        """Store ``window`` durably for delivery; its sequence, or None if the spool could not take it.

        Nothing here waits for the link.
        """
        if not self._open:
            return None
        return await self._outbox.store(window)

    # --- from stream to stream ---------------------------------------------------------------

    async def run(self) -> None:
        """Deliver, one stream after another, until `close`."""
        assert self._running is None, "an uplink runs once"
        self._running = asyncio.current_task()
        try:
            while not self._closing.is_set():
                trouble = await self._one_stream()
                wait_s = self._delivery.disconnected()
                wait_s = 0.0 if self._rounds.more(self._order) else wait_s
                self._say_down(trouble, wait_s)
                await self._wait(self._closing, wait_s)
        finally:
            self._say_down(None, 0.0)

    def greet_anew(self) -> None:
        """Something was taught: hang up, and say so in the next greeting."""
        self._greeted_anew = self._up
        self._changed.set()

    async def close(self, flush_s: float = 2.0) -> None:
        """Take nothing more; if the link is up, deliver what waits, but not longer than ``flush_s``."""
        self._open = False
        await self._outbox.drain()
        self._deadline_ns = self._clock.now_ns() + round(flush_s * 1e9)
        self._closing.set()
        self._changed.set()
        if self._running is not None:
            await asyncio.wait([self._running])
        await self._outbox.close()

    async def _one_stream(self) -> Trouble | None:
        """Deliver over one stream until it fails (why) or everything is delivered and we close (None)."""
        trouble: Trouble | None = None
        self._order = ranked(await resolve(self._target), self._caller.device_id)
        replica = self._rounds.choose(self._order)
        async with open_stream(replica, self._credentials, self._patience.stream_s, self._traffic) as stream:
            try:
                welcome = await self._greet(stream)
                async with asyncio.TaskGroup() as group:
                    listening = group.create_task(self._listen(stream))
                    await self._send(stream, welcome.max_message_bytes)
                    listening.cancel()
            except* DownError as down:
                trouble = first(down).trouble
            except* SpoolError as failed:
                trouble = Trouble("spool", str(first(failed)))
        return trouble

    async def _greet(self, stream: FuseStream) -> Welcome:
        wall = read_wall(self._clock)
        hello = Hello(
            device_id=self._caller.device_id,
            spool_id=self._spool.spool_id,
            boot_id=self._caller.boot_id,
            wall_offset_ns=wall.offset_ns,
            wall_error_ns=wall.error_ns,
            software=self._caller.software,
            taught=self._taught(),
            takes_several=True,
        )
        await stream.write(wire.request_to_proto(hello))
        try:
            async with asyncio.timeout(min(_WELCOME_S, self._patience.stream_s)):
                welcome = await stream.read()
        except TimeoutError:
            raise stream.silent() from None
        if not isinstance(welcome, Welcome):
            raise nonsense(self._target, "no Welcome after Hello")
        if not self._delivery.welcome(welcome, self._clock.now_ns()):
            text = f"the cloud holds window {welcome.resume_after}, the spool ends at {self._spool.last}"
            raise DownError(Trouble("old spool", f"{text}: it is an old copy; remove the spool's directory"))
        self._say_up(welcome)
        return welcome

    def _say_up(self, welcome: Welcome) -> None:
        log.info("uplink.up target=%s service=%s spooled=%d", self._target, welcome.software, self._spool.pending)
        was_up, self._up, self._trouble = self._up, True, None
        self._rounds.welcomed()
        if not was_up:
            self._on_link(True)

    def _say_down(self, trouble: Trouble | None, wait_s: float) -> None:
        """Tell it once: the same trouble again is only worth a debug line; a stream that was ended well is none."""
        if self._up and trouble is not None and trouble.kind == "ended":
            log.info("uplink.ended %s", trouble.text)
            return
        new = trouble is not None and (self._trouble is None or trouble.kind != self._trouble.kind)
        if trouble is not None:
            level = logging.WARNING if new else logging.DEBUG
            log.log(level, "uplink.down %s wait_s=%.1f spooled=%d", trouble.text, wait_s, self._spool.pending)
            self._trouble = trouble
        if self._up:
            self._up = False
            self._on_link(False)

    # --- out ---------------------------------------------------------------------------------

    async def _send(self, stream: FuseStream, most_bytes: int) -> None:
        """Send what may be sent until we close and everything is delivered, or the time for that is over."""
        while True:
            self._changed.clear()
            while (messages := await self._outbox.due(most_bytes)) is not None:
                for message in messages:
                    await stream.write(self._request(message))
            done = await self._outbox.settle()
            now_ns = self._clock.now_ns()
            if self._closing.is_set() and (done or now_ns >= self._deadline_ns):
                return
            if self._delivery.overdue(now_ns):
                raise stream.silent()
            if self._greeted_anew:
                self._greeted_anew = False
                raise DownError(Trouble("taught", f"{self._target}: greeting it again, with what was taught"))
            await self._wait(self._changed, self._patience_left_s(now_ns))

    def _patience_left_s(self, now_ns: int) -> float | None:
        due_ns = self._delivery.next_due_ns()
        if self._closing.is_set():
            due_ns = self._deadline_ns if due_ns is None else min(due_ns, self._deadline_ns)
        return None if due_ns is None else max(due_ns - now_ns, 0) / 1e9

    def _request(self, message: Sequence[Numbered]) -> fusion_pb2.FuseRequest:
        patience_ms = self._patience.answer_ms
        windows = [fusion_pb2.SequencedWindow(sequence=n, window=w, patience_ms=patience_ms) for n, w in message]
        return fusion_pb2.FuseRequest(windows=fusion_pb2.WindowBatch(windows=windows))

    # --- in ----------------------------------------------------------------------------------

    async def _listen(self, stream: FuseStream) -> None:
        while True:
            self._hear(await stream.read())
            self._changed.set()

    def _hear(self, response: Response) -> None:
        now_ns = self._clock.now_ns()
        match response:
            case Ack(through):
                self._delivery.ack(through, now_ns)
            case SequencedSymbol(sequence, symbol):
                if self._delivery.symbol(sequence, (symbol.id, symbol.window_revision), now_ns):
                    self._on_symbol(symbol)
            case Refusal():
                self._hear_refusal(response, now_ns)
            case Welcome():
                raise nonsense(self._target, "a second Welcome")

    def _hear_refusal(self, refusal: Refusal, now_ns: int) -> None:
        level = logging.DEBUG if refusal.field == self._refused_field else logging.WARNING
        log.log(level, "uplink.refused code=%d field=%s reason=%s", refusal.code, refusal.field, refusal.reason)
        self._refused_field = refusal.field
        if not self._delivery.refusal(refusal, now_ns):
            raise DownError(Trouble("message refused", f"{self._target}: {refusal.field}: {refusal.reason}"))

    @staticmethod
    async def _wait(event: asyncio.Event, timeout_s: float | None) -> None:
        """Wait for ``event``, at most ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            pass
