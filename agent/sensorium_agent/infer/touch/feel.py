"""Where one touch ends and another begins, and what an answer is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sensorium.event import NOTHING


@dataclass(frozen=True, slots=True)
class Feel:
    """The limits between touches. Lengths in pad widths.

    Attributes:
        slop: how far a finger may wander and still rest.
        long_press_ms: how long it has to rest; less is a tap.
        double_tap_ms: from the first tap's end to the second's beginning, at most.
        double_tap_apart: between the two taps, at most.
        swipe: how long a swipe is at least.
        swipe_speed: how fast it is at least, in widths a second.
        bend: how far it may leave the straight line, as a share of its length.
        bounce_ms: a finger that rests and was lost for no longer than this never left.
        bridge_ms: the same for one that moves, if it comes back where it was going.
        pinch: by what factor fingers come together or move apart at least.
        turn_deg: how far they turn at least.
        taught: how sure one has to be of a stroke that was taught, 0 to 1.
        late_ms: how long a sample may be on its way; what waits for time to pass waits so much longer.
    """

    slop: float = 0.03
    long_press_ms: int = 500
    double_tap_ms: int = 300
    double_tap_apart: float = 0.12
    swipe: float = 0.06
    swipe_speed: float = 0.2
    bend: float = 0.25
    bounce_ms: int = 30
    bridge_ms: int = 70
    pinch: float = 1.15
    turn_deg: float = 12.0
    taught: float = 0.5
    late_ms: int = 30


USUAL: Final = Feel()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a touch is called, how surely, and what more there is to say."""

    label: str | None
    score: float
    told: Mapping[str, str] = field(default_factory=lambda: NOTHING)


UNKNOWN: Final = Answer(None, 0.0)
