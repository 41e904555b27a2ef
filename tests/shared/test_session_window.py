"""Sessions are spans of activity, whatever order their events come in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.bursts import accounted, dense, one_by_one, told

from sensorium.event import Event, Modality
from sensorium.window import Presence, Window
from sensorium.windowing.session_window import SessionAligner

MS = 1_000_000
SESSION = "s"
GAP_MS, LONGEST_MS = 100, 350
SENSES = (Modality.GESTURE, Modality.AUDIO)


def an_event(at_ms: int, number: int | None = None, modality: Modality = Modality.GESTURE) -> Event:
    return Event(modality, f"{modality}_{SESSION}", at_ms if number is None else number, SESSION, at_ms * MS)


def an_aligner(**settings: int) -> SessionAligner:
    how = {"gap_ns": GAP_MS * MS, "longest_ns": LONGEST_MS * MS, "cap_ns": 0} | settings
    return SessionAligner(SESSION, SENSES, **how)


def pushed(aligner: SessionAligner, *at_ms: int, now_ms: int) -> tuple[Window, ...]:
    for at in at_ms:
        aligner.push(an_event(at), now_ms * MS)
    return aligner.advance(now_ms * MS)


def spans_ms(windows: Sequence[Window]) -> list[tuple[int, int]]:
    return [(w.start_ns // MS, w.end_ns // MS) for w in windows]


def test_a_session_opens_with_its_first_event_and_ends_when_all_is_quiet() -> None:
    aligner = an_aligner()

    assert aligner.next_due_ns() is None
    assert pushed(aligner, 40, 90, now_ms=90) == ()
    assert aligner.next_due_ns() == 190 * MS
    assert aligner.advance(189 * MS) == ()
    (window,) = aligner.advance(190 * MS)
    assert (window.id, window.start_ns, window.end_ns) == (f"s.{40 * MS}", 40 * MS, 190 * MS)


def test_waits_for_what_a_source_usually_takes() -> None:
    aligner = an_aligner(cap_ns=300 * MS, idle_ns=1000 * MS)
    pushed(aligner, 40, now_ms=50)

    assert aligner.advance(439 * MS) == ()
    assert len(aligner.advance(440 * MS)) == 1


def test_a_promise_ends_the_wait() -> None:
    aligner = an_aligner(cap_ns=300 * MS)
    aligner.push(an_event(40), 50 * MS)
    aligner.reached(Modality.GESTURE, 140 * MS, 141 * MS)

    assert len(aligner.advance(141 * MS)) == 1


def test_unending_activity_is_cut_at_the_longest_length() -> None:
    windows = pushed(an_aligner(), *range(0, 1000, 50), now_ms=1000)

    assert spans_ms(windows) == [(0, 350), (350, 700)]


def test_a_late_event_amends_its_session_and_may_lengthen_it() -> None:
    aligner = an_aligner()
    (first,) = pushed(aligner, 0, now_ms=150)
    (again,) = pushed(aligner, 60, now_ms=160)

    assert (again.id, again.revision, again.end_ns) == (first.id, 1, 160 * MS)
    assert again.slot(Modality.GESTURE).presence is Presence.LATE
    assert aligner.counts()["gesture_s"].amended == 1


def test_a_late_event_before_the_first_one_opens_the_session_earlier_under_the_same_id() -> None:
    aligner = an_aligner()
    (first,) = pushed(aligner, 100, now_ms=250)
    (again,) = pushed(aligner, 50, now_ms=260)

    assert (again.id, again.revision, again.start_ns) == (first.id, 1, 50 * MS)


def test_a_late_event_between_two_sessions_joins_them_and_withdraws_the_second() -> None:
    aligner = an_aligner()
    first, second = pushed(aligner, 0, 150, now_ms=300)
    withdrawn, joined = pushed(aligner, 80, now_ms=310)

    assert (withdrawn.id, withdrawn.revision, withdrawn.empty) == (second.id, 1, True)
    assert (joined.id, joined.revision) == (first.id, 1)
    assert [e.sequence for e in joined.slot(Modality.GESTURE).events] == [0, 80, 150]


def test_a_swallowed_session_that_is_cut_off_again_has_its_events_back() -> None:
    aligner, given_out = an_aligner(lateness_ns=20_000 * MS), []
    for at in (0, 387, 150, 329, 240, 53):
        given_out += pushed(aligner, at, now_ms=1500)

    assert latest(given_out) == [[0, 53, 150, 240, 329], [387]]
    assert [w.revision for w in given_out if w.index == 387 * MS] == [0, 1, 2, 3]


def test_counts_what_comes_too_late() -> None:
    aligner = an_aligner(lateness_ns=200 * MS)
    pushed(aligner, 0, now_ms=10)
    aligner.advance(1000 * MS)
    aligner.advance(1001 * MS)

    assert pushed(aligner, 20, 600, now_ms=1001) == ()
    assert aligner.counts()["gesture_s"].late == 2


def test_a_flood_is_bounded_and_counted() -> None:
    aligner = an_aligner(slot_events=5)
    for number in range(20):
        aligner.push(an_event(10 + number, number), 50 * MS)
    (window,) = aligner.finish(100 * MS)

    assert len(window.slot(Modality.GESTURE).events) == 5
    assert window.end_ns == 129 * MS
    assert aligner.counts()["gesture_s"].dropped == 15


def test_joining_two_full_sessions_counts_what_no_longer_fits() -> None:
    aligner = an_aligner(slot_events=5)
    for number, at in enumerate([*range(5), *range(150, 155), 70]):
        aligner.push(an_event(at, number), 160 * MS)
    counts = aligner.counts()["gesture_s"]

    assert (counts.placed, counts.dropped) == (5, 6)
    assert len(aligner.finish(200 * MS)) == 1


def test_a_gap_longer_than_a_session_is_refused() -> None:
    with pytest.raises(ValueError, match="at most longest_ns"):
        an_aligner(gap_ns=LONGEST_MS * MS + 1)


INSTANTS = st.lists(st.tuples(st.integers(0, 1500), st.sampled_from(SENSES)), max_size=40)


def expected(arrived: Sequence[tuple[int, Modality]]) -> list[list[int]]:
    """The sessions of some instants, told directly from the definition."""
    sessions: list[list[int]] = []
    for at, _ in sorted(arrived):
        if not sessions or at - sessions[-1][-1] >= GAP_MS or at - sessions[-1][0] >= LONGEST_MS:
            sessions.append([])
        sessions[-1].append(at)
    return sessions


def latest(windows: Sequence[Window]) -> list[list[int]]:
    """When the events of each session were, by its last revision; withdrawn ones left out."""
    last = {w.id: w for w in windows}
    found = [sorted(e.at_ns // MS for s in w.slots if s.here for e in s.events) for w in last.values() if not w.empty]
    return sorted(found)


@settings(max_examples=300, deadline=None)
@given(INSTANTS, st.randoms(use_true_random=False), st.integers(0, 120))
def test_any_order_within_the_allowed_lateness_gives_the_same_final_sessions(arrived, random, step_ms) -> None:
    events = [an_event(at, n, m) for n, (at, m) in enumerate(arrived)]
    aligner, given_out, now_ms = an_aligner(lateness_ns=20_000 * MS), [], 1500
    for event in random.sample(events, len(events)):
        now_ms += step_ms
        aligner.push(event, now_ms * MS)
        given_out += aligner.advance(now_ms * MS)
    given_out += aligner.finish(now_ms * MS)

    assert latest(given_out) == expected(arrived)
    revisions: dict[str, list[int]] = {}
    for window in given_out:
        revisions.setdefault(window.id, []).append(window.revision)
    assert all(numbers == list(range(len(numbers))) for numbers in revisions.values())


BURSTS = st.lists(
    st.tuples(
        st.sampled_from(SENSES),
        st.lists(st.tuples(st.integers(0, 60), st.integers(-30, 700)), min_size=1, max_size=30),
        st.booleans(),
        st.integers(0, 300),
    ),
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(BURSTS, st.sampled_from([4, 256]))
def test_runs_give_the_sessions_of_the_same_events_one_by_one_and_count_each_once(bursts, room) -> None:
    given_in = [
        (an_event(0, modality=modality), sorted(events, key=lambda e: -e[1]) if in_order else events, after_ms)
        for modality, events, in_order, after_ms in bursts
    ]
    windows, counts = told(an_aligner(slot_events=room), given_in, dense, now_ms=1000)

    assert (windows, counts) == told(an_aligner(slot_events=room), given_in, one_by_one, now_ms=1000)
    assert accounted(counts) == sum(len(events) for _, events, *_ in bursts)
