"""[fusion] in the settings is how the device weighs evidence."""

from __future__ import annotations

from agent.doubles import MS, SESSION, Ear

from sensorium.align import Aligner
from sensorium.clock import ManualClock
from sensorium.event import Event, Modality
from sensorium_agent._app import compose
from sensorium_agent._app.settings import Fusion, Settings
from sensorium_agent.local_fusion import FusionSettings


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
