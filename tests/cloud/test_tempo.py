"""What a new question will wait for, learned under load, and refused where that is too long."""

from __future__ import annotations

import pytest

from sensorium_cloud.batch import Overloaded
from sensorium_cloud.tempo import Tempo

MS = 1_000_000


def loaded(answers: int = 100, each_ms: int = 2, making: int = 50) -> Tempo:
    """One that has seen ``answers``, with ``making`` others in the making all the time."""
    tempo = Tempo(loaded=32)
    tempo.asked(0, making)
    for number in range(1, answers + 1):
        tempo.answered(number * each_ms * MS, making)
    return tempo


def test_expects_nothing_before_it_has_seen_a_load() -> None:
    tempo = Tempo(loaded=32)
    tempo.asked(0, 1)
    tempo.answered(40 * MS, 0)

    tempo.check(0, 1, making=1000)

    assert tempo.wait_ns(1000) == 0


def test_the_first_slow_answers_are_no_measure() -> None:
    assert loaded(answers=20, each_ms=500).wait_ns(100) == 0


def test_the_wait_is_what_is_ahead_times_what_one_costs() -> None:
    assert loaded(each_ms=2).wait_ns(99) == 200 * MS


def test_time_without_work_is_not_counted() -> None:
    tempo = loaded(each_ms=2)
    tempo.answered(202 * MS, 31)
    tempo.asked(10_000 * MS, 32)
    tempo.answered(10_002 * MS, 32)

    assert tempo.wait_ns(99) == 200 * MS


def test_follows_what_answers_cost_now() -> None:
    tempo = loaded(each_ms=2)
    for number in range(1, 2000):
        tempo.answered((200 + 5 * number) * MS, 50)

    assert tempo.wait_ns(99) == pytest.approx(500 * MS, rel=0.05)


def test_what_would_be_late_is_refused_at_once_and_told_when_to_come_back() -> None:
    tempo = loaded(each_ms=2)

    with pytest.raises(Overloaded, match="an answer takes 200 ms now and is of use for 150 ms; try again in 200 ms"):
        tempo.check(0, 150 * MS, making=99)
    tempo.check(0, 150 * MS, making=30)
    tempo.check(0, None, making=1000)
