"""Dense streams come as runs; what they give is what the same events give one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.bursts import dense, one_by_one, told

from sensorium.align import Aligner
from sensorium.event import Event, Modality
from sensorium.window import Window
from sensorium.windowing.run import LONGEST_RUN, Run, RunEvents
from sensorium.wire import window_from_proto, window_to_proto

MS = 1_000_000
SESSION = "s"


def like(modality: Modality = Modality.HAPTIC, source: int = 0) -> Event:
    return Event(modality, f"{modality}_{source}", 0, SESSION, 0, label="tap", score=0.5)


def a_run(sequences: Sequence[int], at_ms: Sequence[int], shared: Event | None = None) -> Run:
    return Run(shared or like(), np.array(sequences, np.uint64), np.array(at_ms, np.int64) * MS)


# Each burst: whose, its events (number, milliseconds before the burst), and how long after the last burst it comes.
NUMBERS = st.integers(0, 40) | st.integers(0, 2**64 - 1)
AGES = st.integers(-30, 900) | st.sampled_from([-20_000, -9_999, 5_000])
BURSTS = st.lists(
    st.tuples(
        st.sampled_from([(Modality.HAPTIC, 0), (Modality.HAPTIC, 1), (Modality.AUDIO, 0)]),
        st.lists(st.tuples(NUMBERS, AGES), min_size=1, max_size=90),
        st.integers(0, 400),
    ),
    max_size=12,
)


def windows_of(bursts: list, push: Callable[[Aligner, Run, int], None], **how: int) -> tuple[list[Window], object]:
    aligner = Aligner(SESSION, [Modality.HAPTIC, Modality.AUDIO], **how)
    aligner.start(0)
    given_in = [(like(modality, source), events, after_ms) for (modality, source), events, after_ms in bursts]
    return told(aligner, given_in, push, now_ms=0)


@settings(max_examples=150, deadline=None)
@given(BURSTS, st.sampled_from([(500, 500), (500, 120), (100, 100)]), st.sampled_from([5, 256]))
def test_runs_give_the_windows_and_counts_of_the_same_events_one_by_one(bursts, spans_ms, room) -> None:
    span_ms, hop_ms = spans_ms
    how = {"span_ns": span_ms * MS, "hop_ns": hop_ms * MS, "slot_events": room}

    assert windows_of(bursts, dense, **how) == windows_of(bursts, one_by_one, **how)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 3))
def test_long_runs_teach_what_their_events_teach(seed, repeats) -> None:
    random = Random(seed)
    numbers = [n - random.randint(0, 3) for n in range(2000, 4000)]
    run = a_run(numbers, [n + random.randint(0, 20) for n in numbers])
    left, right = (Aligner(SESSION, [Modality.HAPTIC], slot_events=9) for _ in range(2))
    for _ in range(repeats + 1):
        dense(left, run, 4100 * MS)
        one_by_one(right, run, 4100 * MS)

    assert left.counts() == right.counts()
    assert left.next_due_ns() == right.next_due_ns()
    assert left.advance(4200 * MS) == right.advance(4200 * MS)


def test_an_event_of_a_run_has_what_the_run_shares_and_what_is_its_own() -> None:
    run = Run(
        like(),
        np.array([7, 8], np.uint64),
        np.array([1, 2]),
        at_error_ns=np.array([3, 4]),
        scores=np.array([0.25, 0.75]),
        features=np.ones((2, 3), np.float32),
    )
    event = run.event(1)

    assert (event.sequence, event.at_ns, event.at_error_ns, event.score, event.label) == (8, 2, 4, 0.75, "tap")
    assert event.features is not None
    assert event.features.array().tolist() == [1.0, 1.0, 1.0]


def test_events_of_a_run_are_made_when_somebody_looks() -> None:
    aligner = Aligner(SESSION, [Modality.HAPTIC])
    aligner.push_run(a_run([2, 1, 3], [20, 10, 30]), 30 * MS)
    (window,) = aligner.finish(100 * MS)
    events = window.slots[0].events

    assert isinstance(events, RunEvents)
    assert [e.sequence for e in events] == [1, 2, 3]
    assert events == tuple(events)
    assert events[1:] == tuple(events)[1:]
    assert repr(events) == "RunEvents(3)"


def test_a_window_of_runs_travels_as_one_of_events() -> None:
    aligner = Aligner(SESSION, [Modality.HAPTIC])
    aligner.push_run(a_run([0, 1], [20, 10]), 30 * MS)
    (window,) = aligner.finish(100 * MS)

    assert window_from_proto(window_to_proto(window)) == window


def test_a_window_keeps_only_what_it_shows_of_a_long_run() -> None:
    aligner = Aligner(SESSION, [Modality.HAPTIC])
    run = a_run(range(4000), range(4000))
    aligner.push_run(run, 4000 * MS)
    window = aligner.finish(4000 * MS)[0]

    assert len(window.slots[0].events._runs[0]) == 256


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"at_ns": np.zeros(0, np.int64)}, "1 to"),
        ({"at_ns": np.zeros(LONGEST_RUN + 1, np.int64)}, "1 to"),
        ({"at_ns": np.zeros(1)}, "at_ns must be int64"),
        ({"sequences": np.zeros(2, np.uint64)}, "sequences must be uint64 with 1 rows"),
        ({"features": np.zeros(1, np.float32)}, "features must be float32"),
    ],
)
def test_columns_that_do_not_fit_are_the_callers_mistake(columns, message) -> None:
    with pytest.raises(ValueError, match=message):
        Run(like(), **({"sequences": np.zeros(1, np.uint64), "at_ns": np.zeros(1, np.int64)} | columns))


def test_a_run_of_another_session_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="not of session"):
        Aligner("other", [Modality.HAPTIC]).push_run(a_run([0], [0]), 0)
    with pytest.raises(ValueError, match="not of session"):
        Aligner(SESSION, [Modality.TEXT]).push_run(a_run([0], [0]), 0)
