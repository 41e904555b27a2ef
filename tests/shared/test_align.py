"""When windows close, and what becomes of every event."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.align import Aligner
from sensorium.event import Event, Modality
from sensorium.window import Presence, Window
from sensorium.windowing.intake import OTHERS, STREAMS

MS = 1_000_000
SESSION = "s"


def an_event(at_ms: int, modality: Modality = Modality.GESTURE, sequence: int | None = None) -> Event:
    number = at_ms if sequence is None else sequence
    return Event(modality, f"{modality}_{SESSION}", number, SESSION, at_ms * MS, label="nod", score=1.0)


def an_aligner(*modalities: Modality, **settings: int) -> Aligner:
    aligner = Aligner(SESSION, modalities or (Modality.GESTURE, Modality.AUDIO), **settings)
    aligner.start(0)
    return aligner


def test_closes_a_window_as_soon_as_every_modality_has_looked_past_its_end() -> None:
    aligner = an_aligner()
    aligner.push(an_event(100), now_ns=110 * MS)
    aligner.reached(Modality.GESTURE, 501 * MS, 505 * MS)
    aligner.reached(Modality.AUDIO, 480 * MS, 505 * MS)

    assert aligner.advance(505 * MS) == ()

    aligner.reached(Modality.AUDIO, 500 * MS, 506 * MS)
    (window,) = aligner.advance(506 * MS)
    assert (window.start_ns, window.end_ns, window.closed_at_ns) == (0, 500 * MS, 506 * MS)
    assert [s.presence for s in window.slots] == [Presence.ABSENT, Presence.PRESENT]


def test_waits_no_longer_than_the_cap_for_a_modality_that_lags() -> None:
    aligner = an_aligner(cap_ns=300 * MS)
    aligner.reached(Modality.GESTURE, 10 * MS, 490 * MS)

    assert aligner.next_due_ns() == 800 * MS
    assert aligner.advance(799 * MS) == ()
    assert len(aligner.advance(800 * MS)) == 1


def test_never_waits_for_a_modality_that_gave_no_sign_for_long() -> None:
    aligner = an_aligner(idle_ns=200 * MS)
    aligner.reached(Modality.GESTURE, 10 * MS, 10 * MS)

    assert len(aligner.advance(500 * MS)) == 1


def test_never_waits_for_a_person_to_type() -> None:
    aligner = an_aligner(Modality.TEXT)
    aligner.push(an_event(100, Modality.TEXT), now_ns=100 * MS)

    assert len(aligner.advance(500 * MS)) == 1


def test_waits_for_words_while_someone_speaks_if_the_cap_leaves_time_for_them() -> None:
    due = {}
    for cap_ms in (300, 500):
        aligner = an_aligner(Modality.TEXT, cap_ns=cap_ms * MS)
        for number in range(40):
            aligner.push(an_event(10 * number, Modality.TEXT), now_ns=(10 * number + 400) * MS)
        due[cap_ms] = aligner.next_due_ns()

    assert due[300] == 500 * MS
    assert due[500] == pytest.approx(900 * MS, abs=4 * MS)
    assert len(aligner.advance(12_000 * MS)) == 24


def test_a_stream_without_marks_reaches_its_newest_event_less_its_disorder() -> None:
    aligner = an_aligner(Modality.GESTURE)
    aligner.push(an_event(100), now_ns=100 * MS)
    aligner.push(an_event(60), now_ns=101 * MS)
    aligner.push(an_event(520), now_ns=520 * MS)

    assert aligner.advance(530 * MS) == ()

    aligner.push(an_event(545), now_ns=545 * MS)
    (window,) = aligner.advance(545 * MS)
    assert [e.at_ns // MS for e in window.slot(Modality.GESTURE).events] == [60, 100]


def test_what_comes_late_amends_its_window_under_the_same_id() -> None:
    aligner = an_aligner()
    (first,) = aligner.advance(800 * MS)
    aligner.push(an_event(300, Modality.AUDIO), now_ns=900 * MS)

    assert aligner.next_due_ns() == 0
    (again,) = aligner.advance(900 * MS)
    assert (again.id, again.revision) == (first.id, 1)
    assert again.slot(Modality.AUDIO).presence is Presence.LATE
    assert aligner.counts()["audio_s"].amended == 1


def test_counts_what_comes_too_late_and_leaves_it_out() -> None:
    aligner = an_aligner(lateness_ns=100 * MS)
    aligner.advance(5000 * MS)
    aligner.push(an_event(100), now_ns=5000 * MS)

    assert aligner.advance(5001 * MS) == ()
    assert aligner.counts()["gesture_s"].late == 1


def test_a_duplicate_changes_nothing() -> None:
    aligner = an_aligner(Modality.GESTURE)
    for _ in range(3):
        aligner.push(an_event(100), now_ns=100 * MS)

    (window,) = aligner.advance(900 * MS)
    assert len(window.slot(Modality.GESTURE).events) == 1
    assert aligner.counts()["gesture_s"].duplicate == 2


def test_a_modality_heard_recently_is_stale_with_its_age_then_absent() -> None:
    aligner = an_aligner(Modality.GESTURE, stale_ns=1000 * MS)
    aligner.push(an_event(400), now_ns=400 * MS)
    windows = aligner.advance(2400 * MS)

    slots = [w.slot(Modality.GESTURE) for w in windows]
    assert [s.presence for s in slots[:3]] == [Presence.PRESENT, Presence.STALE, Presence.ABSENT]
    assert [s.age_ns for s in slots[:3]] == [100 * MS, 600 * MS, None]


def test_offsets_are_taken_from_the_earliest_event_of_the_window() -> None:
    aligner = an_aligner()
    aligner.push(an_event(120), now_ns=120 * MS)
    aligner.push(an_event(150, Modality.AUDIO), now_ns=150 * MS)
    (window,) = aligner.advance(800 * MS)

    assert window.slot(Modality.GESTURE).offset_ns == 0
    assert window.slot(Modality.AUDIO).offset_ns == 30 * MS


def test_sliding_windows_share_events() -> None:
    aligner = an_aligner(Modality.GESTURE, span_ns=500 * MS, hop_ns=250 * MS)
    aligner.push(an_event(300), now_ns=300 * MS)
    windows = aligner.finish(700 * MS)

    assert [w.start_ns // MS for w in windows if not w.empty] == [0, 250]
    assert aligner.counts()["gesture_s"].placed == 1


def test_a_broken_clock_in_the_future_costs_one_count_and_no_window() -> None:
    aligner = an_aligner(Modality.GESTURE)
    aligner.push(an_event(10**9), now_ns=100 * MS)

    assert len(aligner.finish(400 * MS)) == 1
    assert aligner.counts()["gesture_s"].dropped == 1


def test_an_hour_asleep_does_not_give_an_hour_of_empty_windows() -> None:
    aligner = an_aligner(Modality.GESTURE)
    windows = aligner.advance(3_600_000 * MS)

    assert len(windows) < 300
    assert aligner.skipped == 7200 - len(windows)


def test_a_flood_is_bounded_and_counted() -> None:
    aligner = an_aligner(Modality.GESTURE)
    for number in range(1000):
        aligner.push(an_event(10, sequence=number), now_ns=10 * MS)
    counts = aligner.counts()["gesture_s"]

    assert (counts.placed, counts.dropped) == (256, 744)


def test_waits_for_a_stream_as_long_as_its_events_lately_took() -> None:
    aligner = an_aligner(Modality.GESTURE)
    for number in range(48):
        aligner.push(an_event(10 * number), now_ns=(10 * number + 40) * MS)

    due_ns = aligner.next_due_ns()
    assert due_ns is not None
    assert 540 <= due_ns / MS <= 543
    assert len(aligner.advance(due_ns)) == 1


def test_every_active_stream_of_a_modality_is_waited_for() -> None:
    aligner = an_aligner(Modality.GESTURE)
    for source, at_ms in ((0, 510), (1, 490)):
        event = Event(Modality.GESTURE, f"gesture_{source}", 0, SESSION, at_ms * MS)
        aligner.push(event, now_ns=510 * MS)

    assert aligner.advance(510 * MS) == ()
    aligner.push(Event(Modality.GESTURE, "gesture_1", 1, SESSION, 505 * MS), now_ns=520 * MS)
    assert len(aligner.advance(520 * MS)) == 1


def test_thousands_of_streams_are_all_counted_and_few_remembered() -> None:
    aligner = an_aligner(Modality.GESTURE, slot_events=10_000)
    for number in range(3000):
        aligner.push(Event(Modality.GESTURE, f"gesture_{number}", 0, SESSION, number * MS), now_ns=number * MS)
        aligner.advance(number * MS)
    counts = aligner.counts()

    assert len(counts) <= STREAMS + 1
    assert counts[OTHERS].placed > 2000
    assert sum(c.placed for c in counts.values()) == 3000


def test_what_a_hostile_sender_sends_takes_no_more_memory_the_longer_it_lasts() -> None:
    random = Random(1)
    aligner = an_aligner(Modality.GESTURE, Modality.AUDIO)
    held = []
    tracemalloc.start()
    for now_ms in range(0, 20_000, 5):
        modality = random.choice((Modality.GESTURE, Modality.AUDIO))
        at_ms = now_ms - random.choice((0, 5, 300, 2500, 10**7, -9000, -(10**8)))
        event = Event(modality, f"{modality}_{random.randrange(999)}", random.getrandbits(64), SESSION, at_ms * MS)
        aligner.push(event, now_ms * MS)
        aligner.advance(now_ms * MS)
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()

    assert max(held[2000:]) < 1.1 * max(held[:2000]) < 24e6
    counts = aligner.counts().values()
    assert sum(c.placed + c.late + c.duplicate + c.dropped for c in counts) == 4000


def test_an_event_of_another_session_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="not of session"):
        an_aligner().push(Event(Modality.TEXT, "text_x", 0, "x", 0), now_ns=0)


def test_a_hop_longer_than_the_span_would_lose_events_and_is_refused() -> None:
    with pytest.raises(ValueError, match="at most span_ns"):
        Aligner(SESSION, [Modality.TEXT], span_ns=10, hop_ns=11)


arrivals = st.lists(
    st.tuples(st.integers(0, 3000), st.sampled_from([Modality.GESTURE, Modality.AUDIO]), st.integers(0, 40)),
    max_size=60,
)


def last_revisions(windows: Sequence[Window]) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for window in windows:
        found[window.id] = tuple(s.events if s.here else () for s in window.slots)
    return found


def feed(events: Sequence[Event], *, step_ns: int) -> tuple[Aligner, list[Window]]:
    aligner, given, now = an_aligner(lateness_ns=10_000 * MS), [], 3000 * MS
    for event in events:
        now += step_ns
        aligner.push(event, now)
        given += aligner.advance(now)
    return aligner, given + list(aligner.finish(now + 10 * MS))


@given(arrivals, st.randoms(use_true_random=False))
def test_any_order_within_the_allowed_lateness_gives_the_same_final_windows(arrived, random) -> None:
    events = [an_event(at, m, sequence=n) for n, (at, m, _) in enumerate(arrived)]
    shuffled = random.sample(events, len(events))

    assert last_revisions(feed(events, step_ns=MS)[1]) == last_revisions(feed(shuffled, step_ns=MS)[1])


@given(arrivals, st.integers(0, 200))
def test_every_event_is_counted_exactly_once(arrived, step_ms) -> None:
    events = [an_event(at, m, sequence=number) for at, m, number in arrived]
    aligner, windows = feed(events, step_ns=step_ms * MS)
    counts = aligner.counts().values()

    assert sum(c.placed + c.late + c.duplicate + c.dropped for c in counts) == len(events)
    placed = sum(len(some) for slots in last_revisions(windows).values() for some in slots)
    assert placed == sum(c.placed for c in counts)


@given(arrivals, st.integers(0, 400))
def test_what_was_counted_late_is_in_no_window_and_all_else_is_in_one(arrived, step_ms) -> None:
    events = [an_event(at, m, sequence=n) for n, (at, m, _) in enumerate(arrived)]
    aligner, given_out, late, now_ms = an_aligner(lateness_ns=300 * MS, cap_ns=0), [], set(), 0
    for event in events:
        now_ms += step_ms
        before = sum(c.late for c in aligner.counts().values())
        aligner.push(event, now_ms * MS)
        if sum(c.late for c in aligner.counts().values()) > before:
            late.add(event.sequence)
        given_out += aligner.advance(now_ms * MS)
    given_out += aligner.finish(10_000 * MS)

    inside = [e.sequence for slots in last_revisions(given_out).values() for some in slots for e in some]
    assert sorted([*inside, *late]) == list(range(len(events)))


@given(arrivals)
def test_the_same_calls_give_the_same_windows(arrived) -> None:
    events = [an_event(at, m, sequence=number) for at, m, number in arrived]

    assert feed(events, step_ns=MS)[1] == feed(events, step_ns=MS)[1]


def test_before_the_first_sign_of_life_there_is_nothing_to_wait_for() -> None:
    aligner = Aligner(SESSION, [Modality.TEXT])

    assert aligner.next_due_ns() is None
    assert aligner.advance(10**12) == ()


def test_the_memory_for_duplicates_is_bounded_and_forgets_the_oldest() -> None:
    aligner = an_aligner(Modality.GESTURE)
    for number in range(5000):
        aligner.push(an_event(number, sequence=number), now_ns=number * MS)
        aligner.advance(number * MS)
    aligner.push(an_event(4999, sequence=4999), now_ns=5000 * MS)
    aligner.push(an_event(4999, sequence=0), now_ns=5000 * MS)

    assert aligner.counts()["gesture_s"].duplicate == 1
