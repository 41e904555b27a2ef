"""A stream's repeats are known, also among hostile numbers, in the same memory."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.windowing.seen import REMEMBERED, Seen

S = 1_000_000_000


def test_the_first_event_of_all_is_new_at_any_number_and_time() -> None:
    assert Seen().is_new(0, 0)
    assert Seen().is_new(1, 0)
    assert Seen().is_new(2**64 - 1, -(2**63))


def test_the_same_number_a_second_later_is_a_source_that_started_again() -> None:
    seen = Seen()

    assert [seen.is_new(5, at) for at in (0, S, 2 * S + 1)] == [True, False, True]


def test_a_number_far_off_does_not_make_the_others_forgotten() -> None:
    seen = Seen()
    for number in range(100):
        seen.is_new(number, 0)
    seen.is_new(2**60 + 7, 0)

    assert [number for number in range(100) if seen.is_new(number, 0)] == [7]


def test_the_newest_four_thousand_are_remembered() -> None:
    seen = Seen()
    for number in range(REMEMBERED + 10):
        seen.is_new(number, 0)

    assert not any(seen.is_new(number, 0) for number in range(10, REMEMBERED + 10))
    assert seen.is_new(0, 0)


NUMBERS = st.integers(0, 6) | st.integers(0, 3).map(lambda n: n * REMEMBERED) | st.integers(0, 2**64 - 1)
EVENTS = st.lists(
    st.tuples(NUMBERS, st.integers(-2, 2).map(lambda s: s * S) | st.integers(-(2**63), 2**62)), max_size=40
)


@settings(deadline=None)
@given(EVENTS, st.integers(0, 40))
def test_many_at_once_are_judged_as_one_after_the_other(events, cut) -> None:
    together, single = Seen(), Seen()
    fresh: list[bool] = []
    for part in (events[:cut], events[cut:]):
        if part:
            numbers, at_ns = zip(*part, strict=True)
            fresh += together.are_new(np.array(numbers, np.uint64), np.array(at_ns, np.int64)).tolist()

    assert fresh == [single.is_new(number, at_ns) for number, at_ns in events]
