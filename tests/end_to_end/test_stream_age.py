"""Streams that are ended by the service, because it stops or for their age, cost a device nothing."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import grpc
import msgspec
from agent.test_uplink import a_device, once
from cloud.doubles import Client, FakeFusion, a_window, settings

from sensorium.delivery import SequencedSymbol
from sensorium_cloud._app.server import running
from sensorium_cloud._app.settings import Listen

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
