"""History with the same verbs in this process, in a file and in a real Redis, also one that is killed or runs full."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from services import RedisServer, redis_server

from sensorium_cloud.state.file_history import FileHistory, prepare
from sensorium_cloud.state.history import START, Entry, History, HistoryError, Packed, Recent, is_id, placed
from sensorium_cloud.state.redis_history import Group, RedisHistory, key
from sensorium_cloud.state.redis_link import connected


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


@pytest.fixture(params=["here", "file", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "here":
        return lambda: Recent(Wall())
    if request.param == "file":
        return lambda: in_a_file(tmp_path)
    server = request.getfixturevalue("redis")
    return lambda: RedisHistory(connected(server.url))


def in_a_file(folder: Path, wall: Wall | None = None, **bounds: int) -> FileHistory:
    return FileHistory(folder, wall or Wall(), bytes.upper, **bounds)


async def test_a_count_beyond_what_a_file_can_hold_does_not_end_the_history(tmp_path: Path) -> None:
    async with kept_by(in_a_file(tmp_path)) as history:
        history.tell("kitchen", [Entry("symbol", 1, (1 << 64) - 1, b"{}")])
        history.tell("kitchen", [an_entry(2)])

        assert numbers(await read_all(history, 2)) == [(1 << 63) - 1, 2]


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


async def test_history_here_is_bounded_in_memory_and_the_session_that_was_silent_for_longest_gives_way() -> None:
    wall = Wall()
    history = Recent(wall, max_bytes=7_000)
    history.tell("silent", [an_entry(n) for n in range(8)])
    history.tell("loud", [an_entry(n) for n in range(12)])
    silent, loud = await history.read("silent"), await history.read("loud")
    assert numbers(silent) == list(range(8 - len(silent), 8))
    assert len(silent) < 8
    assert len(loud) == 12

    history.tell("loud", [an_entry(n) for n in range(12, 100)])
    assert await history.read("silent") == []
    loud = await history.read("loud")
    assert numbers(loud) == list(range(100 - len(loud), 100))
    assert 12 <= len(loud) <= 17
    assert history.dropped == 108 - len(loud)


async def test_pages_of_history_here_are_the_oldest_first() -> None:
    history = Recent(Wall())
    history.tell("kitchen", [an_entry(n) for n in range(7)])
    first = await history.read("kitchen", limit=3)
    second = await history.read("kitchen", first[-1].id, 3)
    third = await history.read("kitchen", second[-1].id, 3)

    assert [numbers(page) for page in (first, second, third)] == [[0, 1, 2], [3, 4, 5], [6]]


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


# --- in a file -------------------------------------------------------------------------


async def test_what_one_process_wrote_another_reads_and_hears_as_it_comes(tmp_path: Path) -> None:
    async with kept_by(in_a_file(tmp_path)) as one, kept_by(in_a_file(tmp_path)) as two:
        heard = [two.follow("kitchen"), two.follow("kitchen")]
        for number in range(3):
            one.tell("kitchen", [an_entry(number)])
            async with asyncio.timeout(10):
                assert [(await anext(each)).sequence for each in heard] == [number, number]
        two.tell("kitchen", [an_entry(3)])

        assert numbers(await read_all(one, 4)) == [0, 1, 2, 3]


async def test_a_file_outlives_its_process_and_nothing_that_was_told_is_lost_by_a_stop(tmp_path: Path) -> None:
    async with kept_by(in_a_file(tmp_path)) as history:
        await asyncio.sleep(0)  # it runs
        history.tell("kitchen", [an_entry(n) for n in range(3000)])
    async with kept_by(in_a_file(tmp_path)) as history:
        assert numbers(await history.read("kitchen", limit=5000)) == list(range(3000))


async def test_what_is_packed_is_unpacked_when_it_is_read(tmp_path: Path) -> None:
    async with kept_by(in_a_file(tmp_path)) as history:
        history.tell("kitchen", [Entry("symbol", 1, 1, Packed(b"small", bytes.upper))])

        assert [entry.data for entry in await read_all(history, 1)] == [b"SMALL"]


async def test_a_file_is_bounded_in_age_in_entries_of_a_session_and_in_bytes(tmp_path: Path) -> None:
    wall = Wall()
    async with kept_by(in_a_file(tmp_path, wall, retention_s=60, max_entries=50, max_bytes=1 << 20)) as history:
        history.tell("loud", [an_entry(n) for n in range(1024)])
        await read_all(history, 50, "loud")
        async with asyncio.timeout(10):
            while len(left := await history.read("loud")) > 50:
                pass
        assert numbers(left) == list(range(974, 1024))

        for number in range(8):
            history.tell(f"large-{number}", [Entry("symbol", n, n, bytes(4000)) for n in range(100)])
            newest = (await read_all(history, 100, f"large-{number}"))[-1]
        assert newest.sequence == 99
        assert history.dropped > 974
        assert len(await history.read("large-0")) < 100
        assert (tmp_path / "sensorium-history.sqlite3").stat().st_size < 2 << 20

        wall.ms += 61_000
        assert await history.read("large-7") == []


async def test_ids_of_a_file_grow_even_where_the_wall_clock_steps_back(tmp_path: Path) -> None:
    wall = Wall()
    async with kept_by(in_a_file(tmp_path, wall)) as history:
        history.tell("kitchen", [an_entry(1)])
        (first,) = await read_all(history, 1)
        wall.ms -= 60_000
        history.tell("kitchen", [an_entry(2)])
        second = (await read_all(history, 2))[1]

    assert placed(second.id) > placed(first.id)


async def test_a_file_that_cannot_be_written_costs_history_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with kept_by(in_a_file(tmp_path)) as history:
            with closing(sqlite3.connect(tmp_path / "sensorium-history.sqlite3", isolation_level=None)) as other:
                other.execute("ALTER TABLE entries RENAME TO away")
                history.tell("kitchen", [an_entry(1)])
                async with asyncio.timeout(10):
                    while "history.away" not in caplog.text:
                        assert await history.read("kitchen") == []
                other.execute("ALTER TABLE away RENAME TO entries")
            assert numbers(await read_all(history, 1)) == [1]

    assert caplog.text.count("history.away") == 1
    assert caplog.text.count("history.back") == 1


async def test_what_waits_for_a_file_is_bounded_and_the_oldest_give_way(tmp_path: Path) -> None:
    history = in_a_file(tmp_path)
    history.tell("kitchen", [an_entry(n) for n in range(10_050)])

    assert history.dropped == 50
    history.close()


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "file", tmp_path / "newer"):
        if wrong.name == "newer":
            prepare(wrong)
            with closing(sqlite3.connect(wrong / "sensorium-history.sqlite3")) as other:
                other.execute("PRAGMA user_version = 99")
        with pytest.raises(HistoryError, match=r"give another folder with --state|move it away to start anew"):
            in_a_file(wrong)


# --- in Redis --------------------------------------------------------------------------


@pytest.mark.parametrize("after", ["0", START, "1795447200000-3", f"{(1 << 63) - 1}-{(1 << 63) - 1}"])
async def test_redis_takes_whatever_is_an_id(after: str, redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with kept_by(RedisHistory(connected(redis.url))) as history:
        assert is_id(after)
        assert await history.read("kitchen", after) == []

    assert caplog.messages == []


@pytest.mark.parametrize("said", ["", "-1", "1-", "-5", " 1", "1_0", "\uff11", "1-2-3", "x", f"{1 << 63}", "9" * 5000])
def test_what_a_history_could_take_for_something_else_is_no_id(said: str) -> None:
    assert not is_id(said)


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


async def test_a_session_is_trimmed_once_in_a_while_and_not_with_every_entry(redis: RedisServer) -> None:
    async with kept_by(RedisHistory(connected(redis.url))) as history, connected(redis.url) as client:
        for n in range(5):
            history.tell("kitchen", [an_entry(n)])
            await read_all(history, n + 1)
        history.tell("bath", [an_entry(5)])
        async with asyncio.timeout(20):
            while not await history.read("bath"):
                pass
        calls = await client.info("commandstats")

    assert calls["cmdstat_xadd"]["calls"] == 6
    assert calls["cmdstat_xtrim"]["calls"] == 2  # one of each session


async def test_a_session_that_comes_back_after_its_stream_is_gone_expires_again(redis: RedisServer) -> None:
    now_s = 0.0
    client = connected(redis.url)
    async with kept_by(RedisHistory(client, now_s=lambda: now_s)) as history:
        for n in range(2):
            history.tell("kitchen", [an_entry(n)])
            await read_all(history, n + 1)
        now_s = 3601.0
        await client.delete(key("kitchen"))  # as Redis did meanwhile
        history.tell("kitchen", [an_entry(2)])
        await read_all(history, 1)

        assert 0 < await client.ttl(key("kitchen")) <= 3600


async def test_a_session_that_goes_on_does_not_expire_however_short_history_is(redis: RedisServer) -> None:
    now_s = 0.0
    client = connected(redis.url)
    async with kept_by(RedisHistory(client, retention_s=4, now_s=lambda: now_s)) as history:
        for n in range(3):
            history.tell("kitchen", [an_entry(n)])
            await read_all(history, n + 1)
        await client.persist(key("kitchen"))
        now_s = 2.0
        history.tell("kitchen", [an_entry(3)])
        await read_all(history, 4)

        assert await client.ttl(key("kitchen")) > 0


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
    assert caplog.text.count("redis.away") == 1
    assert "redis.back" in caplog.text


async def test_a_replica_that_nobody_may_write_to_is_said_once_and_what_was_told_waits(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with kept_by(RedisHistory(connected(redis.url))) as history, connected(redis.url) as client:
            await client.replicaof("127.0.0.1", 9)
            history.tell("kitchen", [an_entry(1)])
            async with asyncio.timeout(10):
                while "redis.away" not in caplog.text:
                    assert await history.read("kitchen") == []
            assert await history.read("kitchen") == []
            await client.replicaof("no", "one")
            assert numbers(await read_all(history, 1)) == [1]

    assert caplog.text.count("it is a read-only replica; give redis.url of the primary") == 1
    assert caplog.text.count("redis.away") == caplog.text.count("redis.back") == 1


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


async def test_a_group_that_redis_forgot_begins_again(redis: RedisServer) -> None:
    client = connected(redis.url)
    async with kept_by(RedisHistory(client)) as history:
        group = Group(client, "kitchen", "logbook", "one", idle_ms=0)
        await group.join()
        await client.flushall()
        assert await group.take() == []
        history.tell("kitchen", [an_entry(1)])
        found = await group.take(block_ms=10_000)
        await group.acknowledge()
        await group.acknowledge(*found)

    assert numbers(found) == [1]


async def test_a_group_without_redis_says_so_in_one_line() -> None:
    client = connected("redis://127.0.0.1:9/0")
    with pytest.raises(HistoryError, match="redis: "):
        await Group(client, "kitchen", "g", "c").join()
    await client.aclose()


def test_an_address_that_is_none_of_redis_is_refused() -> None:
    with pytest.raises(HistoryError, match="write redis://"):
        connected("http://127.0.0.1")
