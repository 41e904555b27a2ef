"""Objectives and error budgets: what counts, what does not, and how fast a budget is spent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cloud.doubles import a_symbol, a_window

from sensorium.event import Modality
from sensorium.symbol import Reason, Share, Stage, Symbol
from sensorium.window import Presence
from sensorium_cloud.quality import Budget, Objective, Quality, Targets, judged

GOOD = Quality(20.0, 0.95, 1.0)
SLOW = replace(GOOD, latency_ms=101.0)


def symbol(*presences: Presence, **what: object) -> Symbol:
    shares = tuple(Share(m, p) for m, p in zip(Modality, presences, strict=False))
    return replace(a_symbol(a_window()), shares=shares, latency=(Stage("fuse", 5.0), Stage("total", 42.0)), **what)  # type: ignore[arg-type]


def test_latency_is_from_the_windows_arrival_to_its_symbol() -> None:
    assert judged(symbol(Presence.PRESENT)).latency_ms == 42.0


def test_a_sense_that_has_been_silent_for_long_is_not_expected() -> None:
    here, late, stale, absent = Presence.PRESENT, Presence.LATE, Presence.STALE, Presence.ABSENT

    assert judged(symbol(here, late, absent, absent)).coverage == 1.0
    assert judged(symbol(here, stale, absent)).coverage == 0.5
    assert judged(symbol(absent, absent)).coverage is None


def test_silence_is_not_held_against_anyones_confidence() -> None:
    silent = judged(symbol(Presence.ABSENT, concept=None, abstained=Reason.NOTHING, confidence=0.0))

    assert silent.confidence is None
    assert silent.meets(Targets()) == {Objective.LATENCY: True}


def test_every_objective_is_judged_by_itself() -> None:
    assert Quality(100.0, 0.79, 0.6).meets(Targets()) == {
        Objective.LATENCY: True,
        Objective.CONFIDENCE: False,
        Objective.COVERAGE: True,
    }


def test_a_budget_spent_as_it_comes_in_burns_at_one() -> None:
    budget = Budget()
    for number in range(1000):
        budget.observe(SLOW if number % 100 == 0 else GOOD, now_s=number * 0.1)

    assert budget.burn(300, now_s=100)[Objective.LATENCY] == pytest.approx(1.0)
    assert budget.burn(300, now_s=100)[Objective.COVERAGE] == 0.0
    assert budget.holds(300, now_s=100)


def test_good_averages_do_not_hide_one_objective_that_fails() -> None:
    budget = Budget()
    for number in range(100):
        budget.observe(SLOW if number < 5 else GOOD, now_s=number)

    assert not budget.holds(300, now_s=100)
    assert budget.burn(300, now_s=100)[Objective.LATENCY] == pytest.approx(5.0)


def test_old_trouble_is_forgotten_and_memory_is_bounded() -> None:
    budget = Budget()
    for second in range(0, 24 * 3600, 5):
        budget.observe(SLOW if second < 60 else GOOD, now_s=second)

    assert budget.burn(6 * 3600, now_s=24 * 3600)[Objective.LATENCY] == 0.0
    assert len(budget._buckets) <= 2161
    assert Budget().burn(300, now_s=0) == dict.fromkeys(Objective, 0.0)
