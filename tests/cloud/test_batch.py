"""Whatever waits runs together, as soon as is worth it; what is too much is refused with a time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from sensorium.errors import FieldError
from sensorium_cloud.batch import Backlog, Done, Lane, Outcome, Overloaded, WorkFailed


def backlog(*items: str, max_waiting: int = 10, max_batch: int = 3) -> Backlog[str]:
    queue: Backlog[str] = Backlog("fusion", max_waiting=max_waiting, max_batch=max_batch)
    for item in items:
        queue.offer(item, now_ns=0)
    return queue


def ready(queue: Backlog[str], now_ns: int = 0) -> list[str]:
    return [waiting.item for waiting in queue.take(now_ns).ready]


def test_takes_what_is_there_at_once_and_at_most_a_batch() -> None:
    queue = backlog("a", "b", "c", "d")

    assert ready(queue) == ["a", "b", "c"]
    assert ready(queue) == ["d"]
    assert ready(queue) == []


def test_refuses_what_does_not_fit_and_counts_it() -> None:
    queue = backlog("a", max_waiting=1)

    with pytest.raises(Overloaded, match="fusion: 1 are waiting already; try again in 20 ms"):
        queue.offer("b", now_ns=0)

    assert queue.refused == 1
    assert ready(queue) == ["a"]


def test_says_when_the_queue_should_be_empty() -> None:
    queue = backlog("a", "b", max_waiting=2)
    queue.ran(count=10, took_ns=1_000_000_000)

    assert queue.overloaded("full").retry_after_ms == 200


def test_the_expected_cost_follows_what_items_cost_now() -> None:
    queue = backlog("a", max_waiting=1)
    queue.ran(count=1, took_ns=100_000_000)
    for _ in range(50):
        queue.ran(count=1, took_ns=1_000_000_000)

    assert queue.overloaded("full").retry_after_ms == pytest.approx(1000, rel=0.01)


def test_does_not_run_what_nobody_waits_for_any_more() -> None:
    queue = backlog()
    queue.offer("late", now_ns=0, deadline_ns=5)
    queue.offer("in time", now_ns=0, deadline_ns=6)

    batch = queue.take(now_ns=5)

    assert [w.item for w in batch.ready] == ["in time"]
    assert [w.item for w in batch.expired] == ["late"]
    assert queue.expired == 1


def test_what_would_come_too_late_is_refused_at_once() -> None:
    queue = backlog("a", "b", "c", "d", max_batch=2)
    queue.ran(count=2, took_ns=100)

    with pytest.raises(Overloaded, match="its turn would come in 0 ms, after its deadline"):
        queue.offer("late", now_ns=0, deadline_ns=199)
    queue.offer("in time", now_ns=0, deadline_ns=200)

    assert queue.refused == 1


MS = 1_000_000


def crowd(every_ms: float, *, company_ms: int = 8, many: int = 50, deadline_ms: int | None = None) -> Backlog[int]:
    """One to which items came so often until 0 ms, all but the last of them run."""
    queue: Backlog[int] = Backlog("fusion", max_waiting=100, max_batch=32, company_ns=company_ms * MS)
    for number in range(1 - many, 1):
        queue.take(0)
        until_ns = None if deadline_ms is None else deadline_ms * MS
        queue.offer(number, now_ns=round(number * every_ms * MS), deadline_ns=until_ns)
    return queue


def test_in_a_crowd_the_first_waits_for_others_and_no_longer_than_it_may() -> None:
    queue = crowd(every_ms=2)

    assert queue.hold_ns(0) == 8 * MS
    assert queue.hold_ns(5 * MS) == 3 * MS
    assert queue.hold_ns(9 * MS) == 0


def test_who_comes_alone_never_waits() -> None:
    assert crowd(every_ms=10).hold_ns(0) == 0


def test_a_crowd_that_has_gone_is_not_waited_for() -> None:
    queue = crowd(every_ms=2)
    queue.take(0)
    queue.offer(1, now_ns=300 * MS)

    assert queue.hold_ns(300 * MS) == 0


def test_a_full_batch_does_not_wait() -> None:
    queue = crowd(every_ms=2)
    for number in range(31):
        queue.offer(number, now_ns=0)

    assert queue.hold_ns(0) == 0


def test_who_has_little_time_waits_for_a_tenth_of_it_or_not_at_all() -> None:
    assert crowd(every_ms=1, deadline_ms=50).hold_ns(0) == 5 * MS
    assert crowd(every_ms=2, deadline_ms=20).hold_ns(0) == 0


def test_who_has_little_time_does_not_wait_as_long_as_those_before_who_have_more() -> None:
    queue = crowd(every_ms=1)
    queue.offer(1, now_ns=1 * MS, deadline_ns=51 * MS)
    queue.offer(2, now_ns=2 * MS, deadline_ns=502 * MS)

    assert queue.hold_ns(2 * MS) == 4 * MS


def test_who_is_left_behind_waits_from_when_they_came() -> None:
    queue = crowd(every_ms=1)
    for number in range(1, 33):
        queue.offer(number, now_ns=number * MS // 8, deadline_ns=51 * MS if number == 1 else None)

    queue.take(4 * MS)

    assert len(queue) == 1
    assert queue.hold_ns(4 * MS) == 8 * MS


def test_nothing_is_waited_for_by_an_engine_that_is_told_nothing_of_it() -> None:
    assert crowd(every_ms=0.1, company_ms=0).hold_ns(0) == 0


# --- the lane --------------------------------------------------------------------------


class Engine:
    """Doubles numbers when it is let; remembers its batches and threads."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.go = threading.Event()
        self.go.set()
        self.busy = threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.busy.set()
        assert self.go.wait(10)
        self.batches.append(list(items))
        self.threads.add(threading.get_ident())
        if 13 in items:
            raise FieldError("number", "is unlucky")
        if 0 in items:
            raise ZeroDivisionError
        return [2 * item for item in items]


@asynccontextmanager
async def running(
    engine: Callable[[Sequence[int]], list[int]],
    *,
    max_waiting: int = 100,
    max_batch: int = 8,
    at_once: int = 1,
    inline: bool = False,
    company_ns: int = 0,
    now_ns: Callable[[], int] = time.monotonic_ns,
) -> AsyncIterator[Lane[int, int]]:
    lane = Lane(
        "double",
        engine,
        max_waiting=max_waiting,
        max_batch=max_batch,
        at_once=at_once,
        inline=inline,
        company_ns=company_ns,
        now_ns=now_ns,
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(lane.run())
        yield lane
        if isinstance(engine, Engine):
            engine.go.set()
        task.cancel()


def ignored(_: Sequence[tuple[None, Outcome[int]]]) -> None:
    pass


async def while_busy(lane: Lane[int, int], engine: Engine, *items: int) -> list[int | BaseException]:
    """Hold the engine on item 1 until all of ``items`` are queued."""
    engine.go.clear()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(lane.do(1))
        await asyncio.to_thread(engine.busy.wait, 10)
        rest = asyncio.gather(*(lane.do(item) for item in items), return_exceptions=True)
        await asyncio.sleep(0)  # each of them runs until it waits
        assert len(lane.backlog) == len(items)
        engine.go.set()
        await first
        return [r if isinstance(r, BaseException) else r.value for r in await rest]


async def test_what_came_while_the_engine_was_busy_runs_together_in_one_other_thread() -> None:
    engine = Engine()
    async with running(engine) as lane:
        assert await while_busy(lane, engine, 2, 3, 4) == [4, 6, 8]

    assert engine.batches == [[1], [2, 3, 4]]
    assert len(engine.threads) == 1
    assert threading.get_ident() not in engine.threads


async def test_a_result_tells_how_many_ran_together() -> None:
    async with running(Engine()) as lane:
        done = await lane.do(21)

    assert (done.value, done.together) == (42, 1)
    assert done.waited_ns >= 0
    assert done.ran_ns > 0


async def test_one_bad_item_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine()
    async with running(engine) as lane:
        good, refused, failed, other = await while_busy(lane, engine, 2, 13, 0, 4)

    assert (good, other) == (4, 8)
    assert isinstance(refused, FieldError)
    assert isinstance(failed, WorkFailed)
    assert str(failed) == "double: ZeroDivisionError inside the service; its log says more"
    assert "lane.failed name=double" in caplog.text


async def test_work_that_is_done_elsewhere_runs_in_several_batches_at_once() -> None:
    both = threading.Barrier(2, timeout=10)

    def work(items: Sequence[int]) -> list[int]:
        both.wait()  # passes only when two batches are here
        return [2 * item for item in items]

    async with running(work, max_batch=1, at_once=2) as lane:
        first, second = await asyncio.gather(lane.do(1), lane.do(2))

    assert (first.value, second.value) == (2, 4)


def test_batches_that_run_beside_each_other_keep_others_waiting_for_less() -> None:
    queue: Backlog[str] = Backlog("fusion", max_waiting=10, max_batch=1, at_once=4)
    queue.ran(1, took_ns=400_000_000)
    for item in ("a", "b"):
        queue.offer(item, now_ns=0, deadline_ns=200_000_000)

    with pytest.raises(Overloaded, match="its turn would come in 200 ms"):
        queue.offer("c", now_ns=0, deadline_ns=199_000_000)


async def test_an_engine_that_is_away_is_not_asked_for_each_item_again() -> None:
    asked: list[int] = []

    def work(items: Sequence[int]) -> list[int]:
        asked.append(len(items))
        raise Overloaded("double", "nobody is there", 1000)

    async with running(work) as lane:
        outcomes = await asyncio.gather(*(lane.do(n) for n in range(8)), return_exceptions=True)

    assert sum(asked) == 8
    assert {str(outcome) for outcome in outcomes} == {"double: nobody is there; try again in 1000 ms"}


async def test_a_full_lane_refuses_at_once() -> None:
    engine = Engine()
    async with running(engine, max_waiting=0) as lane:
        with pytest.raises(Overloaded):
            await lane.do(2)


async def test_a_passed_deadline_is_told_to_whoever_asked() -> None:
    async with running(Engine()) as lane:
        with pytest.raises(Overloaded, match="its deadline passed before its turn"):
            await lane.do(2, deadline_ns=0)


async def test_a_lane_goes_on_when_somebody_stops_waiting() -> None:
    engine = Engine()
    async with running(engine) as lane:
        engine.go.clear()
        async with asyncio.TaskGroup() as group:
            impatient = group.create_task(lane.do(3))
            await asyncio.to_thread(engine.busy.wait, 10)
            impatient.cancel()
        engine.go.set()
        with suppress(asyncio.CancelledError):
            await impatient

        assert (await lane.do(4)).value == 8


async def test_those_who_are_asked_for_together_are_told_together_and_errors_stand_in_their_places() -> None:
    async with running(Engine()) as lane:
        outcomes = await lane.do_all([2, 13, 3, 4], [None, None, 0, None])

    doubled, unlucky, late, other = outcomes
    assert isinstance(doubled, Done)
    assert isinstance(other, Done)
    assert (doubled.value, other.value) == (4, 8)
    assert isinstance(unlucky, FieldError)
    assert isinstance(late, Overloaded)


async def test_a_party_larger_than_the_room_left_is_taken_in_part() -> None:
    engine = Engine()
    async with running(engine, max_waiting=2) as lane:
        outcomes = await lane.do_all([2, 3, 4])

    assert [outcome.value for outcome in outcomes if isinstance(outcome, Done)] == [4, 6]
    assert isinstance(outcomes[2], Overloaded)


async def test_nothing_is_waited_for_where_nothing_is_asked() -> None:
    async with running(Engine()) as lane:
        assert await lane.do_all([]) == []


async def test_what_somebody_has_in_a_batch_is_told_them_at_once() -> None:
    engine, told = Engine(), asyncio.Queue[list[tuple[str, int | str]]]()

    def tell(outcomes: Sequence[tuple[str, Outcome[int]]]) -> None:
        told.put_nowait([(whose, o.value if isinstance(o, Done) else str(o)) for whose, o in outcomes])

    async with running(engine) as lane:
        lane.put(2, "a", tell, deadline_ns=None)
        lane.put(3, "b", tell, deadline_ns=None)
        other = await lane.do(4)

        assert await told.get() == [("a", 4), ("b", 6)]
        assert other.value == 8

    assert engine.batches == [[2, 3, 4]]
    assert told.empty()


# --- on the event loop itself ------------------------------------------------------------


async def test_an_inline_lane_runs_on_the_event_loop() -> None:
    engine = Engine()
    async with running(engine, max_batch=3, inline=True) as lane:
        await lane.do_all([1, 2])

    assert engine.batches == [[1, 2]]
    assert engine.threads == {threading.get_ident()}


async def test_where_a_whole_batch_waits_the_event_loop_can_hear_what_comes_meanwhile() -> None:
    engine = Engine()
    engine.go.clear()
    async with running(engine, max_batch=3, inline=True) as lane, asyncio.TaskGroup() as group:
        group.create_task(lane.do_all([1, 2, 3]))
        await asyncio.to_thread(engine.busy.wait, 10)  # would never return if the loop were held
        engine.go.set()

    assert engine.batches == [[1, 2, 3]]
    assert threading.get_ident() not in engine.threads


async def test_what_has_come_is_read_before_an_inline_lane_runs() -> None:
    engine = Engine()
    async with running(engine, inline=True) as lane:
        for number in range(1, 5):  # as messages that lie there are read: one in a turn of the event loop
            lane.put(number, None, ignored, deadline_ns=None)
            await asyncio.sleep(0)
        await lane.do(5)

    assert engine.batches == [[1, 2, 3, 4, 5]]


async def test_a_crowd_runs_together_although_the_engine_is_free() -> None:
    engine = Engine()
    async with running(engine, max_batch=32, inline=True, company_ns=5 * MS, now_ns=lambda: 0) as lane:
        await lane.do_all([1] * 20)
        lane.put(2, None, ignored, deadline_ns=None)
        for _ in range(8):  # longer than reading takes
            await asyncio.sleep(0)
        await lane.do(3)

    assert engine.batches == [[1] * 20, [2, 3]]


async def test_who_has_little_time_has_the_batch_run_sooner() -> None:
    engine = Engine()
    patient = running(engine, max_batch=32, inline=True, company_ns=3600 * 1000 * MS, now_ns=lambda: 0)
    async with patient as lane, asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(lane.do(1))
        group.create_task(lane.do(2))
        await asyncio.sleep(0)
        group.create_task(lane.do(3, deadline_ns=150 * MS))

    assert engine.batches == [[1, 2, 3]]


async def test_an_inline_lane_fails_items_alone_too(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Engine(), inline=True) as lane:
        good, refused, failed = await lane.do_all([2, 13, 0])

    assert isinstance(good, Done)
    assert isinstance(refused, FieldError)
    assert isinstance(failed, WorkFailed)
    assert "lane.failed name=double" in caplog.text
