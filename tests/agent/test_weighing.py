"""[fusion] in the settings is how the device weighs evidence."""

from __future__ import annotations

import pytest
from agent.doubles import MS, SESSION, Ear

from sensorium.align import Aligner
from sensorium.clock import ManualClock
from sensorium.event import Event, Modality
from sensorium.window import Presence, Slot, Window
from sensorium_agent._app import compose
from sensorium_agent._app.settings import Fusion, Settings
from sensorium_agent.answer import Answerer
from sensorium_agent.fuse.pooling import by_rules
from sensorium_agent.fuse.symbol import FusionSettings
from sensorium_agent.infer.runtime.shelf import Shelf
from sensorium_models import store
from sensorium_models.choice import Choice
from sensorium_models.store import ModelMissing


def an_answerer(settings: Settings) -> tuple[Answerer, Ear]:
    ear = Ear()
    return compose.answerer(settings, [], clock=ManualClock(), listener=ear), ear


def a_window() -> Window:
    thumb = Event(Modality.GESTURE, "g", 0, SESSION, 100 * MS, label="thumb_up", score=0.9)
    return Window("s.0", SESSION, 0, 0, 0, 500 * MS, 500 * MS, (Slot(Modality.GESTURE, Presence.PRESENT, (thumb,)),))


def test_the_settings_begin_where_the_fusion_does() -> None:
    assert compose.weighing(Settings()) == FusionSettings(half_life_ns=dict.fromkeys(Modality, 2_000_000_000))
    assert compose.weighing(Settings()).half_life_ns == dict(FusionSettings().half_life_ns)


def test_who_wants_to_be_surer_hears_less() -> None:
    def said(confident: float) -> str | None:
        clock, ear = ManualClock(), Ear()
        settings = Settings(fusion=Fusion(confident=confident))
        aligner = Aligner(SESSION, [Modality.GESTURE], span_ns=500 * MS)
        answerer = compose.answerer(settings, [], clock=clock, listener=ear)
        aligner.start(0)
        aligner.push(Event(Modality.GESTURE, "g", 0, SESSION, 100 * MS, label="thumb_up", score=0.9), 0)
        for window in aligner.finish(500 * MS):
            answerer.answer(window)
        return ear.symbols[0].concept

    assert said(0.5) is not None
    assert said(0.99) is None


def test_the_network_answers_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    answerer, ear = an_answerer(Settings())

    answerer.answer(a_window())

    assert [model.name for model in ear.symbols[0].provenance.models] == ["device_fusion"]
    assert "fusion.fallback" not in caplog.text


def test_rules_answer_where_the_settings_say_so() -> None:
    answerer, ear = an_answerer(Settings(fusion=Fusion(by="rules")))

    answerer.answer(a_window())

    assert not ear.symbols[0].provenance.models
    assert compose.pool(Settings(fusion=Fusion(by="rules"))) is by_rules


def test_rules_answer_where_the_network_is_missing_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(_: Settings) -> Shelf:
        return Shelf()

    def missing(name: str) -> Choice:
        raise ModelMissing(f"{name}: not on this machine; sensorium models fetch")

    monkeypatch.setattr(compose, "shelf", none)
    monkeypatch.setattr(store, "versions", missing)

    assert compose.pool(Settings()) is by_rules
    assert "fusion.fallback wanted=network answers=rules" in caplog.text
    assert "device_fusion: not on this machine; sensorium models fetch" in caplog.text
