"""How the processes of a service reach each other: sockets in a folder they share, or a channel of their Redis."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from sensorium.errors import FieldError
from sensorium.window import Window
from sensorium_cloud.meeting import Meetings
from sensorium_cloud.neighbours import Neighbours
from sensorium_cloud.redis_history import heed_cancellation

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
_RETRY_S: Final = (0.1, 5.0)
_SILENCE_S: Final = 5.0
"""Less than a client of Redis waits for an answer: nobody has to say anything."""

Hear = Callable[[bytes], None]


class Carrier(Protocol):
    """Takes messages to the others; may lose some."""

    def send(self, messages: Sequence[bytes]) -> None:
        """To everybody else, soon; never blocks, never fails."""

    async def run(self, hear: Hear) -> None:
        """Give what the others send to ``hear``, until cancelled."""


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
        self.dropped = 0

    def send(self, messages: Sequence[bytes]) -> None:
        """To every socket in the folder, as soon as it has room; what waits is bounded, the oldest gives way."""
        self._look(time.monotonic())
        for waiting in self._others.values():
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
                self._others = {other: self._others.get(other, deque(maxlen=_WAITING)) for other in found}

    def _forget(self, other: str) -> None:
        """A process that was killed leaves its socket behind."""
        del self._others[other]
        with contextlib.suppress(OSError):
            Path(other).unlink()

    async def run(self, hear: Hear) -> None:
        """Read until cancelled."""
        loop = asyncio.get_running_loop()
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


class RedisMesh:
    """A channel of Redis, for replicas on several machines; while it is away nobody hears of anybody."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self.dropped = 0

    def send(self, messages: Sequence[bytes]) -> None:
        """Queue them; what has no room is dropped, and counted."""
        for message in messages:
            try:
                self._waiting.put_nowait(message)
            except asyncio.QueueFull:
                self.dropped += 1

    async def run(self, hear: Hear) -> None:
        """Publish and hear until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_again_and_again(self._publish))
                group.create_task(_again_and_again(lambda: self._subscribe(hear)))
        finally:
            await self._redis.aclose()

    async def _publish(self) -> None:
        while True:
            heed_cancellation()
            messages = [await self._waiting.get()]
            while not self._waiting.empty() and len(messages) < _AT_ONCE:
                messages.append(self._waiting.get_nowait())
            async with self._redis.pipeline(transaction=False) as pipe:
                for message in messages:
                    pipe.publish(_CHANNEL, message)
                await pipe.execute()

    async def _subscribe(self, hear: Hear) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(_CHANNEL)
            while True:
                heed_cancellation()
                message = await pubsub.get_message(timeout=_SILENCE_S)
                if message is not None:
                    hear(message["data"])


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
