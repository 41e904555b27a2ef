"""Pairs: what is nearest to each event of a pivot, as soon as nothing nearer can come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.bursts import accounted, dense, one_by_one, told

from sensorium.event import Event, Modality
from sensorium.window import Presence, Window
from sensorium.windowing.pair import PairAligner
from sensorium.windowing.run import Run
from sensorium.windowing.track import HELD, Track

MS = 1_000_000
SESSION = "s"
SENSES = (Modality.GESTURE, Modality.AUDIO, Modality.HAPTIC)


def an_event(at_ms: int, modality: Modality = Modality.AUDIO, number: int | None = None, source: int = 0) -> Event:
    name = f"{modality}_{source}"
    return Event(modality, name, at_ms + 100 if number is None else number, SESSION, at_ms * MS)


def an_aligner(*modalities: Modality, **settings: int) -> PairAligner:
    chosen = modalities or (Modality.GESTURE, Modality.AUDIO)
    return PairAligner(SESSION, chosen, pivot=Modality.GESTURE, tolerance_ns=20 * MS, **settings)


def pushed(aligner: PairAligner, *events: Event, now_ms: int) -> tuple[Window, ...]:
    for event in events:
        aligner.push(event, now_ms * MS)
    return aligner.advance(now_ms * MS)


def nod(at_ms: int, **what: int) -> Event:
    return an_event(at_ms, Modality.GESTURE, **what)


def heard(window: Window, modality: Modality = Modality.AUDIO) -> list[int]:
    slot = window.slot(modality)
    return [e.at_ns // MS for e in slot.events] if slot.here else []


def test_pairs_a_pivot_with_the_nearest_event_once_a_nearer_one_cannot_come() -> None:
    aligner = an_aligner()

    assert pushed(aligner, an_event(95), nod(100), now_ms=110) == ()
    (pair,) = pushed(aligner, an_event(104), now_ms=111)
    assert (pair.id, pair.start_ns, pair.end_ns) == (f"s.{100 * MS}", 80 * MS, 120 * MS + 1)
    assert heard(pair) == [104]
    assert (pair.slot(Modality.GESTURE).offset_ns, pair.slot(Modality.AUDIO).offset_ns) == (0, 4 * MS)


def test_pairs_at_once_what_is_nearer_than_half_the_usual_distance_of_events() -> None:
    aligner = an_aligner()
    pushed(aligner, *[an_event(at) for at in range(0, 401, 20)], now_ms=405)
    (pair,) = pushed(aligner, nod(403), now_ms=406)

    assert heard(pair) == [400]


def test_a_promise_ends_the_wait() -> None:
    aligner = an_aligner()
    aligner.reached(Modality.AUDIO, 90 * MS, 95 * MS)

    assert pushed(aligner, nod(100), now_ms=100) == ()
    assert aligner.next_due_ns() == 420 * MS
    aligner.reached(Modality.AUDIO, 120 * MS, 121 * MS)
    assert aligner.next_due_ns() == 0
    (pair,) = aligner.advance(121 * MS)
    assert pair.slot(Modality.AUDIO).presence is Presence.ABSENT


def test_waits_no_longer_than_the_cap_and_not_for_who_is_silent() -> None:
    aligner = an_aligner(cap_ns=50 * MS, stale_ns=200 * MS)
    pushed(aligner, an_event(10), nod(100), now_ms=100)

    assert aligner.next_due_ns() == 170 * MS
    assert aligner.advance(169 * MS) == ()
    (pair,) = aligner.advance(170 * MS)
    assert pair.slot(Modality.AUDIO).presence is Presence.STALE
    (later,) = pushed(aligner, nod(2000), now_ms=2000)
    assert later.slot(Modality.AUDIO).presence is Presence.ABSENT


def test_something_nearer_that_comes_late_gives_a_revision() -> None:
    aligner = an_aligner(cap_ns=0)
    pushed(aligner, an_event(110), now_ms=110)
    (first,) = pushed(aligner, nod(100), now_ms=130)
    (again,) = pushed(aligner, an_event(98), now_ms=200)

    assert (again.id, again.revision, heard(again)) == (first.id, 1, [98])
    assert again.slot(Modality.AUDIO).presence is Presence.LATE
    assert pushed(aligner, an_event(112), now_ms=201) == ()
    assert aligner.counts()["audio_0"].amended == 1


def test_two_pivots_of_one_instant_share_a_pair() -> None:
    aligner = an_aligner(cap_ns=0)
    first, second = nod(100), nod(100, source=1)
    (pair,) = pushed(aligner, first, now_ms=130)
    (again,) = pushed(aligner, second, now_ms=131)

    assert again.slot(Modality.GESTURE).events == (first, second)
    assert (again.revision, pair.id) == (1, again.id)


def test_counts_what_comes_too_late_for_any_pair() -> None:
    aligner = an_aligner(cap_ns=0, lateness_ns=100 * MS)

    assert pushed(aligner, an_event(100), nod(100), now_ms=241) == ()
    assert [c.late for c in aligner.counts().values()] == [1, 1]


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    aligner = an_aligner()
    run = Run(an_event(0), np.arange(HELD + 5, dtype=np.uint64), np.full(HELD + 5, 100 * MS))
    aligner.push_run(run, 100 * MS)
    aligner.push(an_event(101), 100 * MS)
    counts = aligner.counts()["audio_0"]

    assert (counts.placed, counts.dropped) == (HELD, 6)


def test_forgets_what_no_pair_can_need_any_more() -> None:
    aligner = an_aligner(cap_ns=0, lateness_ns=100 * MS, stale_ns=100 * MS)
    for at in range(0, 20_000, 5):
        pushed(aligner, an_event(at), nod(at), now_ms=at + 1)

    assert len(aligner._tracks[Modality.AUDIO]) < 600
    assert len(aligner._pairs) < 40


def test_a_pivot_without_a_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="pivot must be one of"):
        an_aligner(Modality.AUDIO)


def test_a_track_tells_the_usual_period_only_when_it_knows_it() -> None:
    track = Track()
    for at in range(16):
        track.add(an_event(10 * at))

    assert track.period_ns() == 0
    track.add(an_event(160))
    assert track.period_ns() == 10 * MS


# --- properties ------------------------------------------------------------------------

ARRIVALS = st.lists(
    st.tuples(st.integers(0, 300), st.sampled_from(SENSES), st.integers(0, 1)), max_size=50, unique=True
)


def expected(arrived: Sequence[tuple[int, Modality, int]]) -> dict[int, tuple[int | None, ...]]:
    """For each pivot instant the nearest of the other modalities, told directly from the definition."""
    found: dict[int, tuple[int | None, ...]] = {}
    for pivot in {at for at, m, _ in arrived if m is Modality.GESTURE}:
        row: list[int | None] = []
        for sense in (Modality.AUDIO, Modality.HAPTIC):
            near = [(abs(at - pivot), at) for at, m, _ in arrived if m is sense and abs(at - pivot) <= 20]
            row.append(min(near)[1] if near else None)
        found[pivot] = tuple(row)
    return found


def latest(windows: Sequence[Window]) -> dict[int, tuple[int | None, ...]]:
    return {
        w.index // MS: tuple((heard(w, m) or [None])[0] for m in (Modality.AUDIO, Modality.HAPTIC)) for w in windows
    }


@settings(max_examples=300, deadline=None)
@given(ARRIVALS, st.randoms(use_true_random=False), st.integers(0, 40), st.integers(0, 200))
def test_any_order_within_the_allowed_lateness_gives_the_same_final_pairs(arrived, random, step_ms, cap_ms) -> None:
    aligner, given_out, now_ms = an_aligner(*SENSES, cap_ns=cap_ms * MS, lateness_ns=20_000 * MS), [], 300
    for number in random.sample(range(len(arrived)), len(arrived)):
        at_ms, modality, source = arrived[number]
        now_ms += step_ms
        given_out += pushed(aligner, an_event(at_ms, modality, number, source), now_ms=now_ms)
    given_out += aligner.finish(now_ms * MS)

    assert latest(given_out) == expected(arrived)


BURSTS = st.lists(
    st.tuples(
        st.sampled_from(SENSES),
        st.lists(st.tuples(st.integers(0, 80), st.integers(-30, 400)), min_size=1, max_size=30),
        st.integers(0, 200),
    ),
    max_size=10,
)


@settings(max_examples=200, deadline=None)
@given(BURSTS, st.sampled_from([0, 100]))
def test_runs_give_the_pairs_of_the_same_events_one_by_one_and_count_each_once(bursts, lateness_ms) -> None:
    how = {"cap_ns": 50 * MS, "lateness_ns": lateness_ms * MS}
    given_in = [(an_event(0, modality), events, after_ms) for modality, events, after_ms in bursts]
    windows, counts = told(an_aligner(*SENSES, **how), given_in, dense, now_ms=1000)

    assert (windows, counts) == told(an_aligner(*SENSES, **how), given_in, one_by_one, now_ms=1000)
    assert accounted(counts) == sum(len(events) for _, events, _ in bursts)
