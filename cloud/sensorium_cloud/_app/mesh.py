"""How the processes of a service reach each other: sockets in a folder they share, or a channel of their Redis."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from sensorium.errors import FieldError
from sensorium.window import Window
from sensorium_cloud.rooms.meeting import Meetings
from sensorium_cloud.rooms.neighbours import Neighbours
from sensorium_cloud.state.redis_link import heed_cancellation

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
_MESSAGE_BYTES: Final = 1 << 18
_AT_ONCE: Final = 256
"""Messages read in one turn of the event loop: answers come first."""
_WAITING: Final = 4096
_ROOM_S: Final = 0.002
"""When to look again whether another has read."""
_CHANNEL: Final = "multimodal:neighbours"
_RETRY_S: Final = (0.1, 1.0)
_SURE_S: Final = 2.0
"""Whoever lives listens again sooner, whatever became of its connection to Redis, or of Redis itself."""
_SILENCE_S: Final = 5.0
"""Less than a client of Redis waits for an answer: nobody has to say anything."""

Hear = Callable[[bytes], None]
Lost = Callable[[str], None]


def unheeded(_: str) -> None:
    """For those to whom nobody in particular matters."""


class Carrier(Protocol):
    """Takes messages to the others; may lose some."""

    dropped: int
    """Messages that had no room."""

    def send(self, messages: Sequence[bytes], to: str = "") -> None:
        """To the process that is called ``to``, or everybody else, soon; never blocks, never fails."""

    async def run(self, hear: Hear, lost: Lost = unheeded) -> None:
        """Give what the others send to ``hear``, until cancelled; and tell who is known to be gone."""


class Nobody:
    """For a process that is alone."""

    dropped = 0

    def send(self, messages: Sequence[bytes], to: str = "") -> None:
        """There is nobody."""

    async def run(self, hear: Hear, lost: Lost = unheeded) -> None:  # noqa: ARG002
        """Nothing comes."""
        await asyncio.Event().wait()


class Mesh:
    """One carrier for several conversations, each a carrier itself: a message's first byte says of which it is."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._listening: dict[int, tuple[Hear, Lost]] = {}

    @property
    def dropped(self) -> int:
        """Messages that had no room."""
        return self._carrier.dropped

    def conversation(self, topic: bytes) -> Conversation:
        """That of ``topic``, which is one byte."""
        return Conversation(self._carrier, topic, self._listening)

    async def run(self) -> None:
        """Carry until cancelled."""
        await self._carrier.run(self._hear, self._lost)

    def _hear(self, message: bytes) -> None:
        if message and (found := self._listening.get(message[0])):
            found[0](message[1:])

    def _lost(self, name: str) -> None:
        for _, lost in self._listening.values():
            lost(name)


class Conversation:
    """One of the conversations of a `Mesh`; a `Carrier`."""

    def __init__(self, carrier: Carrier, topic: bytes, listening: dict[int, tuple[Hear, Lost]]) -> None:
        self._carrier, self._topic, self._listening = carrier, topic, listening
        self.dropped = 0

    def send(self, messages: Sequence[bytes], to: str = "") -> None:
        """As `Carrier.send`."""
        self._carrier.send([self._topic + message for message in messages], to)

    async def run(self, hear: Hear, lost: Lost = unheeded) -> None:
        """As `Carrier.run`, while the mesh runs."""
        self._listening[self._topic[0]] = hear, lost
        try:
            await asyncio.Event().wait()
        finally:
            del self._listening[self._topic[0]]


class SharedMeetings(Meetings):
    """Meetings of devices that are served by several processes."""

    def __init__(self, neighbours: Neighbours, carrier: Carrier, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        super().__init__()
        self._neighbours, self._carrier, self._now_ns = neighbours, carrier, now_ns
        self.refused = 0
        """Messages that nobody of this version sends."""

    def join(self, device: str, window: Window, arrived_ns: int) -> Window:
        """As `Meetings.join`; others are told."""
        if told := self._neighbours.see(device, window, self._now_ns()):
            self._carrier.send(told)
        return super().join(device, window, arrived_ns)

    async def run(self) -> None:
        """Hear the others until cancelled."""
        await self._carrier.run(self._hear)

    def _hear(self, message: bytes) -> None:
        now_ns = self._now_ns()
        try:
            heard = self._neighbours.hear(message, now_ns)
        except FieldError as error:
            log.log(logging.DEBUG if self.refused else logging.WARNING, "mesh.refused reason=%s", error)
            self.refused += 1
            return
        if heard.say:
            self._carrier.send(heard.say)
        if heard.window is not None:
            # Its way here was a little longer than a device's own; a clock is judged by its quickest message.
            self.remember(heard.device, heard.window, now_ns)


class LocalMesh:
    """Datagram sockets of one machine's workers, in ``folder``.

    Args:
        folder: of this service alone; made if need be, closed to others.
        name: of this process' socket.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._path = folder, folder / name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._path.unlink(missing_ok=True)
        self._socket.bind(str(self._path))
        self._others: dict[str, deque[bytes]] = {}
        """Their sockets, and what waits for room there."""
        self._later: asyncio.TimerHandle | None = None
        self._looked_s = float("-inf")
        self._lost: Lost = unheeded
        self.dropped = 0

    def send(self, messages: Sequence[bytes], to: str = "") -> None:
        """To sockets in the folder, as soon as they have room; what waits is bounded, the oldest gives way."""
        self._look(time.monotonic())
        path = str(self._folder / to)
        if to and path not in self._others:  # it came since we looked, or has left
            self._others[path] = deque(maxlen=_WAITING)
        for waiting in [self._others[path]] if to else self._others.values():
            self.dropped += max(len(waiting) + len(messages) - _WAITING, 0)
            waiting.extend(messages)
        self._flush()

    def _flush(self) -> None:
        all_sent = [self._hand_over(other, waiting) for other, waiting in tuple(self._others.items())]
        if not all(all_sent) and self._later is None:
            self._later = asyncio.get_running_loop().call_later(_ROOM_S, self._flush_again)

    def _flush_again(self) -> None:
        self._later = None
        self._flush()

    def _hand_over(self, other: str, waiting: deque[bytes]) -> bool:
        """Whether nothing waits for ``other`` any more: the kernel keeps as few as ten messages for it."""
        while waiting:
            try:
                self._socket.sendto(waiting[0], other)
            except BlockingIOError:
                return False
            except (ConnectionRefusedError, FileNotFoundError):
                self._forget(other)
                return True
            except OSError:  # the message is larger than any may be
                self.dropped += 1
            waiting.popleft()
        return True

    def _look(self, now_s: float) -> None:
        if now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            with contextlib.suppress(OSError):  # somebody cleaned up: we still know whom we knew
                found = [str(path) for path in self._folder.iterdir() if path != self._path]
                gone = self._others.keys() - found
                self._others = {other: self._others.get(other, deque(maxlen=_WAITING)) for other in found}
                for other in gone:
                    self._lose(other)

    def _forget(self, other: str) -> None:
        """A process that was killed leaves its socket behind."""
        del self._others[other]
        with contextlib.suppress(OSError):
            Path(other).unlink()
        self._lose(other)

    def _lose(self, other: str) -> None:
        # Not at once: whoever sends a message is in the middle of something.
        asyncio.get_running_loop().call_soon(self._lost, Path(other).name)

    async def run(self, hear: Hear, lost: Lost = unheeded) -> None:
        """Read until cancelled."""
        loop, self._lost = asyncio.get_running_loop(), lost
        loop.add_reader(self._socket.fileno(), self._read, hear)
        try:
            await asyncio.Event().wait()
        finally:
            loop.remove_reader(self._socket.fileno())
            self.close()

    def close(self) -> None:
        """Leave; nobody hears us afterwards."""
        if self._later is not None:
            self._later.cancel()
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _read(self, hear: Hear) -> None:
        for _ in range(_AT_ONCE):
            try:
                message = self._socket.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                return
            hear(message)


class Absent:
    """Who was sent something and did not listen; told the time.

    That is no proof: a process may be about to connect again.
    """

    def __init__(self) -> None:
        self._since_s: dict[str, float] = {}

    def first(self, name: str, now_s: float) -> bool:
        """``name`` does not listen; whether it did until now, and has to be asked again after `_SURE_S`."""
        return self._since_s.setdefault(name, now_s) == now_s

    def gone(self, name: str, now_s: float) -> bool:
        """Whether ``name`` has not listened for so long that it is gone; it is forgotten then."""
        if now_s < self._since_s[name] + _SURE_S:
            return False
        del self._since_s[name]
        return True

    def back(self, name: str) -> None:
        """``name`` listens."""
        self._since_s.pop(name, None)


class RedisMesh:
    """Channels of Redis, for replicas on several machines; while it is away nobody hears of anybody.

    Args:
        redis: a client, see `redis_link.connected`.
        name: of this process.
    """

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis, self._name = redis, name
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_WAITING)
        self.dropped = 0

    def send(self, messages: Sequence[bytes], to: str = "") -> None:
        """Queue them; what has no room is dropped, and counted."""
        for message in messages:
            try:
                self._waiting.put_nowait((to, message))
            except asyncio.QueueFull:
                self.dropped += 1

    async def run(self, hear: Hear, lost: Lost = unheeded) -> None:
        """Publish and hear until cancelled; who is sent something and does not listen for a while is gone."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_again_and_again(lambda: self._publish(lost)))
                group.create_task(_again_and_again(lambda: self._subscribe(hear)))
        finally:
            await self._redis.aclose()

    async def _publish(self, lost: Lost) -> None:
        absent = Absent()  # anew with each connection: while there was none, nobody could listen
        while True:
            heed_cancellation()
            messages = [await self._waiting.get()]
            while not self._waiting.empty() and len(messages) < _AT_ONCE:
                messages.append(self._waiting.get_nowait())
            async with self._redis.pipeline(transaction=False) as pipe:
                for to, message in messages:
                    pipe.publish(_channel(to), message)
                heard = await pipe.execute()
            heed_cancellation()
            listeners = {to: count for (to, _), count in zip(messages, heard, strict=True) if to}
            self._look_for(listeners, absent, lost)

    def _look_for(self, listeners: Mapping[str, int], absent: Absent, lost: Lost) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for name, count in listeners.items():
            if count:
                absent.back(name)
            elif absent.first(name, now_s):
                loop.call_later(_SURE_S, self.send, [b""], name)
            elif absent.gone(name, now_s):
                lost(name)

    async def _subscribe(self, hear: Hear) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(_channel(""), _channel(self._name))
            while True:
                heed_cancellation()
                message = await pubsub.get_message(timeout=_SILENCE_S)
                if message is not None and message["data"]:  # nothing is said to find out who listens
                    hear(message["data"])


def _channel(to: str) -> str:
    return f"{_CHANNEL}:{to}" if to else _CHANNEL


async def _again_and_again(work: Callable[[], Any]) -> None:
    """Do ``work`` for ever; a Redis that is away is asked again, ever more rarely."""
    from redis.exceptions import RedisError

    wait_s = _RETRY_S[0]
    while True:
        began_s = time.monotonic()
        try:
            await work()
        except (RedisError, OSError) as error:
            log.debug("mesh.redis.away reason=%s", error)
        heed_cancellation()
        wait_s = _RETRY_S[0] if time.monotonic() - began_s > _RETRY_S[1] else min(2 * wait_s, _RETRY_S[1])
        await asyncio.sleep(wait_s)
