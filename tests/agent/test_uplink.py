"""The uplink against a real service on a real port: every window is answered once, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from agent.fake_cloud import FakeCloud, Mood
from shared.examples import SESSION, a_window

from sensorium.clock import DeviceClock
from sensorium.delivery import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, Refusal, SequencedWindow
from sensorium.symbol import Symbol
from sensorium.window import Window
from sensorium_agent.spool.log import Spool, SpoolError
from sensorium_agent.uplink.link import Caller, Patience, Stats, Uplink


def window(number: int) -> Window:
    return replace(a_window(), id=f"{SESSION}.{number}", index=number)


BOARD = Caller("board")


class Device:
    """An uplink that runs, and what came of it; ``patience`` is `Patience`, with shorter waits where it is left out."""

    def __init__(
        self,
        directory: Path,
        target: str,
        *,
        caller: Caller = BOARD,
        credentials: grpc.ChannelCredentials | None = None,
        **patience: Any,
    ) -> None:
        self.spool = Spool.open(directory)
        self.answered: Counter[str] = Counter()
        self.links: list[bool] = []
        self.heard = asyncio.Condition()
        self._changed = asyncio.Event()
        self.uplink = Uplink(
            target,
            spool=self.spool,
            clock=DeviceClock(),
            caller=caller,
            on_symbol=self._on_symbol,
            on_link=self._on_link,
            credentials=credentials,
            patience=Patience(**{"backoff_s": (0.02, 0.1), "stream_s": 10.0} | patience),
        )

    def _on_symbol(self, symbol: Symbol) -> None:
        self.answered[symbol.id] += 1
        self._changed.set()

    def _on_link(self, up: bool) -> None:
        self.links.append(up)
        self._changed.set()

    @property
    def stats(self) -> Stats:
        return self.uplink.stats

    async def offer(self, *numbers: int) -> None:
        stored = await asyncio.gather(*(self.uplink.offer(window(n)) for n in numbers))
        assert None not in stored

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something has become true; looked at whenever something happens here, or nearby."""
        async with asyncio.timeout(30):
            while not true():
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.02)


@contextlib.asynccontextmanager
async def a_device(directory: Path, target: str, **settings) -> AsyncIterator[Device]:
    device = Device(directory, target, **settings)
    running = asyncio.get_running_loop().create_task(device.uplink.run())
    try:
        yield device
    finally:
        await device.uplink.close(flush_s=0.0)
        await running
        device.spool.close()


def once(numbers: range) -> Counter[str]:
    return Counter({f"{SESSION}.{n}": 1 for n in numbers})


async def test_a_window_comes_back_as_a_refined_symbol(tmp_path: Path) -> None:
    caller = Caller("board", "boot", "test 1")
    async with FakeCloud() as cloud, a_device(tmp_path, cloud.target, caller=caller) as device:
        await device.offer(7)
        await device.until(lambda: device.stats.spooled == 0)

        assert device.answered == once(range(7, 8))
        assert device.links == [True]
        hello = cloud.hellos[0]
        assert (hello.device_id, hello.spool_id, hello.boot_id) == ("board", device.spool.spool_id, "boot")
        stats = device.stats
        assert stats.up
        assert stats.round_trip_ms is not None
        assert 0 < sum(stats.bytes_by_modality.values()) < stats.bytes_sent
        assert set(stats.bytes_by_modality) == {slot.modality for slot in a_window().slots}


async def test_a_cloud_that_dies_and_comes_back_answers_every_window_exactly_once(tmp_path: Path) -> None:
    count = range(300)
    async with FakeCloud(max_in_flight=8) as cloud, a_device(tmp_path, cloud.target) as device:
        for begin in range(0, 100, 20):
            await device.offer(*count[begin : begin + 20])
        await device.until(lambda: len(device.answered) >= 30)
        await cloud.stop()
        await device.offer(*count[100:200])
        await device.until(lambda: device.links == [True, False])
        assert device.stats.spooled >= 100

        await cloud.start()
        await device.offer(*count[200:300])
        await device.until(lambda: device.stats.spooled == 0)

        assert device.answered == once(count)
        assert cloud.fused == once(count)
        assert device.stats.delivery.reconnects >= 1


async def test_a_cloud_that_forgets_everything_costs_no_answer(tmp_path: Path) -> None:
    async with FakeCloud(max_in_flight=4) as cloud, a_device(tmp_path, cloud.target) as device:
        await device.offer(*range(60))
        await device.until(lambda: len(device.answered) >= 10)
        await cloud.stop()
        cloud.memory.clear()
        await cloud.start()
        await device.until(lambda: device.stats.spooled == 0)
        assert device.answered == once(range(60))


async def test_what_was_spooled_is_delivered_by_the_next_process(tmp_path: Path) -> None:
    async with a_device(tmp_path, "localhost:1") as device:
        await device.offer(*range(20))
        assert device.stats.spooled == 20
    async with FakeCloud() as cloud, a_device(tmp_path, cloud.target) as device:
        await device.until(lambda: device.stats.spooled == 0)
        assert device.answered == once(range(20))


async def test_an_absent_cloud_is_told_once_and_costs_nothing_but_spool(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "sensorium_agent.uplink.link"):
        async with a_device(tmp_path, "localhost:1") as device:
            await device.offer(1, 2)
            await device.until(lambda: sum("uplink.down" in r.message for r in caplog.records) >= 4)
            assert "is sensorium-cloud running there?" in device.stats.trouble
    told = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(told) == 1
    assert "\n" not in told[0].getMessage()
    assert device.links == []


@pytest.mark.parametrize(
    ("mood", "says"),
    [
        (Mood.SILENT, "no answer for 0.2 s"),
        (Mood.RUDE, "no answer for 0.2 s"),
        (Mood.GARBLED, "does not speak as a fusion service"),
        (Mood.NONSENSE, "does not speak as a fusion service"),
        (Mood.CLOSED, "does not let this device in"),
    ],
)
async def test_a_cloud_out_of_its_mind_loses_nothing_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mood: Mood, says: str
) -> None:
    async with FakeCloud(mood) as cloud, a_device(tmp_path, cloud.target, stream_s=0.2) as device:
        await device.offer(*range(10))
        await device.until(lambda: cloud.streams >= 3)
        assert says in " ".join(r.getMessage() for r in caplog.records)
        assert sum(says in r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING) <= (
            3 if mood is Mood.SILENT else 1
        ), "a link that was up in between is news each time"
        assert device.stats.spooled == 10

        cloud.mood = Mood.WELL
        await device.until(lambda: device.stats.spooled == 0)
        assert device.answered == once(range(10))


async def test_a_refused_window_is_given_up_and_the_stream_lives_on(tmp_path: Path) -> None:
    def refuse(one: SequencedWindow) -> Refusal | None:
        return Refusal(one.sequence, INVALID_ARGUMENT, "slots", "bad") if one.window.index % 3 == 0 else None

    async with FakeCloud(refuse=refuse) as cloud, a_device(tmp_path, cloud.target) as device:
        await device.offer(*range(30))
        await device.until(lambda: device.stats.spooled == 0)
        assert sorted(device.answered) == sorted(f"{SESSION}.{n}" for n in range(30) if n % 3)
        assert device.stats.delivery.refused == 10
        assert cloud.streams == 1


async def test_an_exhausted_cloud_gets_the_window_again(tmp_path: Path) -> None:
    tries: Counter[int] = Counter()

    def refuse(one: SequencedWindow) -> Refusal | None:
        tries[one.sequence] += 1
        busy = tries[one.sequence] < 3
        return Refusal(one.sequence, RESOURCE_EXHAUSTED, retry_after_ms=5) if busy else None

    async with FakeCloud(refuse=refuse) as cloud, a_device(tmp_path, cloud.target) as device:
        await device.offer(*range(5))
        await device.until(lambda: device.stats.spooled == 0)
        assert device.answered == once(range(5))
        assert device.stats.delivery.retried == 10
        assert cloud.streams == 1


async def test_a_window_says_how_long_its_answer_is_of_use(tmp_path: Path) -> None:
    said: list[int] = []

    def refuse(one: SequencedWindow) -> None:
        said.append(one.patience_ms)

    async with FakeCloud(refuse=refuse) as cloud, a_device(tmp_path, cloud.target, answer_ms=250) as device:
        await device.offer(1, 2)
        await device.until(lambda: device.stats.spooled == 0)

        assert said == [250, 250]


async def test_messages_are_no_larger_than_the_cloud_takes(tmp_path: Path) -> None:
    size = len(b"".join(e.media.data for s in a_window().slots for e in s.events if e.media)) + 700
    async with FakeCloud(max_message_bytes=2 * size) as cloud, a_device(tmp_path, cloud.target) as device:
        await device.offer(*range(20))
        await device.until(lambda: device.stats.spooled == 0)
        assert device.answered == once(range(20))
        assert device.stats.delivery.too_large == 0


async def test_an_old_copy_of_a_spool_is_not_delivered(tmp_path: Path) -> None:
    async with FakeCloud(claims=99) as cloud, a_device(tmp_path, cloud.target) as device:
        await device.offer(1)
        await device.until(lambda: cloud.streams >= 2)
        assert "it is an old copy; remove the spool's directory" in device.stats.trouble
        assert not device.answered


async def test_closing_delivers_what_waits(tmp_path: Path) -> None:
    async with FakeCloud() as cloud:
        device = Device(tmp_path, cloud.target)
        async with asyncio.TaskGroup() as group:
            group.create_task(device.uplink.run())
            await device.until(lambda: device.stats.up)
            offers = [group.create_task(device.uplink.offer(window(n))) for n in range(50)]
            await asyncio.gather(*offers[:1])
            await device.uplink.close(flush_s=20.0)
        assert device.answered == once(range(50))
        assert await device.uplink.offer(window(99)) is None
        device.spool.close()


async def test_closing_does_not_wait_for_a_cloud_that_is_away_or_mute(tmp_path: Path) -> None:
    async with FakeCloud(Mood.SILENT) as cloud:
        for target in (cloud.target, "localhost:1"):
            device = Device(tmp_path, target, backoff_s=(30.0, 30.0), stream_s=30.0)
            async with asyncio.TaskGroup() as group:
                group.create_task(device.uplink.run())
                await device.offer(1)
                await device.until(lambda device=device: device.stats.up or device.stats.trouble != "")
                async with asyncio.timeout(5):
                    await device.uplink.close(flush_s=0.05)
            assert device.spool.pending >= 1
            device.spool.close()


async def test_windows_offered_together_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs, sync = [], os.fdatasync
    async with a_device(tmp_path, "localhost:1") as device:
        await device.offer(0)
        monkeypatch.setattr(os, "fdatasync", lambda file: (syncs.append(file), sync(file)))
        await device.offer(*range(1, 101))
        assert len(syncs) == 2, "one for the first, one for all that came meanwhile"


async def test_a_full_disk_drops_windows_counts_them_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with a_device(tmp_path, "localhost:1") as device:
        with monkeypatch.context() as patch:
            patch.setattr(os, "posix_fallocate", full)
            assert [await device.uplink.offer(window(n)) for n in range(3)] == [None] * 3
        assert device.stats.spool.refused == 3
        assert sum("the disk is full" in r.getMessage() for r in caplog.records) == 1
        await device.offer(4)


async def test_who_offers_may_be_cancelled_and_nobody_else_is_harmed(tmp_path: Path) -> None:
    async with FakeCloud() as cloud, a_device(tmp_path, cloud.target) as device:
        async with asyncio.TaskGroup() as group:
            offers = [group.create_task(device.uplink.offer(window(n))) for n in range(10)]
            await asyncio.wait(offers, timeout=0)
            offers[0].cancel()
            offers[5].cancel()
        await device.until(lambda: device.stats.spooled == 0 and len(device.answered) == 10)
        assert device.answered == once(range(10))


async def test_a_disk_that_cannot_be_read_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise SpoolError("spool: Input/output error")

    async with FakeCloud() as cloud, a_device(tmp_path, cloud.target) as device:
        with monkeypatch.context() as patch:
            patch.setattr(device.spool, "read", broken)
            await device.offer(*range(5))
            await device.until(lambda: "Input/output error" in device.stats.trouble)
        await device.until(lambda: device.stats.spooled == 0)
        assert device.answered == once(range(5))


async def test_the_one_window_that_spoils_its_message_is_found_and_the_rest_delivered(tmp_path: Path) -> None:
    def refuse(one: SequencedWindow) -> Refusal | None:
        return Refusal(0, INVALID_ARGUMENT, "windows", "one of these is bad") if one.window.index == 3 else None

    async with FakeCloud(refuse=refuse) as cloud, a_device(tmp_path, cloud.target) as device:
        await device.offer(*range(10))
        await device.until(lambda: device.stats.spooled == 0)
        assert sorted(device.answered) == [f"{SESSION}.{n}" for n in range(10) if n != 3]
        assert device.stats.delivery.refused == 1
