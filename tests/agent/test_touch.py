"""Touches: what a finger means, and when that is certain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from sensorium.event import Event, EventStream, Modality, Sample, Touch, TouchPhase
from sensorium_agent.capture.files import read_touches
from sensorium_agent.infer.perceiver import Patient
from sensorium_agent.infer.touch import Stroke, TouchPerceiver, shape

RECORDINGS = Path(__file__).parent.parent / "recordings"
MS = 1_000_000
DOWN, MOVE, UP = TouchPhase.DOWN, TouchPhase.MOVE, TouchPhase.UP
Point = tuple[int, TouchPhase, float, float]


def a_pad() -> TouchPerceiver:
    return TouchPerceiver(EventStream("s", Modality.HAPTIC))


def sample(at_ms: int, phase: TouchPhase, x: float, y: float, pointer: int = 0) -> Sample:
    return Sample(Modality.HAPTIC, "pad", 0, at_ms * MS, Touch(pointer, phase, x, y), at_error_ns=5)


def feel(pad: TouchPerceiver, points: Iterable[Point], pointer: int = 0) -> list[Event]:
    return [e for at_ms, phase, x, y in points for e in pad.perceive(sample(at_ms, phase, x, y, pointer))]


def tap(at_ms: int, x: float = 0.5, y: float = 0.5) -> list[Point]:
    return [(at_ms, DOWN, x, y), (at_ms + 80, UP, x, y)]


def line(x: float, y: float, u: float, v: float, *, ms: int = 200, count: int = 13, at_ms: int = 0) -> list[Point]:
    def phase(i: int) -> TouchPhase:
        return DOWN if i == 0 else UP if i == count - 1 else MOVE

    share = np.linspace(0, 1, count)
    return [(at_ms + round(s * ms), phase(i), x + s * (u - x), y + s * (v - y)) for i, s in enumerate(share.tolist())]


def labels(events: Sequence[Event]) -> list[str | None]:
    return [e.label for e in events]


# --- taps --------------------------------------------------------------------------------


def test_a_tap_is_told_once_no_second_one_came() -> None:
    pad = a_pad()
    assert feel(pad, tap(0)) == []
    assert pad.next_due_ns() == (80 + 300 + 30) * MS
    assert pad.tick(400 * MS) == []

    (event,) = pad.tick(411 * MS)

    assert (event.label, event.at_ns, event.span_ns, event.at_error_ns) == ("tap", 80 * MS, 80 * MS, 5)
    assert pad.next_due_ns() is None


def test_two_taps_are_a_double_tap_and_no_tap() -> None:
    pad = a_pad()

    (event,) = feel(pad, [*tap(0), *tap(250, 0.52)])

    assert (event.label, event.at_ns, event.span_ns) == ("double_tap", 330 * MS, 330 * MS)
    assert pad.finish(0) == []


@pytest.mark.parametrize("second", [tap(400), tap(250, 0.9)], ids=["too late", "too far"])
def test_taps_too_far_apart_are_two(second: list[Point]) -> None:
    pad = a_pad()

    events = [*feel(pad, [*tap(0), *second]), *pad.finish(0)]

    assert [(e.label, e.at_ns // MS) for e in events] == [("tap", 80), ("tap", second[-1][0])]


def test_a_second_tap_that_has_begun_in_time_is_waited_for() -> None:
    pad = a_pad()
    feel(pad, [*tap(0), (370, DOWN, 0.5, 0.5)])

    assert pad.tick(450 * MS) == []
    assert labels(feel(pad, [(460, UP, 0.5, 0.5)])) == ["double_tap"]


def test_a_tap_before_a_swipe_is_told_before_it() -> None:
    pad = a_pad()

    assert labels(feel(pad, [*tap(0), *line(0.2, 0.5, 0.8, 0.5, at_ms=200)])) == ["tap", "swipe_right"]


# --- long presses ------------------------------------------------------------------------


def test_a_long_press_is_told_while_the_finger_still_rests() -> None:
    pad = a_pad()
    feel(pad, [(0, DOWN, 0.5, 0.5)])
    assert pad.next_due_ns() == 530 * MS

    (event,) = pad.tick(530 * MS)

    assert (event.label, event.at_ns, event.span_ns) == ("long_press", 500 * MS, 500 * MS)
    assert feel(pad, [(900, UP, 0.5, 0.5)]) == []


def test_a_long_press_needs_no_tick_where_samples_come() -> None:
    assert labels(feel(a_pad(), [(0, DOWN, 0.5, 0.5), (600, MOVE, 0.5, 0.5)])) == ["long_press"]
    assert labels(feel(a_pad(), [(0, DOWN, 0.5, 0.5), (600, UP, 0.5, 0.5)])) == ["long_press"]


def test_an_up_that_is_still_on_its_way_makes_a_tap() -> None:
    pad = a_pad()
    feel(pad, [(0, DOWN, 0.5, 0.5)])

    assert pad.tick(520 * MS) == []
    assert feel(pad, [(495, UP, 0.5, 0.5)]) == []
    assert labels(pad.finish(0)) == ["tap"]


def test_a_finger_that_moves_presses_nothing() -> None:
    pad = a_pad()
    feel(pad, [(0, DOWN, 0.5, 0.5), (100, MOVE, 0.6, 0.5)])

    assert pad.next_due_ns() is None
    assert pad.tick(2000 * MS) == []


# --- swipes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "label"),
    [((0.9, 0.5), "swipe_right"), ((0.1, 0.5), "swipe_left"), ((0.5, 0.1), "swipe_up"), ((0.5, 0.9), "swipe_down")],
)
@pytest.mark.parametrize("count", [2, 7, 49])
def test_a_swipe_goes_where_the_finger_went_at_any_rate(to: tuple[float, float], label: str, count: int) -> None:
    (event,) = feel(a_pad(), line(0.5, 0.5, *to, count=count))

    assert (event.label, event.at_ns, event.span_ns) == (label, 200 * MS, 200 * MS)
    assert event.score > 0.7


def test_a_slanted_swipe_is_less_sure() -> None:
    (straight,) = feel(a_pad(), line(0.2, 0.2, 0.8, 0.2))
    (slanted,) = feel(a_pad(), line(0.2, 0.2, 0.8, 0.7))

    assert straight.label == slanted.label == "swipe_right"
    assert slanted.score < 0.6 < straight.score


@pytest.mark.parametrize(
    "points",
    [
        line(0.2, 0.5, 0.5, 0.5, ms=3000, count=100),
        [*line(0.2, 0.5, 0.6, 0.5)[:-1], (210, MOVE, 0.6, 0.5), (400, UP, 0.35, 0.5)],
        [(k * 20, DOWN if k == 0 else MOVE, 0.5 + 0.2 * np.cos(k / 3), 0.5 + 0.2 * np.sin(k / 3)) for k in range(18)]
        + [(360, UP, 0.68, 0.5)],
        line(0.5, 0.5, 0.56, 0.5, ms=100),
    ],
    ids=["slow", "there and back", "circle", "short"],
)
def test_what_moves_otherwise_is_there_without_a_label(points: list[Point]) -> None:
    assert labels(feel(a_pad(), points)) == [None]


# --- several fingers, and what gets lost -------------------------------------------------


def test_two_fingers_are_one_event_without_a_label() -> None:
    pad = a_pad()
    feel(pad, line(0.5, 0.5, 0.2, 0.5)[:6])
    feel(pad, line(0.5, 0.5, 0.8, 0.5)[:6], pointer=1)
    first = feel(pad, [(200, UP, 0.2, 0.5)])

    (event,) = pad.perceive(sample(210, UP, 0.8, 0.5, pointer=1))

    assert first == []
    assert (event.label, event.at_ns, event.metadata["fingers"]) == (None, 210 * MS, "2")
    assert labels(feel(pad, line(0.2, 0.5, 0.8, 0.5, at_ms=1000))) == ["swipe_right"]


def test_a_lost_up_costs_one_stroke_and_no_more() -> None:
    pad = a_pad()
    feel(pad, [(0, DOWN, 0.5, 0.5), (50, MOVE, 0.9, 0.9)])

    assert labels(feel(pad, line(0.2, 0.5, 0.8, 0.5, at_ms=1000))) == ["swipe_right"]


def test_a_finger_that_was_lost_long_ago_does_not_crowd_the_others() -> None:
    pad = a_pad()
    feel(pad, [(0, DOWN, 0.5, 0.5), (50, MOVE, 0.9, 0.9)], pointer=7)

    assert labels(feel(pad, line(0.2, 0.5, 0.8, 0.5, at_ms=20_000))) == ["swipe_right"]


def test_moves_of_a_finger_that_never_came_down_say_nothing() -> None:
    assert feel(a_pad(), [(0, MOVE, 0.1, 0.1), (10, UP, 0.9, 0.1)]) == []


def test_a_finger_that_never_lifts_takes_bounded_memory() -> None:
    stroke = Stroke()
    for k in range(10_000):
        stroke.add(k, Touch(0, MOVE, k / 10_000, 0.0))

    assert len(stroke.points) <= 2048
    assert (stroke.begin_ns, stroke.end_ns) == (0, 9999)


# --- features ----------------------------------------------------------------------------


def test_the_shape_is_the_same_at_any_rate_size_and_place() -> None:
    def of(points: list[Point]) -> np.ndarray:
        (event,) = feel(a_pad(), points)
        assert event.features
        return event.features.array()

    one, other = of(line(0.1, 0.2, 0.9, 0.3, count=50)), of(line(0.5, 0.2, 0.9, 0.25, count=8))

    assert one.shape == (64,)
    np.testing.assert_allclose(one, other, atol=0.01)
    np.testing.assert_allclose(one[[0, 31, 32, 63]], [0, 1, 0, 0.125], atol=0.01)


def test_the_shape_of_a_tap_is_a_point() -> None:
    stroke = Stroke()
    stroke.add(0, Touch(0, DOWN, 0.5, 0.5))

    assert not shape([stroke]).any()


# --- whole ---------------------------------------------------------------------------------


def test_the_recorded_touches_are_understood_in_their_order() -> None:
    pad = a_pad()
    touches = read_touches((RECORDINGS / "touches.jsonl").read_bytes())
    samples = [Sample(Modality.HAPTIC, "pad", n, round(t * 1e9), touch) for n, (t, touch) in enumerate(touches)]

    events = [event for s in samples for event in pad.perceive(s)]

    assert labels([*events, *pad.finish(0)]) == [
        *("tap", "double_tap", "long_press", "swipe_left", "swipe_right", "swipe_up", "swipe_down")
    ]


def test_the_perceiver_says_when_to_call_it() -> None:
    assert isinstance(a_pad(), Patient)
