"""Gateways of several processes are one: whoever comes to one of them hears and reads what happens at the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import msgspec
import pytest
from cloud.doubles import Client, FakeFusion, a_window, settings
from cloud.test_gateway import a_client, an_event, heard, kinds_until, token
from services import redis_server
from websockets.asyncio.client import ClientConnection, connect

from sensorium_cloud._app.server import running
from sensorium_cloud._app.settings import Gateway, Redis, Settings, State, Token

URL = "ws://{}/ws/multimodal/kitchen"
PATH = "/api/sessions/kitchen/symbols"


class Process:
    """One of them; leaving its ``stack`` stops it."""

    def __init__(self, caplog: pytest.LogCaptureFixture, fusion: FakeFusion) -> None:
        self._caplog, self.fusion = caplog, fusion
        self.stack = contextlib.AsyncExitStack()
        self.grpc = self.http = ""

    async def start(self, chosen: Settings, beside: Path | None) -> Process:
        self.grpc = await self.stack.enter_async_context(running(chosen, self.fusion.engines(), beside=beside))
        self.http = self._caplog.text.rpartition("gateway.ready address=http://")[2].split()[0]
        return self


@pytest.fixture(params=["workers", "replicas"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Settings of processes that share a folder, or a Redis; and where the former meet."""
    if request.param == "workers":
        yield {"state": State(folder=str(tmp_path / "state"))}, tmp_path / "mesh"
        return
    with redis_server(tmp_path) as server:
        yield {"redis": Redis(url=server.url)}, None


@contextlib.asynccontextmanager
async def two(shared: Any, caplog: pytest.LogCaptureFixture, *tokens: Token) -> AsyncIterator[tuple[Process, Process]]:
    tables, beside = shared
    chosen = msgspec.structs.replace(settings(), gateway=Gateway(enabled=True, port=0, tokens=tokens), **tables)
    fusion = FakeFusion()
    async with contextlib.AsyncExitStack() as stack:
        both = []
        for _ in range(2):
            both.append(await Process(caplog, fusion).start(chosen, beside))
            stack.push_async_callback(both[-1].stack.aclose)
        if beside is None:
            await until_subscribed(tables["redis"].url)
        yield both[0], both[1]


async def until_subscribed(url: str) -> None:
    """Redis keeps nothing for who has not subscribed yet."""
    from redis.asyncio import Redis as Asking

    async with Asking.from_url(url) as redis, asyncio.timeout(20):
        while (await redis.pubsub_numsub("multimodal:neighbours"))[0][1] < 2:
            pass


async def until_one_room(one: ClientConnection, other: ClientConnection) -> None:
    """Both hear what one of them said."""
    async with asyncio.timeout(20):
        while True:
            await one.send(an_event(label="thumb_down"))
            said = await heard(one, "symbol")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    while said[0]["id"] != (await heard(other, "symbol"))[0]["id"]:
                        pass
                    return


async def test_people_of_one_session_share_its_room_and_its_windows_wherever_they_are(
    shared: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        two(shared, caplog) as (here, there),
        connect(URL.format(here.http)) as one,
        connect(URL.format(there.http)) as other,
    ):
        await until_one_room(one, other)
        here.fusion.batches.clear()
        await one.send(an_event(modality="text", label=None, text="yes"))
        await other.send(an_event())
        mine, theirs = (await heard(one, "symbol"))[0], (await heard(other, "symbol"))[0]
        fused = list(here.fusion.fused)

    assert mine["id"] == theirs["id"]
    assert fused.count(mine["id"]) == 1


async def test_what_a_device_means_is_heard_and_read_at_the_other_process(
    shared: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        two(shared, caplog) as (here, there),
        grpc.aio.insecure_channel(here.grpc) as channel,
        connect(URL.format(there.http)) as socket,
        a_client(there.http) as client,
    ):
        device = Client(here.grpc, channel).device()
        await device.greet()
        index = 0
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            listening = group.create_task(heard(socket, "symbol"))
            while not listening.done():  # until it is known here that somebody listens there
                await device.send(a_window(index), first=index + 1)
                await device.hear_many(2)
                index += 1
        (symbol,) = listening.result()
        read = await lines_of(client, index)
        live = await first_live(client)

    assert symbol["id"] in {line["id"] for line in read}
    assert [line["id"] for line in read] == [f"kitchen.{n}" for n in range(index)]
    assert live["id"] == "kitchen.0"


async def lines_of(client: httpx.AsyncClient, count: int) -> list[dict[str, Any]]:
    """The session's history, when there is so much of it."""
    async with asyncio.timeout(20):
        while len(lines := (await client.get(PATH)).json()["lines"]) < count:
            pass
    return lines


async def first_live(client: httpx.AsyncClient) -> dict[str, Any]:
    async with asyncio.timeout(20), client.stream("GET", PATH, headers={"Accept": "text/event-stream"}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                return dict(json.loads(line.removeprefix("data: ")))
    raise AssertionError


async def test_live_symbols_of_the_other_process_come_as_server_sent_events(
    shared: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        two(shared, caplog) as (here, there),
        connect(URL.format(here.http)) as socket,
        a_client(there.http) as client,
        asyncio.TaskGroup() as group,
    ):
        live = group.create_task(first_live(client))
        await socket.send(an_event())
        (symbol,) = await heard(socket, "symbol")

    assert live.result()["id"] == symbol["id"]


async def test_when_the_process_with_the_room_stops_the_others_go_on_and_lose_nothing(
    shared: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with two(shared, caplog) as (here, there), connect(URL.format(there.http)) as other:
        async with connect(URL.format(here.http)) as one:
            await until_one_room(one, other)
        await other.send(an_event(modality="haptic", label="tap"))
        await here.stack.aclose()
        async with asyncio.timeout(20):
            while True:
                (symbol,) = await heard(other, "symbol")
                if "haptic" in symbol["modalities"]:
                    break

    assert symbol["session"] == "kitchen"


async def test_who_may_only_write_hears_nothing_of_the_other_process_either(
    shared: Any, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = token("w", sessions=("kitchen",), may=("write",)), token("rw", sessions=("kitchen",))
    async with (
        two(shared, caplog, *tokens) as (here, there),
        connect(f"{URL.format(here.http)}?token=rw") as hears,
        connect(f"{URL.format(there.http)}?token=w") as feeds,
        asyncio.timeout(20),
        asyncio.TaskGroup() as group,
    ):
        listening = group.create_task(heard(hears, "symbol"))
        while not listening.done():
            await feeds.send(an_event())
            await feeds.send("{}")
            mute = await kinds_until(feeds, "refusal")

    assert mute <= {"welcome", "clock", "refusal"}
