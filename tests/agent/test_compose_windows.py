"""The settings choose how events are joined."""

from __future__ import annotations

import pytest

from sensorium.align import Aligner, Windower
from sensorium.event import Event, Modality
from sensorium.settings import SettingsError
from sensorium.windowing.pair import PairAligner
from sensorium.windowing.session_window import SessionAligner
from sensorium_agent._app import compose
from sensorium_agent._app.settings import Windows

MS = 1_000_000
SENSES = (Modality.GESTURE, Modality.AUDIO)


def chosen(**settings: object) -> Windower:
    return compose.aligner("s", SENSES, Windows(**settings))


@pytest.mark.parametrize(("kind", "expected"), [("hop", Aligner), ("session", SessionAligner), ("pair", PairAligner)])
def test_one_setting_chooses_the_kind(kind, expected) -> None:
    assert type(chosen(kind=kind)) is expected


@pytest.mark.parametrize("kind", ["hop", "session", "pair"])
def test_the_cap_bounds_the_wait_of_every_kind(kind) -> None:
    due = {}
    for cap_ms in (100, 400):
        aligner = chosen(kind=kind, cap_ms=cap_ms, idle_ms=5000)
        aligner.start(0)
        for modality in SENSES:
            aligner.push(Event(modality, modality, 0, "s", 40 * MS), 45 * MS)
        aligner.push(Event(Modality.GESTURE, Modality.GESTURE, 1, "s", 60 * MS), 65 * MS)
        aligner.advance(65 * MS)
        due[cap_ms] = aligner.next_due_ns()

    assert due[400] - due[100] == 300 * MS


def test_pairs_around_what_nothing_tells_of_are_refused_in_one_line() -> None:
    with pytest.raises(SettingsError, match=r"windows\.pivot: nothing here tells of haptic; choose one of: gesture"):
        chosen(kind="pair", pivot=Modality.HAPTIC)
