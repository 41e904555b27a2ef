"""Devices of one session meet also where different processes serve them; a session nobody shares costs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import AsyncMock, MagicMock

import grpc
import msgspec
import pytest
from cloud.doubles import Client, Device, an_event, settings
from cloud.test_meeting import PALM, STOP, saw
from services import redis_server

from sensorium.clock import ManualClock
from sensorium.delivery import Refusal, SequencedSymbol
from sensorium.errors import FieldError
from sensorium.event import Media, Modality
from sensorium.symbol import Symbol
from sensorium.window import Window
from sensorium_cloud._app.mesh import Absent, Carrier, LocalMesh, Lost, Nobody, RedisMesh, SharedMeetings, unheeded
from sensorium_cloud._app.server import running
from sensorium_cloud.refine import Engines
from sensorium_cloud.rooms.neighbours import Here, Neighbours, Report
from sensorium_cloud.state.redis_link import connected

S = 1_000_000_000
MS = 1_000_000


def said(messages: list[bytes]) -> list[Here | Report]:
    return [msgspec.msgpack.decode(message, type=Here | Report) for message in messages]


def acquainted(now_ns: int) -> tuple[Neighbours, Neighbours]:
    """Two processes that know they share the session ``kitchen``."""
    one, two = Neighbours("one"), Neighbours("two")
    one.see("camera", saw(PALM, 100), now_ns)
    for message in two.see("phone", saw(STOP, 100), now_ns):
        for answer in one.hear(message, now_ns).say:
            two.hear(answer, now_ns)
    return one, two


def test_a_session_that_nobody_shares_is_announced_and_not_reported() -> None:
    alone = Neighbours("alone")
    told = said([m for n in range(20) for m in alone.see("pi", saw(PALM, 500 * n + 1, index=n), (60 + n) * S)])

    assert {type(message) for message in told} == {Here}
    assert sum(message.asks for message in told if isinstance(message, Here)) == 1
    assert len(told) == 1 + 4


def test_who_shares_a_session_reports_its_windows_both_ways() -> None:
    one, two = acquainted(60 * S)

    for teller, listener, device in ((one, two, "camera"), (two, one, "phone")):
        (report,) = teller.see(device, saw(PALM, 600, index=1), 61 * S)
        heard = listener.hear(report, 61 * S)
        assert heard.device == device
        assert heard.window == saw(PALM, 600, index=1)


def test_a_device_that_comes_from_another_process_is_no_witness_of_what_it_saw_itself() -> None:
    """Its window was not acknowledged there, so that it sends it again here."""
    here = SharedMeetings(Neighbours("here"), Nobody(), ManualClock(60 * S).now_ns)
    seen = saw(PALM, 600, index=1)
    here.remember("camera", seen, 60 * S)

    assert here.join("camera", seen, 61 * S) is seen
    assert here.join("camera", later := saw(STOP, 1100, index=2), 61 * S) is later
    assert here.join("phone", saw(STOP, 1600, index=3), 61 * S).slot(Modality.GESTURE).events


def test_a_folder_that_was_cleaned_up_costs_nobody_an_answer(tmp_path: Path) -> None:
    folder = tmp_path / "mesh"
    mesh = LocalMesh(folder, "one")
    (folder / "one").unlink()
    folder.rmdir()

    mesh.send([b"x"])
    mesh.close()


async def test_a_crowd_of_messages_waits_for_room_and_is_bounded(tmp_path: Path) -> None:
    """The kernel keeps as few as ten for a process that is busy."""
    one, two = LocalMesh(tmp_path, "one"), LocalMesh(tmp_path, "two")
    sent, heard = [b"%d" % n for n in range(5000)], list[bytes]()
    all_heard = asyncio.Event()

    def hear(message: bytes) -> None:
        heard.append(message)
        if message == sent[-1]:
            all_heard.set()

    one.send(sent)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        running = [group.create_task(one.run(hear)), group.create_task(two.run(hear))]
        await all_heard.wait()
        for task in running:
            task.cancel()

    assert heard == sent[one.dropped :]
    assert one.dropped == 5000 - 4096


def test_pictures_stay_where_they_came() -> None:
    one, two = acquainted(60 * S)
    picture = replace(an_event("room", modality=Modality.VIDEO), media=Media("image/jpeg", b"x" * 1000))
    (report,) = one.see("camera", saw(picture, 600, index=1), 61 * S)
    window = two.hear(report, 61 * S).window

    assert window is not None
    assert window.slot(Modality.VIDEO).events[0].media is None
    assert len(report) < 1000


def test_a_neighbour_that_fell_silent_is_told_nothing_more() -> None:
    one, _ = acquainted(60 * S)

    assert {type(m) for m in said(one.see("camera", saw(PALM, 600, index=1), 76 * S))} == {Here}


def test_an_announcement_of_sessions_we_do_not_have_is_nothing_to_us() -> None:
    stranger, us = Neighbours("stranger"), Neighbours("us")
    us.see("pi", replace(saw(PALM, 1), session_id="hall"), 60 * S)

    for message in stranger.see("camera", saw(PALM, 100), 60 * S):
        assert us.hear(message, 60 * S) == Neighbours("x").hear(message, 60 * S)


@pytest.mark.parametrize(
    "wrong",
    [b"", b"\xff", msgspec.msgpack.encode(["here", "one"]), msgspec.msgpack.encode(["report", "x", b"", "d", 1])],
)
def test_what_is_no_message_is_refused(wrong: bytes) -> None:
    with pytest.raises(FieldError):
        Neighbours("us").hear(wrong, 60 * S)


def test_a_report_that_is_no_window_is_refused() -> None:
    one, two = acquainted(60 * S)
    (report,) = said(one.see("camera", saw(PALM, 600, index=1), 61 * S))
    assert isinstance(report, Report)

    for junk in (b"\xff\xff", b""):
        with pytest.raises(FieldError):
            two.hear(msgspec.msgpack.encode(msgspec.structs.replace(report, window=junk)), 61 * S)


# --- over the air ------------------------------------------------------------------------


class Noticed:
    """A carrier whose messages somebody waits for."""

    def __init__(self, carrier: Carrier, came: asyncio.Event) -> None:
        self._carrier, self._came = carrier, came
        self.dropped = 0

    def send(self, messages: Sequence[bytes], to: str = "") -> None:
        self._carrier.send(messages, to)

    async def run(self, hear: Callable[[bytes], None], lost: Lost = unheeded) -> None:
        def heard(message: bytes) -> None:
            hear(message)
            self._came.set()

        await self._carrier.run(heard, lost)


@contextlib.asynccontextmanager
async def two_processes(
    carrier: Callable[[str], Carrier], clock: ManualClock, came: asyncio.Event
) -> AsyncIterator[list[SharedMeetings]]:
    both = [SharedMeetings(Neighbours(name), Noticed(carrier(name), came), clock.now_ns) for name in ("one", "two")]
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(meetings.run()) for meetings in both]
        try:
            yield both
        finally:
            for task in running:
                task.cancel()


def in_session(window: Window, session_id: str) -> Window:
    slots = tuple(replace(s, events=tuple(replace(e, session_id=session_id) for e in s.events)) for s in window.slots)
    return replace(window, id=f"{session_id}.{window.index}", session_id=session_id, slots=slots)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def until_they_met(
    one: SharedMeetings, two: SharedMeetings, clock: ManualClock, came: asyncio.Event, session_id: str
) -> None:
    """Both go on sending windows until what one saw is in the other's: whenever a message came, or was lost."""
    async with asyncio.timeout(20):
        for index in itertools.count():
            at_ms = 500 * index + 100
            palm, stop = (in_session(saw(event, at_ms, index=index), session_id) for event in (PALM, STOP))
            clock.at_ns += 500 * MS
            one.join("camera", palm, clock.now_ns())
            came.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await came.wait()
            if two.join("phone", stop, clock.now_ns()).slot(Modality.GESTURE).here:
                return


async def test_workers_of_a_machine_meet_through_a_folder(tmp_path: Path) -> None:
    (tmp_path / "killed").touch()
    clock, came = ManualClock(), asyncio.Event()
    async with two_processes(lambda name: LocalMesh(tmp_path, name), clock, came) as (one, two):
        await until_they_met(one, two, clock, came, "kitchen")

        assert names(tmp_path) == ["one", "two"]
    assert names(tmp_path) == []


async def test_replicas_meet_through_redis_also_after_it_was_gone(tmp_path: Path) -> None:
    clock, came = ManualClock(), asyncio.Event()
    with redis_server(tmp_path) as server:
        async with two_processes(lambda name: RedisMesh(connected(server.url), name), clock, came) as (one, two):
            await until_they_met(one, two, clock, came, "kitchen")
            server.kill()
            one.join("camera", replace(saw(PALM, 1), session_id="attic"), 0)
            server.start()
            await until_they_met(one, two, clock, came, "hall")


async def test_who_is_sent_something_and_listens_no_more_is_known_to_be_gone(tmp_path: Path) -> None:
    heard, gone = asyncio.Event(), asyncio.Queue[str]()
    with redis_server(tmp_path) as server:
        one, two = (RedisMesh(connected(server.url), name) for name in ("one", "two"))
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            running = [
                group.create_task(one.run(lambda _: None, gone.put_nowait)),
                group.create_task(two.run(lambda _: heard.set())),
            ]
            while not heard.is_set():  # until it listens
                one.send([b"x"])
                await asyncio.sleep(0.01)
            one.send([b"x"], "two")
            one.send([b"x"], "killed")

            assert (await gone.get(), gone.empty()) == ("killed", True)
            for task in running:
                task.cancel()


def test_who_does_not_listen_for_a_moment_is_not_gone() -> None:
    absent = Absent()

    assert absent.first("two", 10.0)
    assert not absent.first("two", 11.0)
    assert not absent.gone("two", 11.0)
    absent.back("two")
    assert absent.first("two", 12.0)
    assert not absent.gone("two", 13.9)
    assert absent.gone("two", 14.0)
    assert absent.first("two", 14.0)


async def test_a_process_whose_connection_was_lost_is_not_taken_for_one_that_was_killed(tmp_path: Path) -> None:
    heard, gone = asyncio.Queue[bytes](), asyncio.Queue[str]()
    with redis_server(tmp_path) as server:
        one, two = (RedisMesh(connected(server.url), name) for name in ("one", "two"))
        async with asyncio.timeout(20), connected(server.url) as operator, asyncio.TaskGroup() as group:
            running = [
                group.create_task(one.run(lambda _: None, gone.put_nowait)),
                group.create_task(two.run(heard.put_nowait)),
            ]
            while heard.empty():  # until it listens
                one.send([b"x"], "two")
                await operator.ping()
            await operator.client_kill_filter(_type="pubsub")
            one.send([b"while it is away"], "two")
            one.send([b"x"], "killed")
            certain = await gone.get()
            one.send([b"again"], "two")
            while await heard.get() != b"again":
                pass
            for task in running:
                task.cancel()

    assert (certain, gone.empty()) == ("killed", True)


async def test_a_client_that_swallows_the_news_of_a_stop_keeps_nobody() -> None:
    """So did a client of Redis that lost its connection at that moment: the service never ended."""
    publishing, forever = asyncio.Event(), asyncio.Event()

    async def swallows() -> None:
        publishing.set()
        with contextlib.suppress(asyncio.CancelledError):
            await forever.wait()

    async def hears_nothing(timeout: float) -> None:  # noqa: ASYNC109 - as the client has it
        await forever.wait()

    redis = MagicMock(aclose=AsyncMock())
    redis.pipeline.return_value.__aenter__.return_value = MagicMock(execute=swallows)
    redis.pubsub.return_value.__aenter__.return_value = AsyncMock(get_message=hears_nothing)
    mesh = RedisMesh(redis, "one")
    mesh.send([b"x"])
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(mesh.run(lambda _: None))
        await publishing.wait()
        running.cancel()
    redis.aclose.assert_awaited_once()


@pytest.mark.needs_models
async def test_a_gesture_seen_in_one_worker_is_part_of_what_a_sentence_means_in_another(
    tmp_path: Path, engines: Engines
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        devices = []
        for name in ("camera", "phone"):
            address = await stack.enter_async_context(running(settings(), engines, beside=tmp_path))
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
            devices.append(Client(address, channel).device())
            await devices[-1].greet(device=name, spool=name)
        camera, phone = devices
        async with asyncio.timeout(30):
            for index in itertools.count():
                await camera.send(saw(PALM, 500 * index + 400, index=index), first=index + 1)
                await symbol(camera)
                await phone.send(saw(STOP, 500 * index + 450, index=index), first=index + 1)
                if (met := await symbol(phone)).modalities == (Modality.TEXT, Modality.GESTURE):
                    break

    assert met.concept == "stop"


async def symbol(device: Device) -> Symbol:
    while not isinstance(answer := await device.hear(), SequencedSymbol):
        assert not isinstance(answer, Refusal), answer
    return answer.symbol
