"""From samples to symbols: nothing is lost on the way, and one part's trouble stays its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from agent.doubles import MS, SESSION, Ear, Echo, Script, Waiter, a_line

from sensorium import concepts
from sensorium.align import Aligner
from sensorium.clock import Clock, DeviceClock, ManualClock
from sensorium.event import Modality, Sample
from sensorium.window import Window
from sensorium_agent._app import daemon
from sensorium_agent._app.play import play
from sensorium_agent.answer import Answerer, Identity
from sensorium_agent.capture.sensor import SensorFailed
from sensorium_agent.infer.inlet import Inlet
from sensorium_agent.infer.lanes import Lane
from sensorium_agent.infer.perceiver import Perceiver
from sensorium_agent.join import Heard, join
from sensorium_agent.offload import Ask, Policy


def a_lane(perceiver: Perceiver) -> Lane:
    return Lane(Modality.TEXT, Modality.TEXT, perceiver)


def an_answerer(clock: Clock, ear: Ear, offered: list[Window] | None = None) -> Answerer:
    policy = Policy(Ask.ALWAYS if offered is not None else Ask.NEVER)
    offer = offered.append if offered is not None else None
    return Answerer(concepts.load(None), Identity("desk", "test"), clock, ear, policy=policy, offer=offer)


async def run(*sensors: Script, perceiver: Perceiver, stop: asyncio.Event | None = None) -> Ear:
    clock, ear = DeviceClock(), Ear()
    aligner = Aligner(SESSION, [Modality.TEXT], span_ns=20 * MS, cap_ns=0)
    await daemon.run(
        sensors,
        [a_lane(perceiver)],
        aligner,
        an_answerer(clock, ear),
        clock=clock,
        listener=ear,
        stop=stop or asyncio.Event(),
    )
    return ear


def some_lines(*words: str) -> list[Sample]:
    return [a_line(w, number=n) for n, w in enumerate(words)]


async def test_every_sample_becomes_an_event_and_every_window_is_answered() -> None:
    ear = await run(Script(*some_lines("stop", "go")), perceiver=Echo())

    assert [e.text for e in ear.events] == ["stop", "go"]
    assert [e.text for w in ear.windows for s in w.slots if s.here for e in s.events] == ["stop", "go"]
    assert {s.id for s in ear.symbols} == {w.id for w in ear.windows}


async def test_a_stop_ends_a_sensor_that_would_go_on_for_ever() -> None:
    stop = asyncio.Event()

    async def silence() -> AsyncGenerator[Sample, None]:
        stop.set()
        await asyncio.Event().wait()
        yield a_line("never")

    ear = await run(Script(*some_lines("stop"), then=silence), perceiver=Echo(), stop=stop)

    assert [e.text for e in ear.events] == ["stop"]


async def test_a_sensor_that_fails_is_said_and_the_others_go_on() -> None:
    stop = asyncio.Event()

    async def broken() -> AsyncGenerator[Sample, None]:
        raise SensorFailed("unplugged: plug it in again")
        yield a_line("never")

    async def last() -> AsyncGenerator[Sample, None]:
        stop.set()
        await asyncio.Event().wait()
        yield a_line("never")

    failing, healthy = Script(then=broken), Script(*some_lines("still here"), then=last)
    ear = await run(failing, healthy, perceiver=Echo(), stop=stop)

    assert [e.text for e in ear.events] == ["still here"]
    assert "unplugged: plug it in again" in [what.get("detail") for _, what in ear.statuses]


async def test_a_perceiver_that_waits_is_woken_without_a_sample() -> None:
    stop = asyncio.Event()

    class Ends(Waiter):
        def tick(self, now_ns: int):
            said = super().tick(now_ns)
            if said:
                stop.set()
            return said

    async def silence() -> AsyncGenerator[Sample, None]:
        await asyncio.Event().wait()
        yield a_line("never")

    ear = await run(Script(*some_lines("tap"), then=silence), perceiver=Ends(), stop=stop)

    assert [e.label for e in ear.events] == ["waited"]


async def test_a_fault_of_ours_ends_the_agent() -> None:
    class Wrong(Echo):
        def perceive(self, sample: Sample):
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        await run(Script(*some_lines("stop")), perceiver=Wrong())

    assert raised.group_contains(ZeroDivisionError)


async def played(*samples: Sample, perceiver: Perceiver, ends_ms: int = 0) -> Ear:
    clock, ear = ManualClock(), Ear()
    aligner = Aligner(SESSION, [Modality.TEXT])
    answerer = an_answerer(clock, ear)
    lanes = [a_lane(perceiver)]
    await play(iter(samples), lanes, aligner, answerer, clock=clock, listener=ear, ends_ns=ends_ms * MS)
    return ear


async def test_a_played_file_gives_the_same_windows_every_time() -> None:
    samples = [a_line("stop", 100, 0), a_line("go", 900, 1), a_line("on", 901, 2)]

    first, again = await played(*samples, perceiver=Echo()), await played(*samples, perceiver=Echo())

    assert first.windows == again.windows
    assert [w.index for w in first.windows] == [0, 1]
    assert len(first.symbols) == 2


async def test_a_single_sample_at_the_start_is_one_window() -> None:
    ear = await played(a_line("stop"), perceiver=Echo())

    assert len(ear.windows) == 1
    assert ear.symbols[0].concept == "stop"


async def test_silence_after_the_last_sample_is_windows_too() -> None:
    ear = await played(a_line("stop"), perceiver=Echo(), ends_ms=2000)

    assert [w.empty for w in ear.windows] == [False, True, True, True]


async def test_what_waiting_decides_comes_before_the_next_sample() -> None:
    ear = await played(a_line("tap", 0), a_line("later", 1000), perceiver=Waiter(), ends_ms=2000)

    assert [e.at_ns // MS for e in ear.events] == [200, 1200]


async def test_an_answered_window_is_offered_to_the_cloud_after_the_device_has_answered() -> None:
    offered: list[Window] = []
    clock, ear = ManualClock(), Ear()
    answerer = an_answerer(clock, ear, offered)
    aligner = Aligner(SESSION, [Modality.TEXT])
    await play(iter([a_line("stop")]), [a_lane(Echo())], aligner, answerer, clock=clock, listener=ear)

    assert [w.id for w in offered] == [s.id for s in ear.symbols]


async def test_a_join_that_is_cancelled_ends_even_if_something_comes_in_the_same_instant() -> None:
    inbox: asyncio.Queue[Heard | None] = asyncio.Queue()
    aligner = Aligner(SESSION, [Modality.TEXT])
    joining = asyncio.get_running_loop().create_task(join(aligner, DeviceClock(), inbox, Ear().on_window))
    for _ in range(3):
        await asyncio.sleep(0)
    inbox.put_nowait(Heard(Modality.TEXT, (), None))
    joining.cancel()

    await asyncio.wait([joining], timeout=5)
    assert joining.cancelled()


async def test_a_full_inlet_loses_the_oldest_and_counts_it() -> None:
    inlet = Inlet(room=2)
    for number in range(5):
        inlet.put(a_line(str(number), number))
    inlet.close()

    kept = await inlet.take(10, None)
    assert kept is not None
    assert [s.data.line for s in kept] == ["3", "4"]
    assert inlet.dropped == 3
    assert await inlet.take(1, None) is None


async def test_an_inlet_that_stays_empty_lets_go_in_time() -> None:
    assert await Inlet(room=1).take(1, 0.0) == []
