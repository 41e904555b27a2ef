"""Made-up traces of six streams with known truth, for `bench/align.py`: what sensors, clocks and links do to events.

Video 30 Hz, audio 50, gesture 25, haptic 100, a wristband of 8 Hz whose radio speaks four times a second, and
words now and then, recognised late. All but the words answer probes of their clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sensorium.clock_sync.probe_clock import Probe
from sensorium.clock_sync.remote_clock import RemoteClock, SourceClock
from sensorium.event import Modality

MS = 1_000_000
WINDOW_NS = 500 * MS
TOLERANCE_NS = 20 * MS


class Stream(NamedTuple):
    modality: Modality
    rate_hz: float  # 0: now and then, every two seconds on average
    delay_ms: float  # at least
    more_ms: float  # typically on top; log-normal
    spread: float
    radio_ms: float = 0.0  # time from one transmission to the next


STREAMS = (
    Stream(Modality.VIDEO, 30, 60, 6, 0.9),
    Stream(Modality.AUDIO, 50, 25, 3, 0.8),
    Stream(Modality.GESTURE, 25, 80, 8, 0.9),
    Stream(Modality.HAPTIC, 100, 6, 2, 0.8),
    Stream(Modality.BIOMETRIC, 8, 90, 15, 1.0, radio_ms=250),
    Stream(Modality.TEXT, 0, 350, 80, 0.6),
)
PIVOT, NEIGHBOURS = 2, (0, 1, 3)


@dataclass(frozen=True)
class Scenario:
    """How badly everything goes; a minute has ``outages`` of each stream, of which a third loses its data."""

    name: str
    jitter: float = 1.0
    lost: float = 0.0
    outages: int = 0
    radio: bool = True
    clocks: bool = False
    stamp_noise_ms: float = 0.0
    held_every_s: float = 0.0  # links hold everything back for up to held_s
    held_s: float = 2.0
    step_ms: float = 0.0  # the glove's clock is set
    twice: float = 0.0
    away_s: tuple[float, ...] = ()  # for how long gloves are taken off


JITTER = Scenario("jitter", radio=False)
LOSSY = Scenario("lossy", lost=0.02, outages=1, away_s=(15.0, 20.0))
UNSYNCHRONISED = Scenario(
    "unsynchronised", lost=0.02, outages=1, away_s=(15.0, 20.0), clocks=True, stamp_noise_ms=0.3
)  # fmt: skip
HOSTILE = Scenario(
    "hostile", 1.5, 0.05, 2, clocks=True, stamp_noise_ms=3, held_every_s=45, step_ms=350, twice=0.01, away_s=(15, 20)
)
STORM = Scenario(
    "storm", 3, 0.15, 4, clocks=True, stamp_noise_ms=5, held_every_s=20, held_s=4, step_ms=-900, twice=0.05
)  # fmt: skip
SCENARIOS = (JITTER, LOSSY, UNSYNCHRONISED, HOSTILE, STORM)


@dataclass(frozen=True)
class Trace:
    """Events in order of arrival; every array is int64 [n]."""

    stream: np.ndarray
    sequence: np.ndarray
    true_ns: np.ndarray
    stamp_ns: np.ndarray
    arrived_ns: np.ndarray
    probes: tuple[tuple[int, Probe], ...]  # of which stream's device, in order of return

    def firsts(self) -> np.ndarray:
        """Which events are not repeats: their places, in order of arrival."""
        key = self.stream * (1 << 40) + self.sequence
        return np.sort(np.unique(key, return_index=True)[1])


def a_trace(scenario: Scenario, seconds: float, seed: int) -> Trace:
    rng = np.random.default_rng([seed, *scenario.name.encode()])
    parts, probes = [], []
    for number, stream in enumerate(STREAMS):
        clock = a_clock(scenario, stream, seconds, rng)
        parts.append(the_events(scenario, number, clock, seconds, rng))
        if stream.rate_hz:
            probes += [(number, probe) for probe in the_probes(scenario, clock, seconds, rng)]
    table = np.concatenate(parts)
    table = table[np.argsort(table[:, 4], kind="stable")]
    return Trace(*table.T, tuple(sorted(probes, key=lambda p: p[1].returned_ns)))


def a_clock(scenario: Scenario, stream: Stream, seconds: float, rng: np.random.Generator):
    """The device's clock as a function of the true time, both in seconds."""
    if not scenario.clocks:
        return lambda at_s: at_s
    offset, skew = rng.uniform(-2, 2), rng.uniform(-1e-4, 1e-4)
    knots = np.arange(seconds + 10)
    wander = np.cumsum(rng.normal(0, 20e-6, len(knots)))
    step_s = 0.6 * seconds if stream.modality is Modality.GESTURE else np.inf
    step = scenario.step_ms / 1e3
    return lambda at_s: at_s * (1 + skew) + offset + np.interp(at_s, knots, wander) + np.where(at_s >= step_s, step, 0)


def the_events(scenario: Scenario, number: int, clock, seconds: float, rng: np.random.Generator) -> np.ndarray:
    stream = STREAMS[number]
    true_s = instants(stream, seconds, rng)
    stamp_s = clock(true_s) + rng.normal(0, scenario.stamp_noise_ms / 1e3, len(true_s))
    if scenario.clocks:
        stamp_s = np.round(stamp_s, 3)
    arrived_s = true_s + stream.delay_ms / 1e3
    arrived_s += rng.lognormal(np.log(stream.more_ms * scenario.jitter / 1e3), stream.spread, len(true_s))
    if scenario.radio and stream.radio_ms:
        every_s = stream.radio_ms / 1e3
        arrived_s += np.ceil(true_s / every_s) * every_s - true_s
    kept = (rng.random(len(true_s)) >= scenario.lost) & ~silent(scenario, stream, true_s, seconds, rng)
    if scenario.held_every_s:
        for begin_s in rng.uniform(0, seconds, int(seconds / scenario.held_every_s)):
            end_s = begin_s + rng.uniform(0.2, scenario.held_s)
            held = (arrived_s >= begin_s) & (arrived_s < end_s)
            arrived_s[held] = end_s + rng.uniform(0, 0.004, held.sum())
    rows = np.stack([true_s, stamp_s, arrived_s], 1)
    again = np.flatnonzero(kept & (rng.random(len(true_s)) < scenario.twice))
    repeats = rows[again] + [0, 0, 1] * rng.uniform(0.001, 0.05, (len(again), 1))
    places = np.append(np.flatnonzero(kept), again)
    times = np.concatenate([rows[kept], repeats])
    return np.column_stack([np.full(len(places), number), places, np.rint(times * 1e9).astype(np.int64)])


def instants(stream: Stream, seconds: float, rng: np.random.Generator) -> np.ndarray:
    if not stream.rate_hz:
        return np.sort(rng.uniform(0, seconds, rng.poisson(seconds / 2)))
    numbers = np.arange(int(seconds * stream.rate_hz))
    return np.sort((rng.uniform() + numbers + rng.normal(0, 0.02, len(numbers))) / stream.rate_hz)


def silent(scenario: Scenario, stream: Stream, true_s: np.ndarray, seconds: float, rng) -> np.ndarray:
    spans = [(a, a + rng.uniform(0.3, 1.5)) for a in rng.uniform(0, seconds, int(scenario.outages * seconds / 180))]
    if stream.modality in {Modality.GESTURE, Modality.HAPTIC}:
        spans += [(a, a + away_s) for away_s in scenario.away_s for a in [rng.uniform(0.2, 0.7) * seconds]]
    return np.logical_or.reduce([(true_s >= a) & (true_s < b) for a, b in spans] or [np.zeros(len(true_s), bool)])


def the_probes(scenario: Scenario, clock, seconds: float, rng: np.random.Generator) -> list[Probe]:
    """Bursts of four, every two seconds."""
    sent_s = (np.arange(0.1, seconds, 2.0)[:, None] + 0.02 * np.arange(4)).ravel()
    sent_s = sent_s[rng.random(len(sent_s)) >= scenario.lost]
    there_s = 0.002 + rng.lognormal(np.log(0.004), 1.0, len(sent_s)) * scenario.jitter
    back_s = 0.002 + rng.lognormal(np.log(0.003), 1.0, len(sent_s)) * scenario.jitter
    received_s = clock(sent_s + there_s)
    stamps = np.stack([sent_s, received_s, received_s + 2e-4, sent_s + there_s + 2e-4 + back_s], 1)
    return [Probe(*(round(value * 1e9) for value in row)) for row in stamps]


def dated(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """The events' times and their bounds as the device would have them: int64 [n] each.

    They come from stamps, numbers, arrivals and probes alone.

    Words come without probes; that recognising them takes a third of a second is told.
    """
    clocks = [RemoteClock(path_ns=0 if s.rate_hz else 350 * MS, path_error_ns=100 * MS) for s in STREAMS]
    dates = [
        SourceClock(clock, period_ns=round(1e9 / s.rate_hz) if s.rate_hz else 0)
        for clock, s in zip(clocks, STREAMS, strict=True)
    ]
    at_ns, error_ns = np.empty_like(trace.stamp_ns), np.empty_like(trace.stamp_ns)
    probes = iter([*trace.probes, (0, Probe(0, 0, 0, 1 << 62))])
    whose, probe = next(probes)
    columns = (trace.stream, trace.sequence, trace.stamp_ns, trace.arrived_ns)
    for place, (stream, sequence, stamp, arrived) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        while probe.returned_ns <= arrived:
            clocks[whose].probe(probe)
            whose, probe = next(probes)
        found = dates[stream].date(sequence, stamp, arrived)
        at_ns[place], error_ns[place] = found.at_ns, found.error_ns
    return at_ns, error_ns
