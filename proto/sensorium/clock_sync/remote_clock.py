"""Times of another device, brought to ours: its clock followed, its stamps smoothed, each with its bound.

    clock = RemoteClock()
    clock.probe(Probe(sent, received, answered, returned))      # whenever there is one
    source = SourceClock(clock, period_ns=10_000_000)
    dated = source.date(sequence, stamp_ns, arrived_ns)

Pure: every time is an argument. The other clock may be seconds away, run fast or slow, wander, be set
while it is used, and belong to a device that was started anew.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from sensorium.clock_sync.dejitter import Dejitter, Placed
from sensorium.clock_sync.one_way import OneWayClock
from sensorium.clock_sync.probe_clock import Probe, ProbeClock

_MS: Final = 1_000_000
_DOUBT_NS: Final = 10_000 * _MS
"""Probes that take a step back so soon after it was believed without them say who was wrong."""
_SHIFT_ERROR_NS: Final = 6 * _MS
"""What six stamps with 3 ms of noise may be wrong by together."""
_SLACK_NS: Final = 5 * _MS
_TRANSITS: Final = 256
_SETTLES_NS: Final = 10_000 * _MS
"""After the first probe, what the next ones correct was wrong in every date before."""


@dataclass(frozen=True, slots=True)
class Dated:
    """An instant on our clock.

    Attributes:
        at_ns: the instant.
        error_ns: half width of the interval that holds the true one.
        measured: whether probes stand behind it; else only the quickest messages do.
    """

    at_ns: int
    error_ns: int
    measured: bool


class RemoteClock:
    """The clock of one other device in one boot of it; all its sources share it.

    Args:
        path_ns: how long its quickest messages take, used until there are probes.
        path_error_ns: how far that may be wrong.
    """

    def __init__(self, *, path_ns: int = 0, path_error_ns: int = 500 * _MS) -> None:
        self._probed = ProbeClock()
        self._one_way = OneWayClock(path_ns, path_error_ns)
        self._shifted_ns: int | None = None
        self._shifts = 0
        self._believes_sources = True
        self._since_ns: int | None = None
        """When the first probe came; before that, the first message."""
        self.corrected_ns = 0
        """By how much, in all, what is known of the offset was corrected while it settled."""

    @property
    def known(self) -> bool:
        """Whether anything was heard of it."""
        return self._probed.known or self._one_way.known

    @property
    def steps(self) -> int:
        """How often this clock was found to have been set."""
        return self._probed.steps + self._one_way.steps + self._shifts

    @property
    def refused(self) -> int:
        """Probes that contradicted themselves."""
        return self._probed.refused

    def probe(self, probe: Probe) -> bool:
        """Take a probe in; True if it shows that the clock was set."""
        now_ns = probe.returned_ns
        before, first = self._offset_ns(now_ns) if self.known else None, not self._probed.known
        stepped = self._probed.observe(probe)
        if first and self._probed.known:
            self._since_ns = now_ns
        if before is not None and not stepped and self._probed.known and not self._settled(now_ns):
            self.corrected_ns += self._offset_ns(now_ns) - before
        if stepped and self._shifted_ns is not None and probe.returned_ns - self._shifted_ns < _DOUBT_NS:
            self._believes_sources = False
        return stepped

    def observe(self, stamp_ns: int, arrived_ns: int) -> None:
        """A message stamped ``stamp_ns`` by it has come at ``arrived_ns`` of ours."""
        if not self._probed.known:
            self._since_ns = arrived_ns if self._since_ns is None else self._since_ns
            self._one_way.observe(stamp_ns, arrived_ns)

    def ours(self, stamp_ns: int, near_ns: int) -> Dated:
        """What ``stamp_ns`` of its clock is on ours, about ``near_ns``.

        There must have been a probe or an observation.
        """
        if not self._probed.known:
            return Dated(stamp_ns - self._one_way.offset_ns(), self._one_way.error_ns, measured=False)
        at_ns = stamp_ns - self._probed.offset_ns(near_ns)
        at_ns = stamp_ns - self._probed.offset_ns(at_ns)
        return Dated(at_ns, self._probed.error_ns(at_ns), measured=True)

    def _offset_ns(self, at_ns: int) -> int:
        return self._probed.offset_ns(at_ns) if self._probed.known else self._one_way.offset_ns()

    def _settled(self, now_ns: int) -> bool:
        return self._since_ns is not None and now_ns - self._since_ns >= _SETTLES_NS

    def shift(self, by_ns: int, now_ns: int) -> bool:
        """A source has shown that the clock was set by ``by_ns``; False if that is not believed.

        It is not while little is known of the clock, nor after probes have belied such a claim.
        """
        if not self._believes_sources or not self._settled(now_ns):
            return False
        self._shifted_ns = now_ns
        self._shifts += 1
        if self._probed.known:
            # The source saw it through the skew: a step of an hour looks 0.36 s shorter at 100 ppm.
            self._probed.shift(round(by_ns * (1 + self._probed.skew)), _SHIFT_ERROR_NS)
        else:
            self._one_way.shift(by_ns)
        return True


class SourceClock:
    """Dates the samples of one source of a device.

    Args:
        clock: the device's.
        period_ns: from one sample to the next; 0 for a source that speaks when it likes.
        regularity: see `Dejitter`.
        resolution_ns: unit of its stamps.
    """

    def __init__(
        self, clock: RemoteClock, *, period_ns: int = 0, regularity: float = 0.02, resolution_ns: int = _MS
    ) -> None:
        self._clock = clock
        self._periodic = period_ns > 0
        self._dejitter = Dejitter(period_ns, regularity=regularity, resolution_ns=resolution_ns)
        self._transits: deque[int] = deque(maxlen=_TRANSITS)
        self._corrected_ns = clock.corrected_ns
        self._steps = clock.steps
        """The clock's, when a stamp last lay on the line."""

    def date(self, sequence: int, stamp_ns: int, arrived_ns: int) -> Dated:
        """When sample ``sequence`` was taken: never later than it came.

        Args:
            sequence: counts the source's samples, lost ones too.
            stamp_ns: when it was taken, on the device's clock.
            arrived_ns: when it came here, on ours.
        """
        if not (self._periodic and self._clock.known):
            self._clock.observe(stamp_ns, arrived_ns)
        self._settle()
        raw = self._clock.ours(stamp_ns, arrived_ns)
        if self._clock.steps != self._steps and self._dejitter.young:
            placed = self._dejitter.restart(sequence, raw.at_ns)
        else:
            placed = self._dejitter.place(sequence, raw.at_ns)
        if placed.off_ns:
            return self._off_line(sequence, raw, placed, arrived_ns)
        if self._periodic:
            self._clock.observe(stamp_ns, arrived_ns)
        self._steps = self._clock.steps
        self._transits.append(arrived_ns - placed.at_ns)
        return self._dated(placed.at_ns, raw, placed.error_ns, arrived_ns)

    def _settle(self) -> None:
        """What was wrong with the clock was wrong with the line that it gave."""
        moved_ns = self._clock.corrected_ns - self._corrected_ns
        if moved_ns:
            self._corrected_ns += moved_ns
            self._dejitter.shift(-moved_ns)
            self._transits.clear()

    def _off_line(self, sequence: int, raw: Dated, placed: Placed, arrived_ns: int) -> Dated:
        """The stamp is not where its number says: either may be wrong, and the bound covers both."""
        set_anew = self._shows_a_step(raw, placed, arrived_ns)
        if placed.jump_ns and not (set_anew and self._clock.shift(placed.jump_ns, arrived_ns)):
            self._steps = self._clock.steps
            placed = self._dejitter.restart(sequence, raw.at_ns)
            return self._dated(placed.at_ns, raw, placed.error_ns, arrived_ns)
        at_ns = placed.at_ns if set_anew else raw.at_ns
        return self._dated(at_ns, raw, placed.error_ns + abs(placed.off_ns), arrived_ns)

    def _shows_a_step(self, raw: Dated, placed: Placed, arrived_ns: int) -> bool:
        """Whether the clock was set, rather than that the source has paused.

        A pause never brings a sample early, and no message is faster than the quickest.
        """
        if self._clock.steps != self._steps:
            return False  # probes have just set the clock right: it is the line that is wrong
        return placed.off_ns < 0 or arrived_ns - raw.at_ns < min(self._transits, default=0) - _SLACK_NS

    @staticmethod
    def _dated(at_ns: int, raw: Dated, error_ns: int, arrived_ns: int) -> Dated:
        return Dated(min(at_ns, arrived_ns), raw.error_ns + error_ns, raw.measured)
