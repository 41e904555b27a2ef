"""History with the same verbs in this process and in a real Redis, also one that is killed or runs full."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from services import RedisServer, redis_server

from sensorium_cloud.history import START, Entry, History, Recent
from sensorium_cloud.redis_history import Group, HistoryError, RedisHistory, connected, key


def an_entry(number: int, stream_type: str = "gesture") -> Entry:
    return Entry(stream_type, number * 1_000_000, number, b'{"number":%d}' % number)


def numbers(entries: list[Entry]) -> list[int]:
    return [entry.sequence for entry in entries]


class Wall:
    """Wall time that a test sets."""

    def __init__(self, ms: int = 1_800_000_000_000) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms


@asynccontextmanager
async def kept_by(history: History) -> AsyncIterator[History]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(history.run())
        try:
            yield history
        finally:
            task.cancel()
            if isinstance(history, RedisHistory):
                await history.close()


async def read_all(history: History, count: int, session: str = "kitchen") -> list[Entry]:
    async with asyncio.timeout(10):
        async for _ in history.follow(session):
            count -= 1
            if count == 0:
                break
    return await history.read(session)


@pytest.fixture
def redis(tmp_path: Path) -> RedisServer:
    with redis_server(tmp_path) as server:
        yield server


Open = Callable[[], History]


@pytest.fixture(params=["here", "redis"])
def opened(request: pytest.FixtureRequest) -> Open:
    if request.param == "here":
        return lambda: Recent(Wall())
    server = request.getfixturevalue("redis")
    return lambda: RedisHistory(connected(server.url))


async def test_what_was_told_is_read_in_order_and_from_where_one_was(opened: Open) -> None:
    async with kept_by(opened()) as history:
        history.tell("kitchen", [an_entry(1), an_entry(2, "symbol")])
        history.tell("bath", [an_entry(9)])
        history.tell("kitchen", [an_entry(3)])
        found = await read_all(history, 3)

        assert numbers(found) == [1, 2, 3]
        assert (found[1].stream_type, found[1].timestamp_ns, found[1].data) == ("symbol", 2_000_000, b'{"number":2}')
        assert numbers(await history.read("kitchen", after=found[0].id, limit=1)) == [2]
        assert await history.read("nowhere") == []


async def test_who_follows_gets_what_comes(opened: Open) -> None:
    async with kept_by(opened()) as history:
        history.tell("kitchen", [an_entry(1)])
        following = history.follow("kitchen", START)
        async with asyncio.timeout(10):
            first = await anext(following)
            history.tell("kitchen", [an_entry(2)])
            second = await anext(following)

    assert numbers([first, second]) == [1, 2]


# --- in this process -------------------------------------------------------------------


async def test_history_here_is_bounded_in_age_entries_and_sessions() -> None:
    wall = Wall()
    history = Recent(wall, retention_s=60, max_entries=5, max_sessions=2)
    history.tell("a", [an_entry(n) for n in range(8)])
    assert numbers(await history.read("a")) == [3, 4, 5, 6, 7]

    history.tell("b", [an_entry(1)])
    history.tell("c", [an_entry(1)])
    assert await history.read("a") == []
    assert history.dropped == 5

    wall.ms += 61_000
    assert await history.read("c") == []


async def test_who_follows_unknown_sessions_takes_no_others_place() -> None:
    history = Recent(Wall(), max_sessions=2)
    history.tell("kitchen", [an_entry(1)])
    async with asyncio.TaskGroup() as strangers:
        waiting = [strangers.create_task(read_all(history, 1, f"nobody-{n}")) for n in range(10)]
        await asyncio.sleep(0)
        history.tell("bath", [an_entry(2)])
        assert numbers(await history.read("kitchen")) == [1]
        history.tell("nobody-3", [an_entry(3)])
        assert numbers(await waiting[3]) == [3]
        for one in waiting:
            one.cancel()


async def test_who_follows_gets_all_there_is_before_it_waits() -> None:
    history = Recent(Wall())
    history.tell("kitchen", [an_entry(n) for n in range(2500)])

    assert numbers(await read_all(history, 2500))[:1] == [0]


async def test_ids_grow_even_where_the_wall_clock_steps_back() -> None:
    wall = Wall()
    history = Recent(wall)
    history.tell("a", [an_entry(1)])
    wall.ms -= 3_600_000
    history.tell("a", [an_entry(2)])

    assert numbers(await history.read("a")) == [1, 2]


# --- in Redis --------------------------------------------------------------------------


async def test_a_session_is_trimmed_by_age_and_expires_when_it_has_ended(redis: RedisServer) -> None:
    client = connected(redis.url)
    old_ms = int((await client.time())[0]) * 1000 - 7_200_000
    for n in range(300):
        fields = {"stream_type": "audio", "timestamp": 0, "sequence_id": n, "data": b""}
        await client.xadd(key("kitchen"), fields, id=f"{old_ms + n}-0")
    async with kept_by(RedisHistory(client)) as history:
        history.tell("kitchen", [an_entry(1000)])
        newest = (await read_all(history, 301))[-1].id
        for n in (1001, 1002):
            history.tell("kitchen", [an_entry(n)])
            newest = (await anext(history.follow("kitchen", newest))).id
        left = numbers(await history.read("kitchen"))

        assert left[-3:] == [1000, 1001, 1002]
        assert len(left) <= 103  # trimming is by whole nodes of a hundred entries
        assert 0 < await client.ttl(key("kitchen")) <= 3600


async def test_a_redis_that_is_killed_costs_history_and_nothing_else(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with kept_by(RedisHistory(connected(redis.url))) as history:
            history.tell("kitchen", [an_entry(1)])
            await read_all(history, 1)
            redis.kill()
            history.tell("kitchen", [an_entry(n) for n in range(2, 5)])
            assert await history.read("kitchen") == []
            await asyncio.to_thread(redis.start)
            found = await read_all(history, 3)

    assert numbers(found) == [2, 3, 4]
    assert caplog.text.count("history.away") == 1
    assert "history.back" in caplog.text


async def test_a_name_that_is_taken_in_redis_holds_up_no_other_session(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with kept_by(RedisHistory(connected(redis.url))) as history, connected(redis.url) as client:
        await client.set(key("taken"), "something else")
        history.tell("taken", [an_entry(1), an_entry(2)])
        history.tell("kitchen", [an_entry(3)])
        assert numbers(await read_all(history, 1)) == [3]

    assert isinstance(history, RedisHistory)
    assert history.refused == 2
    assert caplog.text.count("history.refused") == 1


async def test_what_waits_for_redis_is_bounded_and_the_oldest_give_way() -> None:
    history = RedisHistory(connected("redis://127.0.0.1:9/0"))
    history.tell("kitchen", [an_entry(n) for n in range(10_050)])

    assert history.dropped == 50
    await history.close()


async def test_a_group_shares_entries_and_takes_over_what_a_dead_member_left(redis: RedisServer) -> None:
    client = connected(redis.url)
    async with kept_by(RedisHistory(client)) as history:
        history.tell("kitchen", [an_entry(n) for n in range(6)])
        await read_all(history, 6)
        dead, alive = (Group(client, "kitchen", "logbook", name, idle_ms=0) for name in ("dead", "alive"))
        await dead.join()
        await alive.join()
        taken = await dead.take(2)
        rest = await alive.take()
        await alive.acknowledge(*rest)

        assert numbers(taken) == [0, 1]
        assert numbers(rest) == [0, 1, 2, 3, 4, 5]
        assert await alive.take(block_ms=1) == []


async def test_a_group_without_redis_says_so_in_one_line() -> None:
    client = connected("redis://127.0.0.1:9/0")
    with pytest.raises(HistoryError, match="redis: "):
        await Group(client, "kitchen", "g", "c").join()
    await client.aclose()


def test_an_address_that_is_none_of_redis_is_refused() -> None:
    with pytest.raises(HistoryError, match="write redis://"):
        connected("http://127.0.0.1")
