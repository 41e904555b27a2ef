"""Touches to events: taps, double taps, long presses and swipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.event import NOTHING, DType, Event, EventStream, Sample, Tensor, Touch, TouchPhase

POINTS: Final = 32
"""Points of a stroke's shape; its features are their x, then their y."""

_MS: Final = 1_000_000
_LOST_NS: Final = 10_000 * _MS
_MOST_POINTS: Final = 2048
_SMALLEST: Final = 0.05  # pad widths: what moves less is not blown up to the size of a swipe


@dataclass(frozen=True, slots=True)
class Feel:
    """Where one touch ends and another begins. Lengths in pad widths.

    Attributes:
        slop: how far a finger may wander and still rest.
        long_press_ms: how long it has to rest; less is a tap.
        double_tap_ms: from the first tap's end to the second's beginning, at most.
        double_tap_apart: between the two taps, at most.
        swipe: how long a swipe is at least.
        swipe_speed: how fast it is at least, in widths a second.
        bend: how far it may leave the straight line, as a share of its length.
        late_ms: how long a sample may be on its way; what waits for time to pass waits so much longer.
    """

    slop: float = 0.03
    long_press_ms: int = 500
    double_tap_ms: int = 300
    double_tap_apart: float = 0.12
    swipe: float = 0.1
    swipe_speed: float = 0.3
    bend: float = 0.25
    late_ms: int = 30


USUAL: Final = Feel()


@dataclass(slots=True)
class Stroke:
    """What one finger did from down to up (or until now).

    Attributes:
        points: time in ns, x and y of each sample.
        reach: the farthest it was from where it began.
        told: whether it was already answered for, as a long press.
        crowded: whether another finger was down at the same time.
    """

    points: list[tuple[int, float, float]] = field(default_factory=list)
    reach: float = 0.0
    told: bool = False
    crowded: bool = False

    def add(self, at_ns: int, touch: Touch) -> None:
        """The next sample; a stroke that never ends is thinned out."""
        if len(self.points) >= _MOST_POINTS:
            del self.points[1::2]
        self.points.append((at_ns, touch.x, touch.y))
        _, x, y = self.points[0]
        self.reach = max(self.reach, float(np.hypot(touch.x - x, touch.y - y)))

    @property
    def begin_ns(self) -> int:
        """When the finger came down."""
        return self.points[0][0]

    @property
    def end_ns(self) -> int:
        """When it was last felt."""
        return self.points[-1][0]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a stroke is called, and how surely."""

    label: str | None
    score: float


def swipe_of(stroke: Stroke, feel: Feel = USUAL) -> Answer:
    """The swipe a moving stroke is, by its chord, its straightness and its speed; else no label.

    The score is the least of four margins, each 0.5 at its limit: length, speed, straightness, and the
    angle to the next axis (0.5 at 45 degrees).
    """
    path = np.asarray([(x, y) for _, x, y in stroke.points])
    chord = path[-1] - path[0]
    length = float(np.hypot(*chord))
    seconds = max((stroke.end_ns - stroke.begin_ns) / 1e9, 1e-3)
    if length < feel.swipe or length / seconds < feel.swipe_speed:
        return Answer(None, 0.0)
    along = (path - path[0]) @ chord / length
    across = (path - path[0]) @ np.array([-chord[1], chord[0]]) / length
    # A finger that comes back has gone farther than its chord is long.
    wander = max(float(np.ptp(along)) - length, float(np.abs(across).max())) / length
    if wander > feel.bend:
        return Answer(None, 0.0)
    slant = float(np.degrees(np.arctan2(np.abs(chord).min(), np.abs(chord).max())))
    margins = (
        1 - 0.5 * feel.swipe / length,
        1 - 0.5 * feel.swipe_speed * seconds / length,
        1 - 0.5 * wander / feel.bend,
        1 - slant / 90,
    )
    return Answer(_direction(float(chord[0]), float(chord[1])), min(margins))


def _direction(dx: float, dy: float) -> str:
    if abs(dx) >= abs(dy):
        return "swipe_right" if dx > 0 else "swipe_left"
    return "swipe_down" if dy > 0 else "swipe_up"


def shape(strokes: Sequence[Stroke]) -> npt.NDArray[np.float32]:
    """Where the finger was at 32 instants evenly spread over ``strokes``: float32 [64], x then y.

    Relative to where it came down, divided by the larger extent (at least 0.05 pad widths).
    """
    points = np.asarray([p for stroke in strokes for p in stroke.points], np.float64)
    times = points[:, 0] - points[0, 0]
    at = np.linspace(0.0, times[-1], POINTS)
    x, y = (np.interp(at, times, points[:, axis] - points[0, axis]) for axis in (1, 2))
    extent = max(float(np.ptp(x)), float(np.ptp(y)), _SMALLEST)
    return (np.concatenate([x, y]) / extent).astype(np.float32)


class TouchPerceiver:
    """Feels taps, double taps, long presses and swipes in the samples of one pad.

    A long press is told while the finger still rests, a tap once no second one came: both by `tick`, or
    by the next sample. A stroke that is none of these has no label; fingers that were down together make
    one event without a label, with their number in its metadata.
    """

    def __init__(self, stream: EventStream, *, feel: Feel = USUAL) -> None:
        self._stream = stream
        self._feel = feel
        self._down: dict[int, Stroke] = {}
        self._crowd: list[Stroke] = []
        self._tap: Stroke | None = None
        self._error_ns = 0

    def perceive(self, sample: Sample) -> Sequence[Event]:
        """What this touch, and the time that passed before it, says."""
        touch = sample.data
        assert isinstance(touch, Touch)
        self._error_ns = sample.at_error_ns
        events = self._passed(sample.at_ns)
        if touch.phase is TouchPhase.DOWN:
            self._begin(sample.at_ns, touch)
        elif stroke := self._down.get(touch.pointer):
            stroke.add(sample.at_ns, touch)
            if touch.phase is TouchPhase.UP:
                del self._down[touch.pointer]
                events += self._lifted(stroke)
        return events

    def next_due_ns(self) -> int | None:
        """When to call `tick` if no sample comes before."""
        waits = [self._rested_ns(s) for s in self._down.values() if self._rests(s)]
        if self._tap and not self._second_comes(self._tap):
            waits.append(self._single_ns(self._tap))
        return min(waits) + self._feel.late_ms * _MS if waits else None

    def tick(self, now_ns: int) -> Sequence[Event]:
        """What the time that has passed says."""
        return self._passed(now_ns - self._feel.late_ms * _MS)

    def finish(self, now_ns: int) -> Sequence[Event]:  # noqa: ARG002 - the samples' own time counts
        """The tap that waited for a second one; strokes that never ended are forgotten."""
        self._down, self._crowd = {}, []
        return self._single()

    # --- strokes ---------------------------------------------------------------------------

    def _begin(self, at_ns: int, touch: Touch) -> None:
        # Its UP was lost where a pointer comes down twice, or a finger was not felt for very long.
        lost = [p for p, s in self._down.items() if p == touch.pointer or s.end_ns < at_ns - _LOST_NS]
        for pointer in lost:
            del self._down[pointer]
        stroke = Stroke(crowded=bool(self._down))
        stroke.add(at_ns, touch)
        for other in self._down.values():
            other.crowded = True
        self._down[touch.pointer] = stroke

    def _lifted(self, stroke: Stroke) -> list[Event]:
        if stroke.told:
            return []
        if stroke.crowded:
            return self._together(stroke)
        if stroke.reach <= self._feel.slop:
            return self._tapped(stroke)
        answer = swipe_of(stroke, self._feel)
        return [*self._single(), self._event(answer, [stroke], quality=min(len(stroke.points) / 8, 1.0))]

    def _together(self, stroke: Stroke) -> list[Event]:
        self._crowd.append(stroke)
        if self._down:
            return []
        strokes, self._crowd = sorted(self._crowd, key=lambda s: s.begin_ns), []
        event = self._event(Answer(None, 0.0), strokes[:1], fingers=len(strokes), end_ns=stroke.end_ns)
        return [*self._single(), event]

    def _tapped(self, stroke: Stroke) -> list[Event]:
        first, self._tap = self._tap, None
        if first and self._apart(first, stroke) <= self._feel.double_tap_apart:
            return [self._event(Answer("double_tap", self._stillness(stroke)), [first, stroke])]
        self._tap = stroke
        return [self._event(Answer("tap", self._stillness(first)), [first])] if first else []

    # --- waiting ---------------------------------------------------------------------------

    def _passed(self, until_ns: int) -> list[Event]:
        """What became certain by ``until_ns``."""
        events = []
        if self._tap and not self._second_comes(self._tap) and self._single_ns(self._tap) < until_ns:
            events += self._single()
        for stroke in self._down.values():
            if self._rests(stroke) and self._rested_ns(stroke) <= until_ns:
                stroke.told = True
                events += [*self._single(), self._pressed(stroke)]
        return events

    def _second_comes(self, tap: Stroke) -> bool:
        """Whether a finger that is down may still make the second tap."""
        return any(self._rests(s) and s.begin_ns <= self._single_ns(tap) for s in self._down.values())

    def _rests(self, stroke: Stroke) -> bool:
        return not stroke.told and not stroke.crowded and stroke.reach <= self._feel.slop

    def _rested_ns(self, stroke: Stroke) -> int:
        return stroke.begin_ns + self._feel.long_press_ms * _MS

    def _single_ns(self, tap: Stroke) -> int:
        return tap.end_ns + self._feel.double_tap_ms * _MS

    # --- events ----------------------------------------------------------------------------

    def _single(self) -> list[Event]:
        tap, self._tap = self._tap, None
        return [self._event(Answer("tap", self._stillness(tap)), [tap])] if tap else []

    def _pressed(self, stroke: Stroke) -> Event:
        answer = Answer("long_press", self._stillness(stroke))
        return self._event(answer, [stroke], end_ns=self._rested_ns(stroke))

    def _stillness(self, stroke: Stroke) -> float:
        """1 for a finger that never moved, 0.5 for one at the limit."""
        return 1 - 0.5 * stroke.reach / self._feel.slop

    @staticmethod
    def _apart(first: Stroke, second: Stroke) -> float:
        (_, x, y), (_, u, v) = first.points[0], second.points[0]
        return float(np.hypot(u - x, v - y))

    def _event(
        self,
        answer: Answer,
        strokes: Sequence[Stroke],
        *,
        quality: float = 1.0,
        fingers: int = 1,
        end_ns: int | None = None,
    ) -> Event:
        end_ns = strokes[-1].end_ns if end_ns is None else end_ns
        return self._stream.event(
            end_ns,
            at_error_ns=self._error_ns,
            span_ns=end_ns - strokes[0].begin_ns,
            label=answer.label,
            score=answer.score,
            quality=quality,
            features=Tensor.of(shape(strokes), DType.I8),
            metadata={"fingers": str(fingers)} if fingers > 1 else NOTHING,
        )
