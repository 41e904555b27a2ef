"""Another device's clock, measured by probes: question there, answer back, four stamps.

A probe proves more than it measures. Whatever the network does, the other clock's offset lies between
``answered - returned`` and ``received - sent``: a clock that has left the interval has been set, however
slow or lopsided the way was. So steps are found at once, a slow network is never taken for one, and
what a minute of probes allows together, moved along the skew, is a tight interval that holds the truth
(upper and lower envelope: S. B. Moon, P. Skelly, D. Towsley, Estimation and Removal of Clock Skew from
Network Delay Measurements, INFOCOM 1999). The skew is a Kalman filter's, over each burst's quickest probe.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from sensorium.clock_sync.line_filter import LineFilter

_S: Final = 1_000_000_000
_BURST_NS: Final = _S // 2
"""Probes this close together share the network's mood: the quickest of them speaks for all."""
_REMEMBERED: Final = 256
_FEW_TRIPS: Final = 24
_TRIP_SHARE: Final = 1 / 16
"""Of the shortest round trip: how far even a quick probe's two ways differ."""
_LEAST_DEVIATION_NS: Final = 20_000.0
_LONGEST_TRIP_NS: Final = 10 * _S
_SKEW: Final = 200e-6
"""How fast two quartz clocks drift apart at most: 100 ppm each."""
_WANDER: Final = 20_000.0**2
"""Variance (ns^2) by which an offset walks each second: 20 us after one, 0.2 ms after 100."""
_SKEW_WANDER: Final = 10.0**2
"""Variance ((ns/s)^2) by which a skew walks each second: 0.01 ppm after one, 0.1 ppm after 100."""
_SIGMAS: Final = 4.0
_STRIKES: Final = 2
_ENVELOPE_NS: Final = 60 * _S
_ENVELOPE_PROBES: Final = 128
_LEAST_BEND: Final = 5e-6
"""By which a skew changes within the envelope, at least: 5 ppm."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One question and its answer (RFC 5905, section 8).

    Attributes:
        sent_ns: when the question left, our clock.
        received_ns: when it was there, their clock.
        answered_ns: when the answer left, their clock.
        returned_ns: when it was here, our clock.
    """

    sent_ns: int
    received_ns: int
    answered_ns: int
    returned_ns: int

    @property
    def least_ns(self) -> int:
        """Their clock minus ours is at least this."""
        return self.answered_ns - self.returned_ns

    @property
    def most_ns(self) -> int:
        """Their clock minus ours is at most this."""
        return self.received_ns - self.sent_ns

    @property
    def round_trip_ns(self) -> int:
        """Time on the way, both ways together."""
        return self.most_ns - self.least_ns

    def moved(self, by_ns: int, error_ns: int) -> Probe:
        """What it would have been, had their clock been set by ``by_ns``, give or take, before."""
        received_ns, answered_ns = self.received_ns + by_ns + error_ns, self.answered_ns + by_ns - error_ns
        return replace(self, received_ns=received_ns, answered_ns=answered_ns)

    @property
    def sound(self) -> bool:
        """Whether four clocks that only grow could have said this."""
        ordered = self.sent_ns <= self.returned_ns and self.received_ns <= self.answered_ns
        return ordered and 0 <= self.round_trip_ns <= _LONGEST_TRIP_NS


@dataclass(frozen=True, slots=True)
class _Envelope:
    """What probes allow at ``at_ns``: the middle of it (above the base), half its width, and how both go on."""

    at_ns: int
    middle_ns: float
    half_ns: float
    slope: float
    bend: float


class ProbeClock:
    """Offset (theirs minus ours) and skew from probes, with a bound.

    Attributes:
        steps: how often their clock was found to have been set.
        refused: probes whose stamps contradict themselves, or came too late to say anything.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.refused = 0
        self._line: LineFilter | None = None
        self._before: LineFilter | None = None
        """The line before the present burst."""
        self._best: Probe | None = None
        """The burst's quickest probe."""
        self._origin_ns = self._base_ns = 0
        self._trips: deque[int] = deque(maxlen=_REMEMBERED)
        self._suspects: list[Probe] = []
        self._recent: deque[Probe] = deque(maxlen=_ENVELOPE_PROBES)
        self._envelope = _Envelope(0, 0.0, 0.0, 0.0, 0.0)

    @property
    def known(self) -> bool:
        """Whether there was a probe."""
        return self._line is not None

    def observe(self, probe: Probe) -> bool:
        """Take a probe in; True if it shows that their clock was set since the ones before."""
        if not probe.sound:
            self.refused += 1
            return False
        if self._line is None:
            self._begin(probe)
        elif not self._fits(probe):
            return self._suspect(probe)
        self._suspects.clear()
        self._follow(probe)
        self._enclose(probe)
        return False

    def offset_ns(self, at_ns: int) -> int:
        """Theirs minus ours at an instant of ours; there must have been a probe."""
        here = self._envelope
        return self._base_ns + round(here.middle_ns + here.slope * (at_ns - here.at_ns))

    def error_ns(self, at_ns: int) -> int:
        """Half width of the interval that holds the true offset at ``at_ns``."""
        here = self._envelope
        return round(here.half_ns + here.bend * abs(at_ns - here.at_ns))

    @property
    def skew(self) -> float:
        """By how much their clock runs faster than ours, as a share."""
        return self._envelope.slope

    def shift(self, by_ns: int, error_ns: int) -> None:
        """Their clock was set by ``by_ns``, as something other than probes has shown."""
        assert self._line is not None
        self._line.shift(by_ns, float(error_ns) ** 2)
        self._before = self._best = None
        self._suspects.clear()
        moved = [p.moved(by_ns, error_ns) for p in self._recent]
        self._recent = deque(moved, maxlen=_ENVELOPE_PROBES)
        here = self._envelope
        self._envelope = replace(here, middle_ns=here.middle_ns + by_ns, half_ns=here.half_ns + error_ns)

    # --- one probe ---------------------------------------------------------------------------

    def _x(self, at_ns: int) -> float:
        return (at_ns - self._origin_ns) / _S

    def _begin(self, probe: Probe) -> None:
        middle = (probe.least_ns + probe.most_ns) // 2
        self._origin_ns, self._base_ns = probe.returned_ns, middle
        self._line = LineFilter(
            0.0,
            0.0,
            max(probe.round_trip_ns / 2, _LEAST_DEVIATION_NS) ** 2,
            slope=0.0,
            slope_variance=(_SKEW / 2 * _S) ** 2,
            value_walk=_WANDER,
            slope_walk=_SKEW_WANDER,
        )

    def _fits(self, probe: Probe) -> bool:
        """Whether the expected offset is one the probe allows."""
        expected, slack = self.offset_ns(probe.returned_ns), self._slack_ns(probe.returned_ns)
        return probe.least_ns - slack <= expected <= probe.most_ns + slack

    def _slack_ns(self, at_ns: int) -> float:
        """How far the expected offset may be wrong; who has seen few round trips does not know the shortest."""
        assert self._line is not None
        deviation_ns = math.sqrt(self._line.at(self._x(at_ns))[1])
        return max(_SIGMAS * deviation_ns, self.error_ns(at_ns) if len(self._trips) < _FEW_TRIPS else 0.0)

    def _suspect(self, probe: Probe) -> bool:
        """A probe that proves a step is believed as soon as a second one says the same."""
        least = max([probe.least_ns, *(p.least_ns for p in self._suspects)])
        most = min([probe.most_ns, *(p.most_ns for p in self._suspects)])
        drift = self._drift_ns(probe)
        if least - drift > most + drift:
            self._suspects.clear()  # two that contradict each other prove nothing
        self._suspects.append(probe)
        if len(self._suspects) < _STRIKES:
            return False
        self._jump(min(self._suspects, key=lambda p: p.round_trip_ns))
        return True

    def _drift_ns(self, probe: Probe) -> float:
        since_ns = probe.returned_ns - self._suspects[0].returned_ns if self._suspects else 0
        return _SKEW * since_ns + _LEAST_DEVIATION_NS

    def _jump(self, probe: Probe) -> None:
        """Set the line anew at a probe; the crystal, and so the skew, is the same as before."""
        assert self._line is not None
        middle = (probe.least_ns + probe.most_ns) // 2
        suspects = list(self._suspects)
        self._recent.clear()
        self.shift(middle - self.offset_ns(probe.returned_ns), probe.round_trip_ns // 2)
        for suspect in suspects:
            self._enclose(suspect)
        self.steps += 1

    def _follow(self, probe: Probe) -> None:
        """Correct the line by the quickest probe of the burst; a quicker one takes a slower one's place."""
        assert self._line is not None
        best = self._best
        if best is None or probe.sent_ns - best.sent_ns > _BURST_NS:
            self._before = self._line.copy()
        elif probe.round_trip_ns < best.round_trip_ns and self._before is not None:
            self._line = self._before.copy()
        else:
            self._trips.append(probe.round_trip_ns)
            return
        self._best = probe
        self._trips.append(probe.round_trip_ns)
        middle = (probe.least_ns + probe.most_ns) / 2 - self._base_ns
        self._line.update(self._x((probe.sent_ns + probe.returned_ns) // 2), middle, self._variance(probe))

    def _enclose(self, probe: Probe) -> None:
        """What the probes of the last minute allow together, at the newest one's instant."""
        assert self._line is not None
        recent, now_ns = self._recent, probe.returned_ns
        recent.append(probe)
        while recent[0].returned_ns < now_ns - _ENVELOPE_NS:
            recent.popleft()
        slope, bend = self._line.slope / _S, self._bend
        least, most = -math.inf, math.inf
        for p in recent:
            age_ns = now_ns - p.returned_ns
            # An older interval has moved along the skew, and is wider by what the skew may be wrong.
            least = max(least, p.least_ns - self._base_ns + (slope - bend) * age_ns)
            most = min(most, p.most_ns - self._base_ns + (slope + bend) * age_ns)
        self._envelope = _Envelope(now_ns, (least + most) / 2, abs(most - least) / 2, slope, bend)

    @property
    def _bend(self) -> float:
        assert self._line is not None
        return _LEAST_BEND + 2 * self._line.slope_deviation / _S

    def _variance(self, probe: Probe) -> float:
        """What a round trip takes beyond the shortest was spent on one way or the other."""
        shortest = min(self._trips)
        excess = (probe.round_trip_ns - shortest) / 2
        return max(shortest * _TRIP_SHARE, _LEAST_DEVIATION_NS) ** 2 + excess**2
