"""Touches to events: from the samples of one pad to what the fingers meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from sensorium.event import NOTHING, DType, Event, EventStream, Modality, Sample, Tensor, Touch, TouchPhase
from sensorium.reliability import reliability
from sensorium_agent.infer.touch.contact import Points, Stroke, measures
from sensorium_agent.infer.touch.feel import USUAL, Answer, Feel
from sensorium_agent.infer.touch.fingers import together
from sensorium_agent.infer.touch.lines import circle_of, swipe_of
from sensorium_agent.infer.touch.shape import shape, shape_together
from sensorium_agent.infer.touch.taught import Strokes

_MS: Final = 1_000_000
_LOST_NS: Final = 10_000 * _MS


class TouchPerceiver:
    """Feels taps, long presses, swipes, circles, what several fingers do, and strokes that were taught.

    A long press is told while the finger still rests, a tap once no second one came, and a finger that moved once it
    is sure not to come back within ``bridge_ms``: by `tick`, or by the next sample. What has no name is an event
    without a label; fingers that were down together are one event, with their number in its metadata.
    """

    def __init__(
        self,
        stream: EventStream,
        *,
        feel: Feel = USUAL,
        strokes: Strokes | None = None,
        watch: Callable[[Sequence[Stroke]], None] = lambda _: None,
    ) -> None:
        """``watch`` is told the fingers of every stroke that moved, as they are judged."""
        self._stream = stream
        self._feel = feel
        self._strokes = strokes or Strokes()
        self._watch = watch
        self._down: dict[int, Stroke] = {}
        self._lifted: list[Stroke] = []
        """Of the fingers since all were up; those that moved may still come back."""
        self._tap: Stroke | None = None
        self._rested: Stroke | None = None
        """The last finger that lifted without having moved: it may only have bounced."""
        self._error_ns = 0

    def perceive(self, sample: Sample) -> Sequence[Event]:
        """What this touch, and the time that passed before it, says."""
        touch = sample.data
        assert isinstance(touch, Touch)
        self._error_ns = sample.at_error_ns
        if touch.phase is TouchPhase.DOWN and self._resumed(sample.at_ns, touch):
            return self._passed(sample.at_ns)
        events = self._passed(sample.at_ns)
        if touch.phase is TouchPhase.DOWN:
            # Whoever lifted is not this finger, and fingers that go together overlap.
            events += [] if self._down else self._gone()
            self._begin(sample.at_ns, touch)
        elif stroke := self._down.get(touch.pointer):
            stroke.add(sample.at_ns, touch)
            if touch.phase is TouchPhase.UP:
                del self._down[touch.pointer]
                events += self._lift(stroke)
        return events

    def learn(self, strokes: Strokes) -> None:
        """Go by other taught strokes from now on; from any thread."""
        self._strokes = strokes

    def next_due_ns(self) -> int | None:
        """When to call `tick` if no sample comes before."""
        waits = [self._rested_ns(s) for s in self._down.values() if self._may_press(s)]
        if self._lifted and not self._down:
            waits.append(self._gone_ns())
        if self._tap and not self._second_comes(self._tap):
            waits.append(self._single_ns(self._tap))
        return min(waits) + self._feel.late_ms * _MS if waits else None

    def tick(self, now_ns: int) -> Sequence[Event]:
        """What the time that has passed says."""
        return self._passed(now_ns - self._feel.late_ms * _MS)

    def finish(self, now_ns: int) -> Sequence[Event]:  # noqa: ARG002 - the samples' own time counts
        """What was waited for; a finger that still moves has drawn what it drew, one that rests did not tap yet."""
        self._down = {pointer: s for pointer, s in self._down.items() if not s.rests(self._feel.slop)}
        events: list[Event] = []
        for pointer in list(self._down):
            events += self._lift(self._down.pop(pointer))
        return [*events, *self._gone(), *self._single()]

    # --- fingers come and go ---------------------------------------------------------------

    def _resumed(self, at_ns: int, touch: Touch) -> bool:
        """A finger that was lost for an instant goes on with its stroke."""
        before = [*self._lifted, *([self._rested] if self._rested else [])]
        stroke = next((s for s in before if s.resumed_by(at_ns, touch, self._feel)), None)
        if stroke is None or touch.pointer in self._down:
            return False
        if stroke is self._tap:
            self._tap = None
        if stroke in self._lifted:
            self._lifted.remove(stroke)
        self._rested = None
        stroke.add(at_ns, touch)
        self._down[touch.pointer] = stroke
        return True

    def _begin(self, at_ns: int, touch: Touch) -> None:
        # Its UP was lost where a pointer comes down twice, or a finger was not felt for very long.
        lost = [p for p, s in self._down.items() if p == touch.pointer or s.end_ns < at_ns - _LOST_NS]
        for pointer in lost:
            del self._down[pointer]
        self._down[touch.pointer] = Stroke()
        self._down[touch.pointer].add(at_ns, touch)

    def _lift(self, stroke: Stroke) -> list[Event]:
        """A finger is up: alone and at rest it tapped, else the others or its return are waited for."""
        alone = not self._down and not self._lifted
        if alone and stroke.rests(self._feel.slop):
            self._rested = stroke
            return [] if stroke.told else self._tapped(stroke)
        self._lifted.append(stroke)
        resting = all(s.rests(self._feel.slop) for s in self._lifted)
        return self._gone() if resting and not self._down else []

    def _gone(self) -> list[Event]:
        """All fingers are up and none came back."""
        strokes, self._lifted = sorted(self._lifted, key=lambda s: s.begin_ns), []
        fresh = [s for s in strokes if not s.told]
        if not fresh:
            return []
        return [*self._single(), self._drawn(fresh[0]) if len(fresh) == 1 else self._together(fresh)]

    # --- what they meant -------------------------------------------------------------------

    def _drawn(self, stroke: Stroke) -> Event:
        drawn = [circle_of(stroke, self._feel), swipe_of(stroke, self._feel)]
        answer = self._known([stroke], max(drawn, key=lambda a: a.score))
        return self._event(answer, [stroke], quality=reliability(Modality.HAPTIC, measures([stroke])))

    def _together(self, strokes: Sequence[Stroke]) -> Event:
        answer = self._known(strokes, together(strokes, self._feel))
        return self._event(answer, strokes, quality=reliability(Modality.HAPTIC, measures(strokes)))

    def _known(self, strokes: Sequence[Stroke], answer: Answer) -> Answer:
        """The taught stroke, where it is likelier than ``answer``."""
        self._watch(strokes)
        taught = self._strokes.answer([s.path() for s in strokes], least=self._feel.taught)
        return taught if taught.label and taught.score >= answer.score else answer

    def _tapped(self, stroke: Stroke) -> list[Event]:
        first, self._tap = self._tap, None
        if first and self._apart(first, stroke) <= self._feel.double_tap_apart:
            stroke.told = True
            return [self._event(Answer("double_tap", self._stillness(stroke)), [first, stroke])]
        self._tap = stroke
        return [self._event(Answer("tap", self._stillness(first)), [first])] if first else []

    # --- waiting ---------------------------------------------------------------------------

    def _passed(self, until_ns: int) -> list[Event]:
        """What became certain by ``until_ns``."""
        events = []
        if self._lifted and not self._down and self._gone_ns() < until_ns:
            events += self._gone()
        if self._tap and not self._second_comes(self._tap) and self._single_ns(self._tap) < until_ns:
            events += self._single()
        for stroke in self._down.values():
            if self._may_press(stroke) and self._rested_ns(stroke) <= until_ns:
                stroke.told = True
                events += [*self._single(), self._pressed(stroke)]
        return events

    def _second_comes(self, tap: Stroke) -> bool:
        """Whether a finger that is down may still make the second tap."""
        return any(self._may_press(s) and s.begin_ns <= self._single_ns(tap) for s in self._down.values())

    def _may_press(self, stroke: Stroke) -> bool:
        alone = len(self._down) == 1 and not self._lifted
        return alone and not stroke.told and stroke.rests(self._feel.slop)

    def _rested_ns(self, stroke: Stroke) -> int:
        return stroke.begin_ns + self._feel.long_press_ms * _MS

    def _single_ns(self, tap: Stroke) -> int:
        return tap.end_ns + self._feel.double_tap_ms * _MS

    def _gone_ns(self) -> int:
        return max(s.end_ns for s in self._lifted) + self._feel.bridge_ms * _MS

    # --- events ----------------------------------------------------------------------------

    def _single(self) -> list[Event]:
        tap, self._tap = self._tap, None
        return [self._event(Answer("tap", self._stillness(tap)), [tap])] if tap else []

    def _pressed(self, stroke: Stroke) -> Event:
        answer = Answer("long_press", self._stillness(stroke))
        return self._event(answer, [stroke], end_ns=self._rested_ns(stroke))

    def _stillness(self, stroke: Stroke) -> float:
        """1 for a finger that never moved, 0.5 for one at the limit."""
        return max(1 - 0.5 * stroke.reach / self._feel.slop, 0.5)

    @staticmethod
    def _apart(first: Stroke, second: Stroke) -> float:
        (_, x, y), (_, u, v) = first.points[0], second.points[0]
        return float(np.hypot(u - x, v - y))

    def _event(
        self, answer: Answer, strokes: Sequence[Stroke], *, quality: float = 1.0, end_ns: int | None = None
    ) -> Event:
        several = len(strokes) > 1 and answer.label != "double_tap"
        end_ns = max(s.end_ns for s in strokes) if end_ns is None else end_ns
        told: Mapping[str, str] = {"fingers": str(len(strokes)), **answer.told} if several else answer.told or NOTHING
        return self._stream.event(
            end_ns,
            at_error_ns=self._error_ns,
            span_ns=end_ns - strokes[0].begin_ns,
            label=answer.label,
            score=answer.score,
            quality=quality,
            features=Tensor.of(shape_together(strokes) if several else shape(strokes), DType.I8),
            metadata=told,
        )


def drawings(samples: Iterable[Sample], *, feel: Feel = USUAL) -> list[list[Points]]:
    """Every stroke that moved in ``samples``, a path [n, 2] for each of its fingers: examples to teach from."""
    found: list[list[Points]] = []
    stream = EventStream("drawings", Modality.HAPTIC)
    pad = TouchPerceiver(stream, feel=feel, watch=lambda strokes: found.append([s.path() for s in strokes]))
    for sample in samples:
        pad.perceive(sample)
    pad.finish(0)
    return found
