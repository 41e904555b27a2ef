"""Every window is answered once: from memory, by the answer that is being made, or by a new one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar, cast

from sensorium.delivery import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, Hello, Refusal, SequencedWindow
from sensorium.errors import FieldError, SensoriumError
from sensorium.wire import content_hash
from sensorium_cloud.batch import Lane, Overloaded, WorkFailed
from sensorium_cloud.meeting import Meetings
from sensorium_cloud.refine import Arrival, Refinery
from sensorium_cloud.store import Operation, Place, Remembers, Store, run_together
from sensorium_cloud.tempo import Tempo

T = TypeVar("T")

Answer = bytes | Refusal
"""A stored symbol, or why there is none (with no sequence: that is the asker's)."""

_MAX_OPERATIONS: Final = 1 << 16
"""Never reached: at most two for each window in flight and one for each stream."""
_STORE_RETRY_MS: Final = 5_000


class Memory:
    """The store behind a lane: off the event loop, and what has queued up is one transaction."""

    def __init__(self, store: Store, *, wall_s: Callable[[], int]) -> None:
        self._wall_s = wall_s
        self._lane: Lane[Operation, object] = Lane(
            "store", lambda operations: run_together(store, operations), max_waiting=_MAX_OPERATIONS, max_batch=512
        )

    async def resume_after(self, hello: Hello) -> int:
        """How far the device's spool has come; like all of these, raises `Overloaded` while the store fails."""
        return await self._do(lambda store: store.resume_after(hello.device_id, hello.spool_id))

    async def advance(self, hello: Hello, through: int) -> None:
        """The device's spool has come so far."""
        now_s = self._wall_s()
        await self._do(lambda store: store.advance(hello.device_id, hello.spool_id, through, now_s=now_s))

    async def find(self, place: Place) -> bytes | None:
        """The symbol a window got before."""
        return await self._do(lambda store: store.find(place))

    async def save(self, place: Place, symbol: bytes) -> bytes:
        """Remember a window's symbol; the one that holds."""
        now_s = self._wall_s()
        return await self._do(lambda store: store.save(place, symbol, now_s=now_s))

    async def run(self) -> None:
        """Work until cancelled."""
        await self._lane.run()

    async def _do(self, operation: Callable[[Store], T]) -> T:
        try:
            return cast("T", (await self._lane.do(operation)).value)
        except WorkFailed as error:  # a full disk may be empty again when the device comes back
            raise Overloaded("store", "the state cannot be read or written", _STORE_RETRY_MS) from error


def uncounted(_: str) -> None:
    """For services that nobody watches."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A window as it was sent: by whom, in which place, when it came."""

    hello: Hello
    item: SequencedWindow
    arrival: Arrival


class Desk:
    """Answers windows, none of them twice at a time.

    An answer in the making outlives the stream that asked for it: the device will come back for it.

    Args:
        group: owns the answers in the making.
        memory: what was answered.
        refinery: what makes answers.
        max_in_flight: how many may be in the making.
        now_ns: monotonic clock, that of deadlines.
        count: told of each answer whether it was ``fused``, ``remembered``, put off for ``later`` or ``refused``.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        memory: Remembers,
        refinery: Refinery,
        *,
        max_in_flight: int,
        now_ns: Callable[[], int] = time.monotonic_ns,
        count: Callable[[str], None] = uncounted,
    ) -> None:
        self.memory = memory
        self.refinery = refinery
        self._group = group
        self._max_in_flight = max_in_flight
        self._now_ns = now_ns
        self._tempo = Tempo()
        self._meetings = Meetings()
        self._count = count
        self._making: dict[tuple[str, str], asyncio.Task[Answer]] = {}

    def answer(self, sent: Sent, then: Callable[[Answer], None]) -> None:
        """Call ``then`` with the window's answer, from the event loop, when it is stored."""
        place = _place(sent)
        key = (place.device, place.content)
        task = self._making.get(key)
        if task is None:
            try:
                self._check_room(sent.arrival.deadline_ns)
            except Overloaded as error:
                then(self._refused(error))
                return
            task = self._making[key] = self._group.create_task(self._make(place, self._met(sent)))
            task.add_done_callback(lambda _: self._made(key))
            self._tempo.asked(self._now_ns(), len(self._making))
        task.add_done_callback(lambda done: None if done.cancelled() else then(done.result()))

    def _met(self, sent: Sent) -> Arrival:
        """The arrival with what other devices of the session saw; what is remembered stays what was sent."""
        arrival = sent.arrival
        window = self._meetings.join(sent.hello.device_id, arrival.window, arrival.received_ns)
        return arrival if window is arrival.window else replace(arrival, window=window)

    def shed(self, deadline_ns: int) -> Refusal | None:
        """Why nothing more can be taken now, if so: to be asked before a window is looked into."""
        try:
            self._check_room(deadline_ns)
        except Overloaded as error:
            return self._refused(error)
        return None

    def _check_room(self, deadline_ns: int | None) -> None:
        """Refuse what is too much, or would be too late, before anything is done for it."""
        if len(self._making) >= self._max_in_flight:
            raise self.refinery.fusion.backlog.overloaded("too many windows are in flight")
        self._tempo.check(self._now_ns(), deadline_ns, len(self._making))

    def _made(self, key: tuple[str, str]) -> None:
        del self._making[key]
        self._tempo.answered(self._now_ns(), len(self._making))

    async def _make(self, place: Place, arrival: Arrival) -> Answer:
        try:
            remembered = await self.memory.find(place)
            if remembered is not None:
                self._count("remembered")
                return remembered
            _, symbol = await self.refinery.refine(arrival)
            held = await self.memory.save(place, symbol)
        except SensoriumError as error:
            return self._refused(error)
        self._count("fused")
        return held

    def _refused(self, error: SensoriumError) -> Refusal:
        refusal = _refusal(error)
        self._count("refused" if refusal.final else "later")
        return refusal


def _place(sent: Sent) -> Place:
    window = sent.item.window
    hello = sent.hello
    named = f"{window.id}/{window.revision}"
    return Place(hello.device_id, hello.spool_id, sent.item.sequence, named, sent.item.content or content_hash(window))


def _refusal(error: SensoriumError) -> Refusal:
    match error:
        case Overloaded():
            return Refusal(0, RESOURCE_EXHAUSTED, "", str(error), error.retry_after_ms)
        case FieldError():
            return Refusal.of(error)
        case _:  # the same window would fail again
            return Refusal(0, INVALID_ARGUMENT, "", str(error))
