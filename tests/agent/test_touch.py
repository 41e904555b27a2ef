"""Touches: what a finger means, and when that is certain."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from sensorium.event import Event, EventStream, Modality, Sample, Touch, TouchPhase
from sensorium_agent.capture.files import read_touches
from sensorium_agent.infer.perceiver import Patient
from sensorium_agent.infer.touch import Feel, Stroke, Strokes, TouchPerceiver, shape

RECORDINGS = Path(__file__).parent.parent / "recordings"
MS = 1_000_000
DOWN, MOVE, UP = TouchPhase.DOWN, TouchPhase.MOVE, TouchPhase.UP
Point = tuple[int, TouchPhase, float, float]


def a_pad(strokes: Strokes | None = None, feel: Feel | None = None) -> TouchPerceiver:
    return TouchPerceiver(EventStream("s", Modality.HAPTIC), feel=feel or Feel(), strokes=strokes)


def sample(at_ms: int, phase: TouchPhase, x: float, y: float, pointer: int = 0) -> Sample:
    return Sample(Modality.HAPTIC, "pad", 0, at_ms * MS, Touch(pointer, phase, x, y), at_error_ns=5)


def feel(pad: TouchPerceiver, points: Iterable[Point], pointer: int = 0) -> list[Event]:
    return [e for at_ms, phase, x, y in points for e in pad.perceive(sample(at_ms, phase, x, y, pointer))]


def whole(points: Iterable[Point], pad: TouchPerceiver | None = None) -> list[Event]:
    """What is understood once everything is over."""
    pad = pad or a_pad()
    return [*feel(pad, points), *pad.finish(0)]


def fingers(*paths: list[Point]) -> list[Event]:
    """Several fingers at once, by the time of their points."""
    pad = a_pad()
    told = sorted((point[0], number, point) for number, path in enumerate(paths) for point in path)
    events = [e for at_ms, n, (_, phase, x, y) in told for e in pad.perceive(sample(at_ms, phase, x, y, n))]
    return [*events, *pad.finish(0)]


def ring(*, turns: float = 1.05, size: float = 0.2, flat: float = 1.0, count: int = 40, ms: int = 900) -> list[Point]:
    angle = np.linspace(0.3, 0.3 + 2 * np.pi * turns, count)
    return drawn(np.stack([0.5 + size * np.cos(angle), 0.5 + size * flat * np.sin(angle)], 1), ms)


def drawn(path: np.ndarray, ms: int = 800, at_ms: int = 0) -> list[Point]:
    phases = [DOWN, *[MOVE] * (len(path) - 2), UP]
    times = np.linspace(0, ms, len(path)).round().astype(int) + at_ms
    return [(int(t), p, float(x), float(y)) for t, p, (x, y) in zip(times, phases, path, strict=True)]


def corners(*points: tuple[float, float], count: int = 20) -> np.ndarray:
    return np.concatenate([np.linspace(a, b, count) for a, b in itertools.pairwise(points)])


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

    assert labels(whole([*tap(0), *line(0.2, 0.5, 0.8, 0.5, at_ms=200)], pad)) == ["tap", "swipe_right"]


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


def test_a_finger_that_was_never_seen_to_lift_did_not_tap() -> None:
    pad = a_pad()
    feel(pad, [(0, DOWN, 0.5, 0.5), (50, MOVE, 0.5, 0.5)])

    assert pad.finish(100 * MS) == []


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
    (event,) = whole(line(0.5, 0.5, *to, count=count))

    assert (event.label, event.at_ns, event.span_ns) == (label, 200 * MS, 200 * MS)
    assert event.score > 0.7


def test_a_slanted_swipe_is_less_sure() -> None:
    (straight,) = whole(line(0.2, 0.2, 0.8, 0.2))
    (slanted,) = whole(line(0.2, 0.2, 0.8, 0.7))

    assert straight.label == slanted.label == "swipe_right"
    assert slanted.score < 0.6 < straight.score


@pytest.mark.parametrize(
    "points",
    [
        line(0.2, 0.5, 0.5, 0.5, ms=3000, count=100),
        [*line(0.2, 0.5, 0.6, 0.5)[:-1], (210, MOVE, 0.6, 0.5), (400, UP, 0.35, 0.5)],
        drawn(corners((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.3))),
        line(0.5, 0.5, 0.545, 0.5, ms=100),
    ],
    ids=["slow", "there and back", "square", "short"],
)
def test_what_moves_otherwise_is_there_without_a_label(points: list[Point]) -> None:
    assert labels(whole(points)) == [None]


# --- several fingers, and what gets lost -------------------------------------------------


def test_two_fingers_that_rest_are_one_event_without_a_label() -> None:
    (event,) = fingers([(0, DOWN, 0.3, 0.5), (100, UP, 0.3, 0.5)], [(20, DOWN, 0.7, 0.5), (120, UP, 0.7, 0.5)])

    assert (event.label, event.at_ns, event.metadata["fingers"]) == (None, 120 * MS, "2")


def test_a_swipe_after_two_fingers_is_a_swipe() -> None:
    pad = a_pad()
    feel(pad, [(0, DOWN, 0.3, 0.5)])
    feel(pad, [(20, DOWN, 0.7, 0.5), (100, UP, 0.7, 0.5)], pointer=1)
    feel(pad, [(110, UP, 0.3, 0.5)])

    assert labels(whole(line(0.2, 0.5, 0.8, 0.5, at_ms=1000), pad)) == ["swipe_right"]


def test_a_lost_up_costs_one_stroke_and_no_more() -> None:
    pad = a_pad()
    feel(pad, [(0, DOWN, 0.5, 0.5), (50, MOVE, 0.9, 0.9)])

    assert labels(whole(line(0.2, 0.5, 0.8, 0.5, at_ms=1000), pad)) == ["swipe_right"]


def test_a_finger_that_was_lost_long_ago_does_not_crowd_the_others() -> None:
    pad = a_pad()
    feel(pad, [(0, DOWN, 0.5, 0.5), (50, MOVE, 0.9, 0.9)], pointer=7)

    assert labels(whole(line(0.2, 0.5, 0.8, 0.5, at_ms=20_000), pad)) == ["swipe_right"]


def test_moves_of_a_finger_that_never_came_down_say_nothing() -> None:
    assert feel(a_pad(), [(0, MOVE, 0.1, 0.1), (10, UP, 0.9, 0.1)]) == []


def test_a_finger_that_never_lifts_takes_bounded_memory() -> None:
    stroke = Stroke()
    for k in range(10_000):
        stroke.add(k, Touch(0, MOVE, k / 10_000, 0.0))

    assert len(stroke.points) <= 2048
    assert (stroke.begin_ns, stroke.end_ns) == (0, 9999)


# --- circles -----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"turns": -1.3}, {"flat": 0.6}, {"size": 0.05}, {"count": 12}], ids=str)
def test_a_circle_is_one_either_way_round_at_any_size_and_rate(options: dict[str, float]) -> None:
    (event,) = whole(ring(**options))  # type: ignore[arg-type]

    assert (event.label, event.span_ns) == ("circle", 900 * MS)
    assert event.metadata["direction"] == ("counterclockwise" if options.get("turns", 1) < 0 else "clockwise")


@pytest.mark.parametrize("options", [{"turns": 0.6}, {"flat": 0.1}], ids=str)
def test_half_a_circle_is_none(options: dict[str, float]) -> None:
    assert "circle" not in labels(whole(ring(**options)))  # type: ignore[arg-type]


# --- two fingers -------------------------------------------------------------------------


@pytest.mark.parametrize("late_ms", [0, 60])
@pytest.mark.parametrize(("begin", "end", "label"), [(0.2, 0.05, "pinch"), (0.05, 0.2, "spread")])
def test_fingers_that_come_together_pinch_even_if_one_lands_later(
    late_ms: int, begin: float, end: float, label: str
) -> None:
    (event,) = fingers(
        line(0.5 - begin, 0.5, 0.5 - end, 0.5, ms=250), line(0.5 + begin, 0.5, 0.5 + end, 0.5, ms=250, at_ms=late_ms)
    )

    assert (event.label, event.metadata["fingers"]) == (label, "2")
    assert float(event.metadata["scale"]) == pytest.approx(end / begin, rel=0.15)


def test_a_thumb_that_rests_pinches_as_well() -> None:
    (event,) = fingers([(0, DOWN, 0.3, 0.6), (260, UP, 0.3, 0.6)], line(0.7, 0.3, 0.4, 0.55, ms=250))

    assert event.label == "pinch"


@pytest.mark.parametrize("turn_deg", [-200.0, -40.0, 40.0, 90.0])
def test_fingers_that_turn_rotate_by_their_angle(turn_deg: float) -> None:
    angle = np.radians(np.linspace(20, 20 + turn_deg, 30))
    spoke = 0.15 * np.stack([np.cos(angle), np.sin(angle)], 1)

    (event,) = fingers(drawn(0.5 + spoke, 500), drawn(0.5 - spoke, 500, at_ms=30))

    assert event.label == "rotate"
    assert float(event.metadata["angle_deg"]) == pytest.approx(turn_deg, abs=8)


def test_fingers_side_by_side_swipe() -> None:
    (event,) = fingers(line(0.7, 0.4, 0.2, 0.4), line(0.7, 0.5, 0.2, 0.51, at_ms=15))

    assert (event.label, event.metadata["fingers"]) == ("swipe_left", "2")


# --- contacts that are lost for an instant -------------------------------------------------


def test_a_finger_lost_on_its_way_goes_on() -> None:
    points = [*line(0.2, 0.5, 0.5, 0.5, ms=100), *line(0.56, 0.5, 0.9, 0.5, ms=100, at_ms=125)]

    (event,) = whole(points)

    assert (event.label, event.span_ns) == ("swipe_right", 225 * MS)


def test_a_finger_that_bounces_taps_once() -> None:
    assert labels(whole([*tap(0), (100, DOWN, 0.5, 0.5), (160, UP, 0.5, 0.5)])) == ["tap"]


def test_a_finger_that_comes_back_elsewhere_is_another() -> None:
    assert labels(whole([*line(0.2, 0.5, 0.6, 0.5), *line(0.2, 0.8, 0.6, 0.8, at_ms=240)])) == ["swipe_right"] * 2


def test_a_noisy_pad_makes_no_tap_a_stroke() -> None:
    noise = np.random.default_rng(1).normal(0.5, 0.01, (40, 2))

    assert labels(whole(drawn(noise, 160))) == ["tap"]


def test_limits_are_settings() -> None:
    press = [(0, DOWN, 0.5, 0.5), (300, UP, 0.5, 0.5)]

    assert labels(whole(press, a_pad(feel=Feel(long_press_ms=250)))) == ["long_press"]
    assert labels(whole(line(0.2, 0.5, 0.5, 0.5), a_pad(feel=Feel(swipe=0.5)))) == [None]


# --- taught strokes ------------------------------------------------------------------------

VEE = corners((0.2, 0.2), (0.4, 0.7), (0.6, 0.2))
BOX = corners((0.3, 0.3), (0.3, 0.7), (0.7, 0.7), (0.7, 0.3), (0.3, 0.3))


def turned(path: np.ndarray, degrees: float, scale: float = 1.0) -> np.ndarray:
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return (path - 0.5) @ matrix * scale + 0.5


@pytest.mark.parametrize("degrees", [0, 30, 170])
@pytest.mark.parametrize("scale", [0.3, 1.2])
def test_a_stroke_taught_once_is_found_at_any_place_slant_and_size(degrees: float, scale: float) -> None:
    strokes = Strokes()
    strokes.teach("box", [BOX])
    strokes.teach("vee", [VEE])

    for name, path in (("box", BOX), ("vee", VEE)):
        (event,) = whole(drawn(turned(path, degrees, scale)), a_pad(strokes))
        assert event.label == name
        assert event.score > 0.8


def test_the_slant_decides_between_strokes_that_differ_in_nothing_else() -> None:
    strokes = Strokes()
    strokes.teach("vee", [VEE])
    strokes.teach("caret", [turned(VEE, 180)])

    assert labels(whole(drawn(turned(VEE, 25)), a_pad(strokes))) == ["vee"]
    assert labels(whole(drawn(turned(VEE, 205)), a_pad(strokes))) == ["caret"]


def test_what_was_not_taught_is_unknown() -> None:
    strokes = Strokes()
    strokes.teach("box", [BOX])

    assert labels(whole(drawn(corners((0.2, 0.5), (0.4, 0.2), (0.5, 0.8), (0.8, 0.2))), a_pad(strokes))) == [None]


def test_a_swipe_stays_a_swipe_whatever_was_taught() -> None:
    strokes = Strokes()
    strokes.teach("vee", [VEE])

    assert labels(whole(line(0.2, 0.5, 0.8, 0.5), a_pad(strokes))) == ["swipe_right"]


def test_a_stroke_of_two_fingers_is_taught_like_one_of_one() -> None:
    strokes, other = Strokes(), VEE + np.array([0.15, 0.0])
    strokes.teach("two_vees", [VEE, other])
    pad = a_pad(strokes)
    told = sorted([(p[0], n, p) for n, path in ((0, other), (1, VEE)) for p in drawn(path)])

    events = [e for at, n, (_, phase, x, y) in told for e in pad.perceive(sample(at, phase, x, y, n))]

    assert labels([*events, *pad.finish(0)]) == ["two_vees"]


# --- features ----------------------------------------------------------------------------


def test_the_shape_is_the_same_at_any_rate_size_and_place() -> None:
    def of(points: list[Point]) -> np.ndarray:
        (event,) = whole(points)
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
