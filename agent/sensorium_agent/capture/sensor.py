"""What every sensor does, and how one that fails comes back alone."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from sensorium.clock import Clock
from sensorium.errors import SensoriumError
from sensorium.event import Modality, Sample

log = logging.getLogger(__name__)

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]


class SensorFailed(SensoriumError):
    """A device is gone, cannot be opened or went silent; the text says how to mend it."""


class Sensor(Protocol):
    """One device. Closing the generator of its samples closes the device."""

    @property
    def name(self) -> str:
        """Its name in the configuration; the ``source`` of its samples."""

    @property
    def modality(self) -> Modality:
        """The sense of its samples."""

    def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
        """Open the device and give what it measures, dated by ``clock``, until it has nothing more.

        Raises:
            SensorFailed: it cannot be opened, or was lost.
        """


class Health(StrEnum):
    """How a sensor is."""

    UP = "up"
    DOWN = "down"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class SensorState:
    """A change in a sensor's health.

    Attributes:
        name: which sensor.
        modality: its sense.
        health: how it is now.
        reason: why it is down, in one line; empty otherwise.
    """

    name: str
    modality: Modality
    health: Health
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the n-th attempt in a row: doubling, up to a limit."""

    first_s: float = 0.5
    most_s: float = 30.0

    def wait_s(self, failures: int) -> float:
        """The wait after ``failures`` (at least 1) failures in a row."""
        # 2^16 * 0.5 s is past any sensible limit; more would overflow in the end.
        return min(self.first_s * 2.0 ** min(failures - 1, 16), self.most_s)


def _ignore(_: object) -> None:
    """For callers who do not ask."""


class _Supervision:
    """Numbers one sensor's samples across its lives and tells each change of its health once."""

    def __init__(self, sensor: Sensor, on_state: Callable[[SensorState], None], on_loss: Callable[[int], None]) -> None:
        self._sensor = sensor
        self._on_state = on_state
        self._on_loss = on_loss
        self._health: Health | None = None
        self._base = 0
        self._next = 0

    async def live(self, clock: Clock, emit: Callable[[Sample], None]) -> bool:
        """One life of the sensor, which counts from 0 again; whether it ended by itself, and did not fail."""
        self._base = self._next
        try:
            async with aclosing(self._sensor.samples(clock)) as samples:
                async for sample in samples:
                    self._tell(Health.UP)
                    emit(self._number(sample))
        except SensorFailed as failure:
            self._tell(Health.DOWN, str(failure))
            return False
        self._tell(Health.ENDED)
        return True

    def _number(self, sample: Sample) -> Sample:
        """The sample with its number over all lives; a gap in the sensor's own numbers is a loss."""
        number = self._base + sample.sequence
        if number > self._next:
            self._on_loss(number - self._next)
        self._next = number + 1
        return sample if self._base == 0 else replace(sample, sequence=number)

    def _tell(self, health: Health, reason: str = "") -> None:
        """One log line and one call a change."""
        if health is self._health:
            return
        self._health = health
        level = logging.WARNING if health is Health.DOWN else logging.INFO
        log.log(level, "sensor.%s name=%s %s", health, self._sensor.name, reason)
        self._on_state(SensorState(self._sensor.name, self._sensor.modality, health, reason))


async def supervise(
    sensor: Sensor,
    clock: Clock,
    emit: Callable[[Sample], None],
    *,
    on_state: Callable[[SensorState], None] = _ignore,
    on_loss: Callable[[int], None] = _ignore,
    backoff: Backoff = Backoff(),
    sleep: Sleep = asyncio.sleep,
) -> None:
    """Keep one sensor running until it ends by itself: where it fails, only it starts again.

    A life shorter than the longest wait counts as a failure in a row, so that a device which dies
    after its first sample is not reopened twice a second for ever. Anything but `SensorFailed` is a
    fault of ours and is raised.

    Args:
        sensor: what to run.
        clock: dates the samples.
        emit: takes each sample; must not block. Numbers go on across restarts.
        on_state: told of each change of health, once.
        on_loss: told how many samples a gap in the sensor's numbers has lost.
        backoff: the waits between attempts.
        sleep: waits so many seconds; tests pass their own.
    """
    supervision = _Supervision(sensor, on_state, on_loss)
    failures = 0
    began_ns = clock.now_ns()
    while not await supervision.live(clock, emit):
        lived = clock.now_ns() - began_ns >= backoff.most_s * 1e9
        failures = 1 if lived else failures + 1
        await sleep(backoff.wait_s(failures))
        began_ns = clock.now_ns()


# --- from a thread to the loop -----------------------------------------------------------


class Handoff(Generic[T]):
    """A small queue from any thread to the event loop; when full it drops the oldest and counts it.

    Made on the loop that reads it. What is dropped is older than what takes its place: for a live
    sensor the newest is worth most.
    """

    def __init__(self, depth: int) -> None:
        self.dropped = 0
        self._told = 0
        self._depth = depth
        self._items: deque[T] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._filled = asyncio.Event()

    def put(self, item: T) -> None:
        """Hand over one item, from any thread; never blocks."""
        with self._lock:
            if len(self._items) >= self._depth:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
        self._wake()

    def take_dropped(self) -> int:
        """How many were dropped since the last call."""
        with self._lock:
            taken, self._told = self.dropped - self._told, self.dropped
        return taken

    def close(self, error: BaseException | None = None) -> None:
        """Nothing more comes; the reader gets what is left, then ``error`` if there is one."""
        with self._lock:
            self._closed = True
            self._error = self._error or error
        self._wake()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._filled.set)
        except RuntimeError:  # the loop is closed: there is no reader any more
            log.debug("handoff.no_reader")

    def _take(self) -> tuple[bool, T | None]:
        with self._lock:
            if self._items:
                return True, self._items.popleft()
            if not self._closed:
                self._filled.clear()
            return False, None

    async def items(self, *, stall_s: float | None = None, stalled: str = "") -> AsyncIterator[T]:
        """What is handed over, until closed.

        Raises:
            SensorFailed: nothing came for ``stall_s``; ``stalled`` is its text.
        """
        while True:
            found, item = self._take()
            if found:
                yield item  # type: ignore[misc]  # found says there is one
            elif self._closed:
                if self._error is not None:
                    raise self._error
                return
            else:
                await self._wait(stall_s, stalled)

    async def _wait(self, stall_s: float | None, stalled: str) -> None:
        try:
            async with asyncio.timeout(stall_s):
                await self._filled.wait()
        except TimeoutError:
            raise SensorFailed(stalled) from None


Produce = Callable[[Callable[[T], None], threading.Event], None]
_PATIENCE_S = 2.0


async def threaded(
    produce: Produce[T], *, name: str, depth: int, stall_s: float | None = None, stalled: str = ""
) -> AsyncGenerator[T, None]:
    """What a blocking producer gives, run in a thread of its own.

    Args:
        produce: called with ``put`` and a stop event; returns at the end or when stopped, raises what went wrong.
        name: the thread's name.
        depth: items kept for the reader; beyond it the oldest is dropped.
        stall_s: raise `SensorFailed` with the text ``stalled`` when nothing comes for so long.
        stalled: see there.
    """
    handoff: Handoff[T] = Handoff(depth)
    stop = threading.Event()

    def run() -> None:
        try:
            produce(handoff.put, stop)
        except BaseException as error:  # noqa: BLE001 - raised again where it can be handled: in the reader
            handoff.close(error)
        else:
            handoff.close()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        async for item in handoff.items(stall_s=stall_s, stalled=stalled):
            yield item
    finally:
        stop.set()
        # A driver stuck in a read is left to its own timeout; the thread then ends by the stop event.
        await asyncio.to_thread(thread.join, _PATIENCE_S)
