"""A running agent changes a model's version between two samples, and loses none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from agent.doubles import MS, SESSION, Ear, a_line
from agent.test_shelf import LIMITS, a_version, folder
from agent.tiny_models import inputs

from sensorium.align import Aligner
from sensorium.clock import Clock, DeviceClock
from sensorium.event import Event, EventStream, Modality, Sample
from sensorium_agent._app import compose, daemon
from sensorium_agent._app.models import watch as model_watch
from sensorium_agent._app.models.watch import watch_models
from sensorium_agent._app.settings import Fusion, Settings
from sensorium_agent.infer.lanes import Lane
from sensorium_agent.infer.runtime.living import LivingModel
from sensorium_agent.infer.runtime.shelf import Change, Shelf
from sensorium_models import store

__all__ = ["folder"]


class Asking:
    """Asks its model about every sample, and says which version answered."""

    def __init__(self, model: LivingModel) -> None:
        self._model = model
        self._stream = EventStream(SESSION, Modality.TEXT)

    def perceive(self, sample: Sample) -> Sequence[Event]:
        (answer,) = self._model.run(inputs(1)[0])
        assert np.isfinite(answer).all()
        return (self._stream.event(sample.at_ns, text=self._model.blob[:12] or "shipped"),)

    def finish(self, now_ns: int) -> Sequence[Event]:
        return ()


class Chooser:
    """A sensor that gives some samples, has another version chosen, and goes on once the agent has followed."""

    name = "chooser"
    modality = Modality.TEXT

    def __init__(self, blob: str, followed: asyncio.Event) -> None:
        self._blob = blob
        self._followed = followed

    async def samples(self, clock: Clock) -> AsyncGenerator[Sample]:
        for number in range(100):
            if number == 50:
                store.choose("tiny", lambda now: now.using(self._blob))
                await self._followed.wait()
            yield replace(a_line("word", number=number), at_ns=clock.now_ns())


async def test_every_sample_is_answered_while_a_version_is_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_watch, "_EVERY_S", 0.01)
    shelf, ear, clock, followed = Shelf(limits=LIMITS), Ear(), DeviceClock(), asyncio.Event()
    lane = Lane(Modality.TEXT, Modality.TEXT, Asking(shelf.model("tiny")), shelf.turner(["tiny"]))
    blob, changes = a_version(folder), list[Change]()

    def on_change(change: Change) -> None:
        changes.append(change)
        followed.set()

    async with watch_models(shelf, on_change):
        await daemon.run(
            [Chooser(blob, followed)],
            [lane],
            Aligner(SESSION, [Modality.TEXT], span_ns=20 * MS, cap_ns=0),
            compose.answerer(Settings(fusion=Fusion(by="rules")), [], clock=clock, listener=ear),
            clock=clock,
            listener=ear,
            stop=asyncio.Event(),
        )

    answered_by = [event.text for event in ear.events]
    before = answered_by.count("shipped")  # those that still waited may meet the new version
    assert before <= 50
    assert answered_by == ["shipped"] * before + [blob[:12]] * (100 - before)
    assert [(change.what, change.version) for change in changes] == [("swapped", blob[:12])]
