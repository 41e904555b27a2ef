"""Faults are written in one line, cost what they say, and are the same again for the same seed."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator

import pytest
from agent.doubles import MS, SESSION
from hypothesis import given
from hypothesis import strategies as st

from sensorium.align import Aligner
from sensorium.clock import ManualClock, WallOffset
from sensorium.event import Event, Modality
from sensorium.settings import SettingsError
from sensorium.window import Presence, Window
from sensorium.wire import canonical_bytes
from sensorium_agent.join import Heard
from sensorium_agent.record.faults import Fault, Kind, parse
from sensorium_agent.record.inject import Message, inject, step_wall, turns_of
from sensorium_agent.record.replay import count_steps, simulate

SENSES = (Modality.VIDEO, Modality.AUDIO)
LENGTH_MS = 10_000


def a_session(seed: int = 1) -> list[Message[Heard]]:
    """Ten seconds of two senses that look every 50 ms, speak now and then, and are heard a little later."""
    dice = random.Random(seed)
    numbers = dict.fromkeys(SENSES, 0)
    messages: list[Message[Heard]] = []
    for at_ms in range(50, LENGTH_MS, 50):
        for sense in SENSES:
            events: tuple[Event, ...] = ()
            if dice.random() < 0.5:
                events = (Event(sense, f"{sense}_{SESSION}", numbers[sense], SESSION, at_ms * MS - 1, label="x"),)
                numbers[sense] += 1
            messages.append(Message((at_ms + dice.randrange(10)) * MS, Heard(sense, events, at_ms * MS)))
    return sorted(messages, key=lambda m: m.now_ns)


def events_in(messages: list[Message[Heard]]) -> list[Event]:
    return [event for message in messages for event in message.what.events]


def windows_of(messages: Iterator[Message[Heard]]) -> tuple[list[Window], Aligner]:
    aligner = Aligner(SESSION, SENSES, cap_ns=200 * MS)
    aligner.start(0)
    return list(simulate(turns_of(messages, LENGTH_MS * MS), aligner, ManualClock())), aligner


def placed_in(window: Window) -> list[tuple[str, int]]:
    return sorted((e.stream_id, e.sequence) for slot in window.slots if slot.here for e in slot.events)


def with_faults(spec: str, seed: int = 0) -> tuple[list[Message[Heard]], dict[str, tuple[int, int, int]]]:
    messages, tolls = inject(a_session(), parse(spec), start_ns=0, seed=seed)
    changed = list(messages)
    return changed, {text: (toll.seen, toll.messages, toll.events) for text, toll in tolls.items()}


# --- the line of text --------------------------------------------------------------------


def test_every_fault_of_the_help_can_be_written() -> None:
    spec = (
        "clock-step=+3600s@10s, drop=audio:5%@5s-8s, delay=video:300ms, duplicate=gesture:2%, reorder=haptic:10%,"
        "jitter=all:0.5s, stall=audio:2s@10s, skew=biometric:-50ppm, disconnect=biometric@5s-8s,"
        "clock-step=text:-350ms@1.5min"
    )
    faults = parse(spec)

    assert {fault.kind for fault in faults} == set(Kind)
    assert faults[0] == Fault("clock-step=+3600s@10s", Kind.CLOCK_STEP, None, 3600e9, 10 * 10**9)
    assert faults[1] == Fault("drop=audio:5%@5s-8s", Kind.DROP, Modality.AUDIO, 0.05, 5 * 10**9, 8 * 10**9)
    assert faults[5].sense is None
    assert (faults[6].from_ns, faults[6].to_ns) == (10 * 10**9, 12 * 10**9)
    assert faults[9].from_ns == 90 * 10**9


@pytest.mark.parametrize(
    ("spec", "cure"),
    [
        ("drp=audio:5%", "did you mean 'drop'?"),
        ("drop=audoi:5%", "did you mean 'audio'?"),
        ("drop=zzz:5%", "known are video, audio"),
        ("drop=audio", "for example drop=audio:5%"),
        ("drop=audio:5", "'5' is no share"),
        ("drop=audio:500%", "is no share from 0% to 100%"),
        ("delay=video:300", "write 300ms"),
        ("delay=video:-3s", "would be in the past"),
        ("delay=video:3d", "is no time"),
        ("skew=video:3", "is no skew"),
        ("stall=audio:2s", "needs one time after an @"),
        ("clock-step=+1s", "needs one time after an @"),
        ("clock-step=+1s@1s-2s", "needs one time after an @"),
        ("disconnect=audio", "needs a span of time"),
        ("disconnect=audio@5s", "needs a span of time"),
        ("drop=audio:5%@8s-5s", "ends before it begins"),
        ("drop", "for example drop=audio:5%"),
        ("delay=video:25h", "is no time of at most 24h"),
        ("clock-step=audio:+99999999999999h@1s", "within a hundred years"),
    ],
)
def test_a_mistake_is_one_line_with_the_way_out(spec: str, cure: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse(spec)

    assert cure in str(raised.value)
    assert spec in str(raised.value)
    assert "\n" not in str(raised.value)


@given(st.text("dropelay=:@%+-,.0123456789msaudio ", max_size=40))
def test_no_text_breaks_the_parser(spec: str) -> None:
    with contextlib.suppress(SettingsError):
        parse(spec)


# --- what the faults do ------------------------------------------------------------------


def test_no_fault_changes_nothing() -> None:
    assert with_faults("") == (a_session(), {})


def test_the_same_seed_gives_the_same_again_and_another_one_something_else() -> None:
    spec = "drop=audio:20%,jitter=video:90ms,duplicate=all:5%,reorder=audio:10%"

    assert with_faults(spec, 1) == with_faults(spec, 1)
    assert with_faults(spec, 1) != with_faults(spec, 2)


def test_what_is_dropped_is_counted() -> None:
    changed, tolls = with_faults("drop=audio:25%")
    seen, messages, events = tolls["drop=audio:25%"]

    assert seen == sum(m.sense is Modality.AUDIO for m in a_session())
    assert messages == len(a_session()) - len(changed) > 0
    assert events == len(events_in(a_session())) - len(events_in(changed)) > 0


def test_a_disconnected_sense_is_silent_just_that_long() -> None:
    changed, _ = with_faults("disconnect=video@2s-5s")
    heard = [m.now_ns // MS for m in changed if m.sense is Modality.VIDEO]

    assert not [ms for ms in heard if 2000 <= ms < 5000]
    assert [ms for ms in heard if ms < 2000]
    assert [ms for ms in heard if ms >= 5000]
    assert sum(m.sense is Modality.AUDIO for m in changed) == sum(m.sense is Modality.AUDIO for m in a_session())


def test_what_is_delivered_twice_is_counted_as_duplicate() -> None:
    messages, tolls = inject(a_session(), parse("duplicate=audio:30%"), start_ns=0)
    windows, aligner = windows_of(messages)
    clean, _ = windows_of(iter(a_session()))

    doubled = tolls["duplicate=audio:30%"].events
    assert aligner.counts()[f"audio_{SESSION}"].duplicate == doubled > 0
    assert [canonical_bytes(w) for w in windows] == [canonical_bytes(w) for w in clean]


def test_a_delayed_sense_never_holds_a_window_past_the_cap() -> None:
    messages, _ = inject(a_session(), parse("delay=video:900ms"), start_ns=0)
    windows, _ = windows_of(messages)

    first = [w for w in windows if w.revision == 0]
    assert [w.index for w in first[:20]] == list(range(LENGTH_MS // 500))
    assert 0 < max(w.closed_at_ns - w.end_ns for w in first if w.end_ns < LENGTH_MS * MS) <= 200 * MS


def test_a_delay_within_the_lateness_gives_revisions_and_loses_nothing() -> None:
    messages, _ = inject(a_session(), parse("delay=video:900ms"), start_ns=0)
    windows, aligner = windows_of(messages)

    last = {w.index: w for w in windows if w.start_ns < LENGTH_MS * MS}
    clean, _ = windows_of(iter(a_session()))
    assert any(w.revision for w in windows)
    assert Presence.LATE in {slot.presence for w in windows for slot in w.slots}
    assert {i: placed_in(w) for i, w in last.items()} == {w.index: placed_in(w) for w in clean}
    assert aligner.counts()[f"video_{SESSION}"].late == 0


def test_a_delay_beyond_the_lateness_is_counted_as_late() -> None:
    messages, _ = inject(a_session(), parse("delay=video:3s@0s-4s"), start_ns=0)
    _, aligner = windows_of(messages)

    counts = aligner.counts()[f"video_{SESSION}"]
    assert counts.late > 0
    assert counts.placed + counts.late == sum(e.modality is Modality.VIDEO for e in events_in(a_session()))


def test_a_stalled_sense_comes_all_at_once_when_it_is_over() -> None:
    changed, tolls = with_faults("stall=audio:1s@3s")
    burst = [m for m in changed if m.sense is Modality.AUDIO and m.now_ns == 4000 * MS]

    assert len(burst) >= tolls["stall=audio:1s@3s"][0] > 15
    assert [m.what.reached_ns for m in burst] == sorted(m.what.reached_ns or 0 for m in burst)
    assert len(changed) == len(a_session())


def test_an_overtaken_message_comes_after_the_next_one_and_none_is_lost() -> None:
    changed, tolls = with_faults("reorder=audio:30%")
    marks = [m.what.reached_ns or 0 for m in changed if m.sense is Modality.AUDIO]

    assert marks != sorted(marks)
    assert sorted(marks) == [m.what.reached_ns or 0 for m in a_session() if m.sense is Modality.AUDIO]
    assert sum(after < before for before, after in itertools.pairwise(marks)) <= tolls["reorder=audio:30%"][1]


def test_a_message_that_is_to_be_overtaken_waits_no_longer_than_for_the_next_one() -> None:
    messages = a_session()

    changed = list(inject(messages, parse("reorder=audio:100%@1s-2s"), start_ns=0)[0])

    came_ns = {id(message.what): message.now_ns for message in messages}
    waited_ns = [message.now_ns - came_ns[id(message.what)] for message in changed]
    assert len(changed) == len(messages)
    assert 0 < max(waited_ns) <= 60 * MS


def test_a_skewed_clock_drifts_and_touches_only_what_it_dates() -> None:
    changed, _ = with_faults("skew=video:+1000ppm")

    for before, after in zip(a_session(), changed, strict=True):
        assert before.now_ns == after.now_ns
        drift = (before.what.reached_ns or 0) // 1000 if before.sense is Modality.VIDEO else 0
        assert (after.what.reached_ns or 0) - (before.what.reached_ns or 0) == drift


def test_a_sensors_own_clock_may_step() -> None:
    changed, _ = with_faults("clock-step=audio:-350ms@5s")

    for before, after in zip(a_session(), changed, strict=True):
        stepped = before.sense is Modality.AUDIO and before.now_ns >= 5000 * MS
        assert (before.what.reached_ns or 0) - (after.what.reached_ns or 0) == (350 * MS if stepped else 0)


def test_a_step_of_the_wall_clock_is_found_and_changes_no_message() -> None:
    readings = [WallOffset(10**18, 1000, at_s * 10**9) for at_s in range(20)]
    faults = parse("clock-step=+3600s@10s")
    messages, tolls = inject(a_session(), faults, start_ns=0)

    assert count_steps(readings) == (20, 0, 0)
    assert count_steps(step_wall(readings, faults, start_ns=0)) == (20, 1, 3600 * 10**9)
    assert list(messages) == a_session()
    assert tolls == {}


@given(
    st.lists(
        st.sampled_from(
            [
                "delay=all:700ms",
                "jitter=video:90ms",
                "stall=audio:1s@3s",
                "reorder=all:50%",
                "duplicate=all:50%",
                "drop=video:40%",
            ]
        ),
        max_size=4,
    ),
    st.integers(0, 9),
)
def test_whatever_goes_wrong_messages_arrive_in_order_and_none_comes_early(specs: list[str], seed: int) -> None:
    changed, _ = with_faults(",".join(specs), seed)
    arrived = {(m.sense, m.what.reached_ns): m.now_ns for m in a_session()}

    assert [m.now_ns for m in changed] == sorted(m.now_ns for m in changed)
    assert all(m.now_ns >= arrived[m.sense, m.what.reached_ns] for m in changed)
