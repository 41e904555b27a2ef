"""A clip's way: from a device's spool to words in its symbol, heard in the service or by a replica elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agent.test_uplink import Device, a_device
from cloud.doubles import FakeFusion, a_window, settings
from cloud.test_listen import SAID, Ear, a_clip

from sensorium.event import Modality
from sensorium.symbol import ModelRef, Symbol
from sensorium_cloud._app.server import running
from sensorium_cloud.cluster.front import Deployment, RemoteEar, ReplicaEnded
from sensorium_cloud.encode.encoders import EncodedWindow
from sensorium_cloud.encode.listen import Hears, Listener
from sensorium_cloud.encode.whisper import Transcript

WHISPER = ModelRef("whisper", "1a" * 32)


class Reading(FakeFusion):
    """Remembers the words of what it fused."""

    def fuse(self, batch: Any) -> list[Symbol]:
        self.words = [event.text for encoded in batch for event in texts(encoded)]
        return super().fuse(batch)


def texts(encoded: EncodedWindow) -> Any:
    return encoded.window.slot(Modality.TEXT).events


def elsewhere(ends: int) -> RemoteEar:
    """A replica's ear; so many replicas end before they answer."""
    left = iter([True] * ends)

    def call(sound: Any, patience_s: float) -> Transcript:
        assert patience_s > 0
        if next(left, False):
            raise ReplicaEnded("killed")
        return Ear().hear(sound)

    return RemoteEar(Deployment("video_audio", call, patience_s=5.0))


@pytest.mark.parametrize(
    "ear", [Ear, lambda: elsewhere(0), lambda: elsewhere(1)], ids=["here", "a replica", "a replica that ends"]
)
async def test_what_is_said_in_a_devices_clip_becomes_words_of_its_symbol(
    tmp_path: Path, ear: Callable[[], Hears]
) -> None:
    fusion, symbols = Reading(), list[Symbol]()
    engines = replace(fusion.engines(), add_heard=Listener(ear(), WHISPER, limit=1, longest_s=0.5))
    async with running(settings(), engines) as address, a_device(tmp_path, address) as device:
        await answered(device, symbols)

    assert fusion.words == [SAID.text]
    assert WHISPER in symbols[0].provenance.models


async def test_a_clip_that_no_replica_can_hear_costs_its_window_nothing_else(tmp_path: Path) -> None:
    fusion, symbols = Reading(), list[Symbol]()
    engines = replace(fusion.engines(), add_heard=Listener(elsewhere(9), WHISPER, limit=1, longest_s=0.5))
    async with running(settings(), engines) as address, a_device(tmp_path, address) as device:
        await answered(device, symbols)

    assert fusion.words == []
    assert WHISPER not in symbols[0].provenance.models


async def answered(device: Device, symbols: list[Symbol]) -> None:
    """The device sends a window with a clip, and hears its symbol."""
    said, count = asyncio.Event(), device.uplink._on_symbol

    def heard(symbol: Symbol) -> None:
        count(symbol)
        symbols.append(symbol)
        said.set()

    device.uplink._on_symbol = heard
    await device.uplink.offer(a_window(0, a_clip()))
    async with asyncio.timeout(20):
        await said.wait()
