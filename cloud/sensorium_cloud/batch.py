"""Batches: run whatever is queued, the moment the engine is free, or a few milliseconds later if more is on its way.

A small batch costs several times as much an item as a full one, so that where items come in crowds the first waits for
others; where they come one by one it never does. `Backlog` decides and is told the time; `Lane` runs what it says, in
threads, or on the event loop itself where nothing is gained by another thread.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, Generic, NoReturn, TypeVar

from msgspec import Struct

from sensorium.errors import SensoriumError

log = logging.getLogger(__name__)

A = TypeVar("A")
B = TypeVar("B")
W = TypeVar("W")

_LEARNING: Final = 0.2
"""How much the newest batch counts in the expected cost of an item."""
_RETRY_MS: Final = (20, 5_000)
"""Sooner than the first only adds load; later than the second, the load is another one."""
_CROWD_NS: Final = 50_000_000
"""For about so long an item counts in how many are expected."""
_WORTH_WAITING: Final = 2.0
"""So many more have to be expected, or nobody waits for them."""
_SHARE: Final = 10
"""At most one part in so many of an item's time goes into waiting for others."""
_READING_NS: Final = 10_000_000
"""For how long, at most, what has come is read before more is run."""


class Overloaded(SensoriumError):
    """More is waiting than can be done in time; the same may be tried again.

    Attributes:
        retry_after_ms: when the queue should be empty.
    """

    def __init__(self, name: str, reason: str, retry_after_ms: int) -> None:
        super().__init__(f"{name}: {reason}; try again in {retry_after_ms} ms")
        self.retry_after_ms = retry_after_ms


def retry_ms(wait_ns: float) -> int:
    """When to come back if what waits will have been done after ``wait_ns``."""
    low, high = _RETRY_MS
    return min(max(round(wait_ns * 1e-6), low), high)


# --- deciding --------------------------------------------------------------------------


class Waiting(Struct, Generic[A], frozen=True):
    """Something queued: since when, and until when it is of use."""

    item: A
    since_ns: int
    deadline_ns: int | None = None

    def expired(self, now_ns: int) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.deadline_ns is not None and now_ns >= self.deadline_ns


class Batch(Struct, Generic[A], frozen=True):
    """What to run now, and what came too late to be run."""

    ready: tuple[Waiting[A], ...]
    expired: tuple[Waiting[A], ...]


class Backlog(Generic[A]):
    """What waits for an engine that runs ``at_once`` batches: bounded, first come first served, told the time.

    ``company_ns`` is how long an item may wait for others to run with.

    Attributes:
        max_batch: how many run together at most.
    """

    def __init__(self, name: str, *, max_waiting: int, max_batch: int, at_once: int = 1, company_ns: int = 0) -> None:
        self.name = name
        self._at_once = at_once
        self._company_ns = company_ns
        self._crowd, self._crowd_ns, self._due_ns = 0.0, 0, 0
        self.refused = 0
        self.expired = 0
        self._max_waiting = max_waiting
        self.max_batch = max_batch
        self._queue: deque[Waiting[A]] = deque()
        self._cost_ns = 0.0
        self._batch_ns = 0.0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether a whole batch waits."""
        return len(self._queue) >= self.max_batch

    def age_ns(self, now_ns: int) -> int:
        """How long the oldest has waited; 0 if nothing waits."""
        return now_ns - self._queue[0].since_ns if self._queue else 0

    def offer(self, item: A, now_ns: int, deadline_ns: int | None = None) -> None:
        """Queue ``item``.

        Raises:
            Overloaded: the queue is full, or the item would be done too late.
        """
        if len(self._queue) >= self._max_waiting:
            self.refused += 1
            raise self.overloaded(f"{len(self._queue)} are waiting already")
        wait_ns = self._wait_ns()
        if wait_ns and deadline_ns is not None and now_ns + wait_ns > deadline_ns:
            self.refused += 1
            raise self.overloaded(f"its turn would come in {wait_ns / 1e6:.0f} ms, after its deadline")
        self._queue.append(waiting := Waiting(item, now_ns, deadline_ns))
        due_ns = self._due_ns_of(waiting)
        self._due_ns = due_ns if len(self._queue) == 1 else min(self._due_ns, due_ns)
        self._crowd = 1.0 + self._crowd * math.exp((self._crowd_ns - now_ns) / _CROWD_NS)
        self._crowd_ns = now_ns

    def hold_ns(self, now_ns: int) -> int:
        """How long what waits should wait for others to run with; 0 if it should run now.

        Only a crowd is waited for: whoever comes alone would be slowed for nothing.
        """
        if not self._queue or self.full:
            return 0
        if self._crowd * (self._due_ns - self._queue[0].since_ns) < _WORTH_WAITING * _CROWD_NS:
            return 0
        return max(self._due_ns - now_ns, 0)

    def _due_ns_of(self, waiting: Waiting[A]) -> int:
        """Until when it may wait for others; whoever has little time may come behind those who have more."""
        if waiting.deadline_ns is None:
            return waiting.since_ns + self._company_ns
        return waiting.since_ns + min(self._company_ns, max(waiting.deadline_ns - waiting.since_ns, 0) // _SHARE)

    def take(self, now_ns: int) -> Batch[A]:
        """The oldest items that still have somebody waiting for them, at most a batch."""
        ready, expired = list[Waiting[A]](), list[Waiting[A]]()
        while self._queue and len(ready) < self.max_batch:
            waiting = self._queue.popleft()
            (expired if waiting.expired(now_ns) else ready).append(waiting)
        self.expired += len(expired)
        if self._queue and not self.full:  # a full batch is held for nobody
            self._due_ns = min(map(self._due_ns_of, self._queue))
        return Batch(tuple(ready), tuple(expired))

    def ran(self, count: int, took_ns: int) -> None:
        """Learn how long an item keeps those behind it waiting, and a batch: others run beside it."""
        self._cost_ns = _learned(self._cost_ns, took_ns / count / self._at_once)
        self._batch_ns = _learned(self._batch_ns, took_ns / self._at_once)

    def _wait_ns(self) -> int:
        """For how long the batches that are queued should take: not what items cost alone, which many share."""
        return round(len(self._queue) // self.max_batch * self._batch_ns)

    def overloaded(self, reason: str) -> Overloaded:
        """The error that tells a client when to come back: when what waits now should be done."""
        return Overloaded(self.name, reason, retry_ms(len(self._queue) * self._cost_ns))


def _learned(known: float, newest: float) -> float:
    return newest if known == 0.0 else known + _LEARNING * (newest - known)


# --- doing -----------------------------------------------------------------------------


class Done(Struct, Generic[B], frozen=True):
    """A result, how long its item waited, how long its batch ran, and how many ran together."""

    value: B
    waited_ns: int
    ran_ns: int
    together: int


class WorkFailed(SensoriumError):
    """The engine could not do this item; the others of its batch are done."""


Outcome = Done[B] | SensoriumError
"""What became of an item."""


@dataclass(slots=True, eq=False)
class _Party(Generic[B]):
    """Items that somebody waits for together, by their places."""

    outcomes: list[Outcome[B] | None]
    left: int
    complete: asyncio.Future[None]

    def tell(self, told: Sequence[tuple[int, Outcome[B]]]) -> None:
        for place, outcome in told:
            self.outcomes[place] = outcome
        self.left -= len(told)
        if self.left == 0 and not self.complete.done():  # whoever asked may have been cancelled
            self.complete.set_result(None)


class _Order(Struct, Generic[A, B], eq=False):
    """An item, whose it is, and how to tell them what became of it."""

    item: A
    whose: Any
    tell: Callable[[Sequence[tuple[Any, Outcome[B]]]], None]


class Lane(Generic[A, B]):
    """A backlog that is worked off in batches, ``at_once`` of them at a time.

    ``work`` gets a batch and returns one result for each item, in order; only ever in this lane's own threads, of which
    there is one unless the work is done elsewhere. Nothing is done before `run` is running.

    An ``inline`` lane runs its batches on the event loop, which hears nobody meanwhile. That is right for short work in
    Python: two threads of one process take turns anyway, and each turn costs both. Only where a whole batch waits does
    it run in the thread: what comes meanwhile may be too much, and has to be heard to be refused in time.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[A]], Sequence[B]],
        *,
        max_waiting: int,
        max_batch: int,
        at_once: int = 1,
        inline: bool = False,
        company_ns: int = 0,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.backlog: Backlog[_Order[A, B]] = Backlog(
            name, max_waiting=max_waiting, max_batch=max_batch, at_once=at_once, company_ns=company_ns
        )
        self._work = work
        self._now_ns = now_ns
        self._filled = asyncio.Event()
        self._due: asyncio.TimerHandle | None = None
        self._due_ns = self._heard = 0
        self._at_once = at_once
        self._inline = inline
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=name)

    async def do(self, item: A, *, deadline_ns: int | None = None) -> Done[B]:
        """The result for ``item``.

        Raises:
            Overloaded: the queue is full, or the deadline passed before the item's turn.
            WorkFailed: ``work`` raised for this item, whichever batch it was in.
            SensoriumError: what ``work`` refused this item with.
        """
        (outcome,) = await self.do_all([item], [deadline_ns])
        if isinstance(outcome, SensoriumError):
            raise outcome
        return outcome

    async def do_all(self, items: Sequence[A], deadlines_ns: Sequence[int | None] = ()) -> list[Outcome[B]]:
        """What became of each of ``items``, when all of them are done.

        Nothing is raised: an error stands in the place of its item.
        """
        if not items:
            return []
        party = _Party[B]([None] * len(items), len(items), asyncio.get_running_loop().create_future())
        for place, (item, deadline_ns) in enumerate(zip_longest(items, deadlines_ns)):
            try:
                self.put(item, place, party.tell, deadline_ns=deadline_ns)
            except Overloaded as error:
                party.tell([(place, error)])
        await party.complete
        return [outcome for outcome in party.outcomes if outcome is not None]

    def put(
        self, item: A, whose: W, tell: Callable[[Sequence[tuple[W, Outcome[B]]]], None], *, deadline_ns: int | None
    ) -> None:
        """Queue ``item``; ``tell`` is called on the event loop, once for all of its items that were in one batch.

        It is told ``whose`` each was. That is one call for many windows, where a future for each costs more than
        storing them.

        Raises:
            Overloaded: the queue is full, or the item would be done too late.
        """
        now_ns = self._now_ns()
        self.backlog.offer(_Order(item, whose, tell), now_ns, deadline_ns)
        self.heard()
        self._run_when_due(now_ns)

    def heard(self) -> None:
        """Something came that asks for work, whether or not it is taken: there may be more to read."""
        self._heard += 1

    async def run(self) -> None:
        """Work off the backlog until cancelled; the batches that are running are waited for."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._at_once):
                    group.create_task(self._work_off())
        finally:
            if self._due is not None:
                self._due.cancel()
            self._threads.shutdown()

    def _run_when_due(self, now_ns: int) -> None:
        """Have what waits run now, or when it has waited for others."""
        if self._filled.is_set():
            return
        hold_ns = self.backlog.hold_ns(now_ns)
        if not hold_ns:
            self._filled.set()
        elif self._due is None or now_ns + hold_ns < self._due_ns:
            if self._due is not None:
                self._due.cancel()
            self._due_ns = now_ns + hold_ns
            self._due = asyncio.get_running_loop().call_later(hold_ns * 1e-9, self._filled.set)

    async def _work_off(self) -> NoReturn:
        while True:
            await self._filled.wait()
            if self._inline:
                await self._read_first()
            await self._step()

    async def _read_first(self) -> None:
        """Let the event loop read what has come, as long as its turns bring more: a batch would keep it from that."""
        until_ns, before = self._now_ns() + _READING_NS, -1
        while before != self._heard and self._now_ns() < until_ns:
            before = self._heard
            await asyncio.sleep(0)  # a message that was there is read in one turn
            await asyncio.sleep(0)  # and looked into in the next

    async def _step(self) -> None:
        """Run what is queued; nothing if another thread was quicker."""
        now_ns = self._now_ns()
        batch = self.backlog.take(now_ns)
        self._filled.clear()
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self.backlog:
            self._run_when_due(now_ns)
        for late in batch.expired:
            late.item.tell([(late.item.whose, self.backlog.overloaded("its deadline passed before its turn"))])
        if batch.ready:
            await self._run(batch.ready)

    async def _run(self, ready: Sequence[Waiting[_Order[A, B]]]) -> None:
        loop = asyncio.get_running_loop()
        started_ns = self._now_ns()
        items = [waiting.item.item for waiting in ready]
        if self._inline and len(items) < self.backlog.max_batch:
            results = self._attempt(items)
        else:
            results = await loop.run_in_executor(self._threads, self._attempt, items)
        ran_ns = self._now_ns() - started_ns
        self.backlog.ran(len(ready), ran_ns)
        told: dict[Any, list[tuple[Any, Outcome[B]]]] = {}
        for waiting, result in zip(ready, results, strict=True):
            outcome = _outcome(result, started_ns - waiting.since_ns, ran_ns, len(ready))
            told.setdefault(waiting.item.tell, []).append((waiting.item.whose, outcome))
        for tell, outcomes in told.items():
            tell(outcomes)

    def _attempt(self, items: Sequence[A]) -> Sequence[B | SensoriumError]:
        """Results, or for each item alone where the batch fails: one bad window must not take others with it."""
        try:
            return self._work(items)
        except Overloaded as error:  # the engine is away, whatever the items: each alone would only ask more of it
            return [error] * len(items)
        except Exception as error:  # noqa: BLE001 - whatever one client's item did, the others go on
            if len(items) > 1:
                return [self._attempt([item])[0] for item in items]
            return [error if isinstance(error, SensoriumError) else self._failure(error)]

    def _failure(self, error: Exception) -> WorkFailed:
        log.error("lane.failed name=%s", self.backlog.name, exc_info=error)
        return WorkFailed(f"{self.backlog.name}: {type(error).__name__} inside the service; its log says more")


def _outcome(result: B | SensoriumError, waited_ns: int, ran_ns: int, together: int) -> Outcome[B]:
    return result if isinstance(result, SensoriumError) else Done(result, waited_ns, ran_ns, together)
