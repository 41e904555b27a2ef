"""Whoever asks is answered, whatever others make of their answers, and up to the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from cloud.doubles import a_symbol, a_window

from sensorium.delivery import Hello, SequencedWindow
from sensorium.symbol import Symbol
from sensorium_cloud.answer import Answer, Desk, Memory, Sent
from sensorium_cloud.encode.encoders import EncodedWindow
from sensorium_cloud.refine import Arrival, Capacity, Engines, Refined, Refinery
from sensorium_cloud.state.store import Store


def fuse(windows: Sequence[EncodedWindow]) -> list[Symbol]:
    return [a_symbol(encoded.window) for encoded in windows]


@asynccontextmanager
async def lanes(sinks: Sequence[Callable[[Sequence[Refined]], None]] = ()) -> AsyncIterator[tuple[Memory, Refinery]]:
    """What a desk needs, running."""
    engines = Engines(lambda _: None, list, list, fuse, inline=True)
    memory, refinery = Memory(Store(), wall_s=lambda: 0), Refinery(engines, Capacity(), sinks=sinks)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run()) for each in (memory, refinery)]
        yield memory, refinery
        for task in tasks:
            task.cancel()


def sent(sequence: int) -> Sent:
    window = a_window(sequence)
    return Sent(Hello("pi", "spool"), SequencedWindow(sequence, window), Arrival(window, 0, 0))


async def test_who_fails_to_take_an_answer_keeps_nobody_else_from_theirs(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Answer] = []

    def broken(_: Answer) -> None:
        raise ZeroDivisionError

    async with lanes() as (memory, refinery), asyncio.TaskGroup() as group:
        desk = Desk(group, memory, refinery, max_in_flight=8)
        desk.answer(sent(1), broken)
        desk.answer(sent(1), told.append)
        desk.answer(sent(2), told.append)
        await desk.settled()

    assert len(told) == 2
    assert "answer.untold" in caplog.text


async def test_who_only_listens_and_fails_keeps_nobody_from_their_answers(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Answer] = []

    def broken(_: Sequence[Refined]) -> None:
        raise ZeroDivisionError

    async with lanes([broken]) as (memory, refinery), asyncio.TaskGroup() as group:
        desk = Desk(group, memory, refinery, max_in_flight=8)
        desk.answer(sent(1), told.append)
        await desk.settled()

    assert len(told) == 1
    assert "sink.failed" in caplog.text


async def test_what_is_in_the_making_when_the_service_stops_is_answered_first() -> None:
    told: list[Answer] = []
    async with lanes() as (memory, refinery):
        async with asyncio.TaskGroup() as group:
            desk = Desk(group, memory, refinery, max_in_flight=8)
            desk.answer(sent(1), told.append)
            await desk.settled()
        assert len(told) == 1


async def test_what_comes_back_after_the_end_is_let_go_quietly(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Answer] = []
    caplog.set_level("INFO")
    async with lanes() as (memory, refinery):
        async with asyncio.TaskGroup() as group:
            desk = Desk(group, memory, refinery, max_in_flight=8)
            desk.answer(sent(1), told.append)
        await refinery.fusion.do((sent(2).arrival, EncodedWindow(a_window(2), None, None, 0.0)))

    assert told == []
    assert "desk.closed making=1" in caplog.text
