"""What is said of Redis: one line when it does not answer any more, one when it does again, whoever asks it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec
import pytest
from cloud.doubles import FakeFusion, a_window, connected, settings
from redis.exceptions import AuthenticationError, ReadOnlyError
from services import redis_server

from sensorium.clock import ManualClock
from sensorium.delivery import SequencedSymbol
from sensorium_cloud._app.settings import Cache, Gateway, Redis
from sensorium_cloud.state.history import Entry, Unwritten
from sensorium_cloud.state.redis_history import RedisHistory
from sensorium_cloud.state.redis_link import Standing, reason_of
from sensorium_cloud.state.redis_link import connected as a_client
from sensorium_cloud.state.trouble import Trouble

NOBODY = "redis://:secret@127.0.0.1:9/0"


def test_however_many_ask_one_line_says_that_it_is_gone_and_one_that_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    standing = Standing()
    standing.back("history")
    for who in ("history", "answers", "answers"):
        standing.away(who, "refused")
    standing.back("answers")
    standing.back("history")
    standing.away("cache", "slow")

    assert caplog.messages == [
        "redis.away: refused; answers go on without it",
        "redis.back",
        "redis.away: slow; answers go on without it",
    ]


def test_that_redis_is_full_is_said_each_time_but_not_each_moment(caplog: pytest.LogCaptureFixture) -> None:
    clock, said = ManualClock(), []
    standing = Standing(Trouble(clock.now_ns))
    for second, is_full in (
        (1, True),
        (2, True),
        (3, False),
        (4, True),
        (90, True),
        (95, False),
        (200, True),
        (300, True),
    ):
        clock.at_ns = second * 1_000_000_000
        (standing.full if is_full else standing.kept)()
        said.append(len(caplog.messages))

    assert said == [1, 1, 1, 1, 2, 2, 3, 3]
    assert all(message.startswith("redis.full: ") for message in caplog.messages)


def test_what_redis_says_is_said_with_the_way_out() -> None:
    assert reason_of(ReadOnlyError("You can't write")) == "it is a read-only replica; give redis.url of the primary"
    assert reason_of(OSError("Connection refused.")) == "Connection refused"
    assert reason_of(TimeoutError()) == "TimeoutError"
    assert reason_of(AuthenticationError("Authentication required.")) == (
        "it does not take the name or the password in redis.url (Authentication required)"
    )


async def test_a_wrong_password_is_said_before_anybody_comes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with redis_server(tmp_path) as server:
        wrong = server.url.replace("redis://", "redis://:secret@")
        async with a_client(server.url) as operator, asyncio.timeout(20), asyncio.TaskGroup() as group:
            await operator.config_set("requirepass", "right")
            running = group.create_task(RedisHistory(a_client(wrong)).run())
            while not caplog.messages:
                await operator.ping()
            await operator.config_set("requirepass", "secret")
            while "redis.back" not in caplog.messages:
                await operator.ping()
            running.cancel()

    assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith("redis.away: it does not take the name or the password in redis.url (")
    assert "secret" not in caplog.text


async def test_a_service_says_once_that_its_redis_is_gone_and_answers(
    caplog: pytest.LogCaptureFixture, fusion: FakeFusion
) -> None:
    alone = msgspec.structs.replace(
        settings(),
        redis=Redis(url=NOBODY),
        gateway=Gateway(enabled=True, port=0),
        cache=Cache(entries=10, shared=True),
    )
    with caplog.at_level(logging.INFO):
        async with asyncio.timeout(20), connected(alone, fusion.engines()) as client:
            device = client.device()
            await device.greet()
            await device.send(a_window(0), a_window(1))
            assert isinstance(await device.hear(), SequencedSymbol)

    assert sum("away" in message for message in caplog.messages) == 1
    assert "secret" not in caplog.text


def test_what_gave_way_while_it_was_written_is_not_taken_for_newer_entries() -> None:
    waiting = Unwritten(most=3)
    waiting.add("kitchen", [Entry("symbol", n, n, b"{}") for n in range(3)])
    batch = waiting.first(2)
    waiting.add("kitchen", [Entry("symbol", n, n, b"{}") for n in range(3, 5)])
    waiting.written(batch)

    assert [entry.sequence for _, entry in waiting.first(10).entries] == [2, 3, 4]
    assert (waiting.gave_way, len(waiting)) == (2, 3)
