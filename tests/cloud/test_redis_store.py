"""Answers that replicas share in a real Redis: also one that is killed, paused, full, and back again."""

from __future__ import annotations

import asyncio
import itertools
import logging
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import grpc
import msgspec
import pytest
import redis
from cloud.doubles import Client, FakeFusion, a_picture, a_window, settings
from prometheus_client import CollectorRegistry
from services import RedisServer, redis_server

from sensorium.delivery import Ack, SequencedSymbol
from sensorium.symbol import Stage, Symbol
from sensorium.window import Window
from sensorium_cloud._app.server import running
from sensorium_cloud._app.settings import Redis
from sensorium_cloud.circuit import Circuit
from sensorium_cloud.state.redis_link import impatient
from sensorium_cloud.state.redis_store import RedisStore
from sensorium_cloud.state.store import Place

PLACE = Place("pi", "spool-a", 7, "kitchen.7/0", "c0ffee")
MS = 1_000_000


# --- when to ask again -----------------------------------------------------------------


def test_after_a_failure_one_asker_a_wait_may_try_and_the_wait_doubles() -> None:
    circuit = Circuit()
    assert circuit.allows(0)
    assert circuit.failed(0)
    assert not circuit.failed(1)  # asked at the same time: no news, no longer wait

    assert [circuit.allows(at * MS) for at in (50, 100, 101)] == [False, True, False]
    circuit.failed(150 * MS)
    assert [circuit.allows(at * MS) for at in (340, 350, 351)] == [False, True, False]
    assert circuit.worked()
    assert not circuit.worked()
    assert circuit.allows(352 * MS)


def test_the_longest_wait_is_five_seconds() -> None:
    circuit, now_ns = Circuit(), 0
    for _ in range(20):
        circuit.failed(now_ns)
        assert not circuit.allows(now_ns + 1)
        now_ns += 5_000 * MS
        assert circuit.allows(now_ns)


# --- the verbs -------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as started:
        yield started


@asynccontextmanager
async def a_store(
    server: RedisServer, counts: Counter[str] | None = None, patience_s: float = 1.0
) -> AsyncIterator[RedisStore]:
    count = (counts if counts is not None else Counter[str]()).update
    store = RedisStore(impatient(server.url, patience_s), patience_s=patience_s, count=lambda outcome: count([outcome]))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(store.run())
        try:
            yield store
        finally:
            task.cancel()


async def test_the_first_answer_holds_for_every_replica(server: RedisServer) -> None:
    async with a_store(server) as one, a_store(server) as other:
        assert await one.find(PLACE) is None
        held = await asyncio.gather(*(s.save(PLACE, b"%d" % i) for i, s in enumerate((one, other) * 20)))

        assert len(set(held)) == 1
        assert await other.find(PLACE) == held[0]
        assert await other.find(replace(PLACE, content="repacked")) == held[0]
        assert await other.find(replace(PLACE, spool="spool-b", sequence=1)) == held[0]


async def test_nobody_gets_the_answer_of_another(server: RedisServer) -> None:
    async with a_store(server) as store:
        await store.save(PLACE, b"symbol")

        assert await store.find(replace(PLACE, device="jetson")) is None
        assert await store.find(replace(PLACE, window="hall.0/0", content="other")) is None


async def test_a_spool_never_moves_back(server: RedisServer) -> None:
    async with a_store(server) as store:
        assert await store.resume_after("pi", "spool-a") is None
        await asyncio.gather(*(store.advance("pi", "spool-a", through) for through in (4, 9, 7)))

        assert await store.resume_after("pi", "spool-a") == 9
        assert await store.resume_after("pi", "spool-b") is None


async def test_everything_expires(server: RedisServer) -> None:
    async with a_store(server) as store:
        await store.save(PLACE, b"symbol")
        await store.advance("pi", "spool-a", 4)
    with redis.Redis.from_url(server.url) as client:
        assert {0 < client.ttl(key) <= 86_400 for key in client.scan_iter()} == {True}


async def test_a_client_that_breaks_down_costs_no_window() -> None:
    counts: Counter[str] = Counter()
    redis = MagicMock(pipeline=MagicMock(side_effect=AttributeError("connection")))
    store = RedisStore(redis, patience_s=10.0, count=lambda outcome: counts.update([outcome]))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(store.run())
        assert await store.find(PLACE) is None
        assert await store.save(PLACE, b"own") == b"own"
        running.cancel()

    assert counts == {"away": 1, "skipped": 1}


async def test_a_paused_redis_is_waited_for_once_and_found_again(server: RedisServer) -> None:
    counts: Counter[str] = Counter()
    async with a_store(server, counts, patience_s=0.05) as store:
        await store.save(PLACE, b"first")
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(50):
                assert await store.save(replace(PLACE, content="other", sequence=8), b"own") == b"own"
        finally:
            server.process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(20):
            found = None
            while found != b"first":
                found = await store.find(PLACE)
                await asyncio.sleep(0)

    assert counts["skipped"] > counts["slow"] + counts["away"] > 0


async def test_a_full_redis_keeps_nothing_new_and_still_tells_what_it_has(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    counts: Counter[str] = Counter()
    async with a_store(server, counts) as store:
        await store.save(PLACE, b"kept")
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 1 << 20)
            assert await store.save(replace(PLACE, content="more", sequence=8), b"own") == b"own"
            assert await store.save(replace(PLACE, content="yet more", sequence=9), b"own") == b"own"
            assert await store.find(PLACE) == b"kept"
            client.config_set("maxmemory", 0)
        assert await store.save(replace(PLACE, content="again", sequence=10), b"own") == b"own"
        assert await store.find(replace(PLACE, content="again")) == b"own"

    assert counts["full"] == 2
    assert caplog.text.count("redis.full") == 1


async def test_a_replica_that_nobody_may_write_to_is_said_once_and_asked_ever_more_rarely(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    counts: Counter[str] = Counter()
    with caplog.at_level(logging.INFO), redis.Redis.from_url(server.url) as client:
        async with a_store(server, counts) as store:
            await store.save(PLACE, b"kept")
            client.replicaof("127.0.0.1", 9)
            for number in range(100):
                await store.find(PLACE)
                other = replace(PLACE, content=f"other {number}", sequence=8 + number)
                assert await store.save(other, b"own") == b"own"
                await store.advance("pi", "spool-a", number)
            told = caplog.text
            client.replicaof("no", "one")
            async with asyncio.timeout(20):
                while await store.find(PLACE) != b"kept":
                    await store.advance("pi", "spool-a", 200)

    assert told.count("redis.away: it is a read-only replica; give redis.url of the primary") == 1
    assert "redis.back" not in told
    assert caplog.text.count("redis.back") == 1
    assert counts["skipped"] > 10 * counts["read_only"] > 0


# --- replicas --------------------------------------------------------------------------


class Numbered(FakeFusion):
    """A fusion no two answers of which are alike, whichever replica makes them."""

    numbers = itertools.count(1)

    def fuse(self, batch: object) -> list[Symbol]:
        symbols = super().fuse(batch)  # type: ignore[arg-type]
        return [replace(s, latency=(Stage("number", float(next(self.numbers))),)) for s in symbols]


@asynccontextmanager
async def replicas(
    server: RedisServer, count: int = 2, registry: CollectorRegistry | None = None, patience_s: float = 0.2
) -> AsyncIterator[list[Client]]:
    """Services that share nothing but Redis."""
    chosen = msgspec.structs.replace(settings(), redis=Redis(url=server.url, patience_s=patience_s))
    if count == 0:
        yield []
        return
    async with (
        running(chosen, Numbered().engines(), registry=registry) as address,
        grpc.aio.insecure_channel(address) as channel,
        replicas(server, count - 1, patience_s=patience_s) as others,
    ):
        yield [Client(address, channel), *others]


def number(symbol: Symbol) -> float:
    return next(stage.ms for stage in symbol.latency if stage.name == "number")


async def answered(client: Client, *windows: Window, device: str = "pi") -> dict[str, float]:
    """Which answer each window gets, on a stream of its own."""
    stream = client.device()
    await stream.greet(device=device)
    await stream.send(*windows)
    found: dict[str, float] = {}
    while len(found) < len(windows):
        if isinstance(answer := await stream.hear(), SequencedSymbol):
            found[answer.symbol.id] = number(answer.symbol)
    stream.call.cancel()
    return found


async def test_a_window_that_comes_to_two_replicas_gets_one_answer(server: RedisServer) -> None:
    windows = [a_window(index) for index in range(8)]
    registry = CollectorRegistry()
    async with replicas(server, registry=registry, patience_s=5.0) as (one, other):
        together = await asyncio.gather(*(answered(c, *windows) for c in (one, other, one, other)))
        again = await answered(other, *windows)

    assert all(found == again for found in together)
    found = registry.get_sample_value("multimodal_redis_operations_total", {"outcome": "done"})
    assert found is not None
    assert found > 0


async def test_a_device_goes_on_at_another_replica_where_it_was(server: RedisServer) -> None:
    async with replicas(server) as (one, other):
        stream = one.device()
        await stream.greet()
        await stream.send(a_window(0), a_window(1))
        while await stream.hear() != Ack(2):
            pass

        assert (await other.device().greet()).resume_after == 2


async def test_a_killed_redis_costs_no_window_and_what_both_know_while_it_is_up_is_the_same(
    server: RedisServer,
) -> None:
    """Load on both replicas, before, while and after Redis is killed."""
    async with replicas(server) as (one, other):
        for first in range(0, 24, 8):
            windows = [a_window(index) for index in range(first, first + 8)]
            if first == 8:
                async with asyncio.TaskGroup() as group:
                    asked = [group.create_task(answered(c, *windows, device="pi-8")) for c in (one, other)]
                    await asyncio.sleep(0)
                    server.kill()
                assert all(sorted(task.result()) == sorted(w.id for w in windows) for task in asked)
                await asyncio.to_thread(server.start)
                await back(one, other)
                continue
            both = await asyncio.gather(*(answered(c, *windows, device=f"pi-{first}") for c in (one, other)))
            assert both[0] == both[1]


async def back(one: Client, other: Client) -> None:
    """Both replicas have found Redis again."""
    async with asyncio.timeout(20):
        for attempt in itertools.count():
            probe = a_window(1000 + attempt)
            here = await answered(one, probe, device=f"probe-{attempt}")
            if await answered(other, probe, device=f"probe-{attempt}") == here:
                return


async def test_no_picture_reaches_redis(server: RedisServer) -> None:
    picture = b"\xff\xd8 what the camera saw"
    async with replicas(server, 1) as (one,):
        await answered(one, a_window(0, a_picture(picture)))
    with redis.Redis.from_url(server.url) as client:
        dumped = b"".join(client.dump(key) for key in client.scan_iter())

    assert dumped
    assert picture not in dumped
