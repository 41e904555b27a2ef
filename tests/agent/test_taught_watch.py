"""A running agent follows what is taught."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sensorium.clock import ManualClock
from sensorium.event import Event, EventStream, Modality, Sample, Touch, TouchPhase
from sensorium.symbol import Symbol
from sensorium.window import Presence, Slot, Window
from sensorium_agent._app import compose, knowledge, learning
from sensorium_agent._app.listeners import Following, Silent
from sensorium_agent._app.settings import Settings
from sensorium_agent._app.taught_watch import watch_taught
from sensorium_agent.infer import taught
from sensorium_agent.infer.taught import Sign, Taught, TaughtError
from sensorium_agent.infer.touch import Strokes, TouchPerceiver
from sensorium_agent.infer.touch import taught as strokes

MS = 1_000_000
VEE = [(0.2, 0.2), (0.3, 0.45), (0.4, 0.7), (0.5, 0.45), (0.6, 0.2)]


class Seconds:
    """Sleeps that end when a test says so."""

    def __init__(self) -> None:
        self.slept = asyncio.Event()
        self._wake = asyncio.Event()

    async def sleep(self, _: float) -> None:
        self.slept.set()
        await self._wake.wait()
        self._wake.clear()

    async def pass_one(self) -> None:
        await self.slept.wait()
        self.slept.clear()
        self._wake.set()
        await self.slept.wait()


async def test_what_changed_on_disk_is_learnt_once(tmp_path: Path) -> None:
    seconds, file, learnt = Seconds(), tmp_path / "taught.json", []
    async with watch_taught([file], lambda: learnt.append(file.read_text()), sleep=seconds.sleep):
        await seconds.pass_one()
        file.write_text("one")
        await seconds.pass_one()
        await seconds.pass_one()
        file.write_text("another")
        await seconds.pass_one()

    assert learnt == ["one", "another"]


async def test_a_damaged_file_is_said_and_waited_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seconds, file = Seconds(), tmp_path / "taught.json"
    async with watch_taught([file], lambda: taught.read(file) and None, sleep=seconds.sleep):
        file.write_text("no")
        await seconds.pass_one()

    assert f"taught.unread reason={file}: " in caplog.text


class Ear(Silent):
    def __init__(self) -> None:
        self.symbols: list[Symbol] = []

    def on_symbol(self, symbol: Symbol) -> None:
        self.symbols.append(symbol)


def a_window(event: Event) -> Window:
    slots = [
        Slot(m, Presence.PRESENT, (event,), 0, 0) if m is event.modality else Slot(m, Presence.ABSENT) for m in Modality
    ]
    return Window("s.0", "s", 0, 0, event.at_ns - 1, event.at_ns + 1, event.at_ns + 2, tuple(slots))


def drawn(perceiver: TouchPerceiver, at_ns: int) -> list[Event]:
    points = [(x + dx, y) for x, y in VEE for dx in (0.0, 0.01)]
    events: list[Event] = []
    for n, (x, y) in enumerate(points):
        phase = TouchPhase.DOWN if n == 0 else TouchPhase.UP if n == len(points) - 1 else TouchPhase.MOVE
        events += perceiver.perceive(Sample(Modality.HAPTIC, "pad", n, at_ns + n * 20 * MS, Touch(0, phase, x, y)))
    return [*events, *perceiver.finish(0)]


def test_a_pipeline_goes_by_what_was_taught_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    settings, ear = Settings(), Ear()
    everyone = Following([ear], knowledge.vocabulary(settings), "s")
    parts = compose.assemble(settings, [Modality.HAPTIC], "s", clock=ManualClock(), listener=everyone)
    perceiver = parts.lanes[0].perceiver
    assert isinstance(perceiver, TouchPerceiver)
    known = Strokes()
    known.teach("my_vee", [VEE])
    assert [event.label for event in drawn(perceiver, 0)] != ["my_vee"]

    strokes.write(settings.strokes_file, known)
    taught.write(settings.taught_file, Taught().with_sign(Sign("my_vee", Modality.HAPTIC, "valley")).export())
    assert learning.learn(settings, parts, everyone).named(Modality.HAPTIC) == {"my_vee": 0}

    (event,) = drawn(perceiver, 2000 * MS)
    assert event.label == "my_vee"
    parts.answerer.answer(a_window(event))
    assert [symbol.concept for symbol in ear.symbols] == ["valley"]


def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    settings = Settings()
    everyone = Following([], knowledge.vocabulary(settings), "s")
    parts = compose.assemble(settings, [Modality.TEXT], "s", clock=ManualClock(), listener=everyone)
    taught.write(settings.taught_file, b"no")

    with pytest.raises(TaughtError):
        learning.learn(settings, parts, everyone)


def test_a_perceiver_of_its_own_learns_in_place() -> None:
    perceiver = TouchPerceiver(EventStream("s", Modality.HAPTIC))
    known = Strokes()
    known.teach("my_vee", [VEE])

    perceiver.learn(known)

    assert [event.label for event in drawn(perceiver, 0)] == ["my_vee"]
