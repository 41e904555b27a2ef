"""How long a stream is waited for is what its own events have lately taken."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from sensorium.windowing.watermark import Habits, Promise, Wait

MS = 1_000_000
CAP_MS = 300
IDLE_NS = 1000 * MS


def habits_of(delays_ms: list[int], every_ms: int = 10, *, sporadic: bool = False) -> Habits:
    habits = Habits(0, CAP_MS * MS, IDLE_NS, sporadic=sporadic)
    for number, delay in enumerate(delays_ms):
        habits.observe(number * every_ms * MS, (number * every_ms + delay) * MS)
    return habits


def test_until_it_is_known_a_stream_is_waited_for_up_to_the_cap() -> None:
    assert habits_of([40] * 31).patience_ns == CAP_MS * MS


def test_then_for_as_long_as_nearly_all_of_its_events_took() -> None:
    assert habits_of([40] * 32).patience_ns / MS == pytest.approx(40, abs=3)
    assert habits_of([*[40] * 990, *[120] * 10]).patience_ns / MS == pytest.approx(40, abs=3)
    assert habits_of([*[40] * 900, *[120] * 100]).patience_ns / MS == pytest.approx(120, abs=3)


def test_never_longer_than_the_cap_and_not_for_times_in_the_future() -> None:
    assert habits_of([5000] * 64).patience_ns == CAP_MS * MS
    assert habits_of([-50] * 64).patience_ns / MS == pytest.approx(0, abs=3)


@pytest.mark.parametrize(("delay_ms", "expected_ms"), [(0, 0), (200, 200), (350, 0)])
def test_a_sporadic_stream_is_waited_for_only_if_the_cap_leaves_it_the_time(delay_ms, expected_ms) -> None:
    assert habits_of([delay_ms] * 7, sporadic=True).patience_ns == 0
    assert habits_of([delay_ms] * 8, sporadic=True).patience_ns / MS == pytest.approx(expected_ms, abs=3)


def test_what_was_long_ago_is_forgotten() -> None:
    assert habits_of([*[200] * 512, *[20] * 1024]).patience_ns / MS == pytest.approx(20, abs=3)


def test_disorder_holds_the_mark_back_until_the_stream_has_been_orderly_for_a_while() -> None:
    habits = Habits(0, CAP_MS * MS, IDLE_NS)
    for at_ms in (100, 70):
        habits.observe(at_ms * MS, 100 * MS)

    assert habits.reached_ns == 70 * MS
    for at_ms in range(101, 101 + 128):
        habits.observe(at_ms * MS, at_ms * MS)
    assert habits.reached_ns == 228 * MS


def test_a_stamp_from_the_future_moves_the_mark_to_now() -> None:
    habits = Habits(0, CAP_MS * MS, IDLE_NS)
    habits.observe(5000 * MS, 100 * MS)

    assert habits.reached_ns == 100 * MS


@pytest.mark.parametrize("seed", range(20))
def test_many_events_teach_what_they_teach_one_by_one(seed) -> None:
    random = Random(seed)
    together, single = (Habits(0, CAP_MS * MS, IDLE_NS, sporadic=seed % 2 == 1) for _ in range(2))
    now_ns = 0
    for _ in range(6):
        now_ns += random.randint(0, 10**9)
        at_ns = [now_ns - random.randint(-MS, 400 * MS) for _ in range(random.choice([1, 31, 64, 500, 3000]))]
        older = together.observe_run(np.array(at_ns), now_ns)

        assert older == sum(single.observe(at, now_ns) for at in at_ns)
        for name in ("reached_ns", "patience_ns", "newest_ns", "sign_ns"):
            assert getattr(together, name) == getattr(single, name)


def test_a_wait_is_over_when_each_was_heard_or_had_its_time() -> None:
    promise, habits = Promise(CAP_MS * MS, IDLE_NS), habits_of([40] * 64)
    promise.keep(0, 600 * MS)
    wait = Wait(650 * MS, [promise, habits])

    assert wait.over_ns() == 950 * MS
    assert not wait.is_over(700 * MS)
    promise.keep(650 * MS, 700 * MS)
    assert wait.is_over(700 * MS)
