"""Streams that are ended by the service, because it stops or for their age, cost a device nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import grpc
import msgspec
from agent.test_uplink import a_device, once
from cloud.doubles import Client, FakeFusion, a_window, settings

from sensorium import wire
from sensorium.delivery import Hello, SequencedSymbol
from sensorium_cloud._app.server import running
from sensorium_cloud._app.service import FusionService
from sensorium_cloud._app.settings import Listen
from sensorium_cloud._app.stream import Context, Terms
from sensorium_cloud.answer import Desk, Memory
from sensorium_cloud.refine import Capacity, Refinery
from sensorium_cloud.state.store import Store

SHORT_LIVED = msgspec.structs.replace(settings(), listen=Listen(port=0, stop_grace_s=0.1, stream_age_s=0.05))


async def test_streams_that_grow_old_lose_no_window_and_bother_nobody(tmp_path: Path) -> None:
    fusion = FakeFusion()
    async with (
        running(SHORT_LIVED, fusion.engines()) as address,
        a_device(tmp_path, address, backoff_s=(0.01, 0.02)) as device,
    ):
        for first in range(0, 200, 10):
            await device.offer(*range(first, first + 10))
            await device.until(lambda until=first + 10: len(device.answered) == until)
        await device.until(lambda: device.stats.spooled == 0)

        assert device.answered == once(range(200))
        assert device.links == [True]
    assert sorted(fusion.fused, key=lambda name: int(name.rpartition(".")[2])) == list(once(range(200)))


async def test_connections_that_get_a_goaway_again_and_again_lose_no_window_and_no_window_is_fused_twice(
    tmp_path: Path,
) -> None:
    """Streams that outlive the grace are cut off in the middle of whatever they do."""
    fusion = FakeFusion()
    listen = Listen(port=0, stop_grace_s=0.1, connection_age_s=0.05, connection_grace_s=0.02)
    async with (
        running(msgspec.structs.replace(settings(), listen=listen), fusion.engines()) as address,
        a_device(tmp_path, address, backoff_s=(0.01, 0.02)) as device,
    ):
        offered = 0
        while device.stats.delivery.reconnects < 5:
            await device.offer(*range(offered, offered + 10))
            offered += 10
            await device.until(lambda until=offered: len(device.answered) == until)
        await device.until(lambda: device.stats.spooled == 0)

        assert device.answered == once(range(offered))
    assert sorted(fusion.fused, key=lambda name: int(name.rpartition(".")[2])) == list(once(range(offered)))


async def test_a_goaway_ends_a_connection_in_time_and_the_next_call_makes_another() -> None:
    listen = Listen(port=0, stop_grace_s=0.1, connection_age_s=0.05, connection_grace_s=0.05)
    async with (
        running(msgspec.structs.replace(settings(), listen=listen), FakeFusion().engines()) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        client = Client(address, channel)
        first = client.device()
        await first.greet()
        async with asyncio.timeout(20):
            assert await first.call.code() is grpc.StatusCode.UNAVAILABLE
        second = client.device()
        await second.greet()


async def test_who_comes_while_the_service_stops_is_not_listened_to() -> None:
    """Its Hello was on the way when the service was told to stop."""
    said: list[bytes] = []

    async def requests() -> AsyncIterator[bytes]:
        yield wire.request_to_proto(Hello("pi", "spool-a")).SerializeToString()
        await asyncio.Event().wait()

    async def write(raw: bytes) -> None:
        said.append(raw)

    with contextlib.closing(Store()) as store:
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            memory = Memory(store, wall_s=lambda: 0)
            working = group.create_task(memory.run())
            desk = Desk(group, memory, Refinery(FakeFusion().engines(), Capacity()), max_in_flight=8)
            service = FusionService(desk, Terms(8, 1 << 20, 10**9, lambda _: None, "test"))
            service.drain()
            await service.fuse(requests(), cast("Context", SimpleNamespace(write=write)))
            working.cancel()
    assert len(said) == 1


async def test_a_service_that_stops_ends_its_streams_well_and_at_once() -> None:
    patient = msgspec.structs.replace(settings(), listen=Listen(port=0, stop_grace_s=60.0))
    async with contextlib.AsyncExitStack() as outer, asyncio.timeout(30):
        async with running(patient, FakeFusion().engines()) as address:
            channel = await outer.enter_async_context(grpc.aio.insecure_channel(address))
            device = Client(address, channel).device()
            await device.greet()
            await device.send(a_window(0))
            assert isinstance(await device.hear(), SequencedSymbol)

        while await device.call.read() is not grpc.aio.EOF:
            pass
        assert await device.call.code() is grpc.StatusCode.OK
