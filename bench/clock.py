"""How far the dates of other devices' samples are off: ``python bench/clock.py [seeds]``.

Each trace has five sources with clocks of their own: seconds apart, fast or slow by up to 100 ppm, wandering,
stamped to the millisecond with noise, over links that lose, delay, reorder, repeat and bundle. Probes go
both ways with unlike delays. The truth is known; printed is the error that is left.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sensorium.clock_sync.probe_clock import Probe
from sensorium.clock_sync.remote_clock import RemoteClock, SourceClock

SECONDS = 600.0
MS = 1_000_000
RATES_HZ = {"watch": 8.0, "glove": 25.0, "camera": 30.0, "microphone": 50.0, "pad": 100.0}


@dataclass(frozen=True)
class Scenario:
    """What a trace is like; the limit is what we hold ourselves to for the 95th percentile of the error."""

    name: str
    limit_ms: float
    stamp_noise_ms: float = 0.3
    lost: float = 0.02
    twice: float = 0.0
    lopsided: float = 4 / 3  # question's typical delay by the answer's
    probe_ms: float = 3.0
    held_s: float = 0.0  # links hold everything back for up to so long, once every 45 s
    step_ms: float = 0.0
    wander_us: float = 20.0


SCENARIOS = (
    Scenario("unsynchronised", 1.0),
    Scenario("noisy stamps, held links", 1.4, stamp_noise_ms=3.0, lost=0.05, twice=0.01, probe_ms=4.5, held_s=2.0),
    Scenario("... set by +350 ms", 1.4, 3.0, 0.05, 0.01, probe_ms=4.5, held_s=2.0, step_ms=350),
    Scenario("... set by -40 s", 1.4, 3.0, 0.05, 0.01, probe_ms=4.5, held_s=2.0, step_ms=-40_000),
    Scenario("... set by +25 ms", 1.4, 3.0, 0.05, 0.01, probe_ms=4.5, held_s=2.0, step_ms=25),
    Scenario("lossy, slow, lopsided", 2.5, 1.0, 0.2, 0.05, lopsided=2.0, probe_ms=12.0, held_s=4.0, wander_us=40.0),
)


class Sample(NamedTuple):
    sequence: int
    true_ns: int
    exact_ns: int  # the device's clock then, without the stamp's noise
    stamp_ns: int
    arrived_ns: int


class Source(NamedTuple):
    """What one device sent and answered, in order of arrival, and when its clock was set (seconds)."""

    rate_hz: float
    samples: list[Sample]
    probes: list[Probe]
    step_s: float


def a_source(scenario: Scenario, name: str, rng: np.random.Generator) -> Source:
    rate_hz = RATES_HZ[name]
    step_s = SECONDS * rng.uniform(0.4, 0.7)
    offset, skew = rng.uniform(-2, 2), rng.uniform(-1e-4, 1e-4)
    seconds = np.arange(SECONDS + 10)
    wander = np.cumsum(rng.normal(0, scenario.wander_us * 1e-6, len(seconds)))

    def theirs(at_s: np.ndarray) -> np.ndarray:
        stepped = np.where(at_s >= step_s, scenario.step_ms / 1e3, 0.0)
        return at_s * (1 + skew) + offset + np.interp(at_s, seconds, wander) + stepped

    samples = the_samples(scenario, rate_hz, theirs, rng, bundled=name == "watch")
    return Source(rate_hz, samples, the_probes(scenario, theirs, rng), step_s)


def the_samples(scenario: Scenario, rate_hz: float, theirs, rng: np.random.Generator, *, bundled: bool) -> list[Sample]:
    numbers = np.arange(int(SECONDS * rate_hz))
    true_s = rng.uniform(0, 1 / rate_hz) + numbers / rate_hz + rng.normal(0, 0.02 / rate_hz, len(numbers))
    exact_s = theirs(true_s)
    stamp_s = np.round(exact_s + rng.normal(0, scenario.stamp_noise_ms / 1e3, len(numbers)), 3)
    arrived_s = true_s + 0.03 + rng.lognormal(np.log(0.006), 0.9, len(numbers))
    if bundled:
        arrived_s += np.ceil(true_s / 0.25) * 0.25 - true_s
    for begin in rng.uniform(0, SECONDS, int(SECONDS / 45) if scenario.held_s else 0):
        end = begin + rng.uniform(0.2, scenario.held_s)
        held = (arrived_s >= begin) & (arrived_s < end)
        arrived_s[held] = end + rng.uniform(0, 0.004, held.sum())
    kept = rng.random(len(numbers)) >= scenario.lost
    for begin in rng.uniform(0, SECONDS, int(SECONDS / 60)):
        kept &= ~((true_s >= begin) & (true_s < begin + rng.uniform(0.3, 15.0)))
    table = np.stack([true_s, exact_s, stamp_s, arrived_s], 1)[kept]
    rows = [Sample(int(n), *(round(v * 1e9) for v in row)) for n, row in zip(numbers[kept], table, strict=True)]
    again = [s._replace(arrived_ns=s.arrived_ns + 20 * MS) for s in rows if rng.random() < scenario.twice]
    return sorted([*rows, *again], key=lambda s: s.arrived_ns)


def the_probes(scenario: Scenario, theirs, rng: np.random.Generator) -> list[Probe]:
    """Bursts of four, every two seconds."""
    sent_s = (np.arange(0.1, SECONDS, 2.0)[:, None] + 0.02 * np.arange(4)).ravel()
    sent_s = sent_s[rng.random(len(sent_s)) >= scenario.lost]
    typical_s = scenario.probe_ms / 1e3
    there_s = 0.002 + rng.lognormal(np.log(typical_s * scenario.lopsided), 1.0, len(sent_s))
    back_s = 0.002 + rng.lognormal(np.log(typical_s), 1.0, len(sent_s))
    received_s = theirs(sent_s + there_s)
    stamps = np.stack([sent_s, received_s, received_s + 2e-4, sent_s + there_s + 2e-4 + back_s], 1)
    probes = [Probe(*(round(v * 1e9) for v in row)) for row in stamps]
    return sorted(probes, key=lambda p: p.returned_ns)


class Outcome(NamedTuple):
    """Errors and bounds (ms) of every sample, and what became of the step."""

    error_ms: np.ndarray
    bound_ms: np.ndarray
    probes_to_find: int | None
    after_ms: float
    false_steps: int


def follow(source: Source) -> Outcome:
    """Date every sample, taking the probes in as they return."""
    clock = RemoteClock(path_ns=30 * MS)
    dates = SourceClock(clock, period_ns=round(1e9 / source.rate_hz))
    came = [(p.returned_ns, 0, p) for p in source.probes] + [(s.arrived_ns, 1, s) for s in source.samples]
    errors, bounds, clock_errors, steps = [], [], [], []
    for at_ns, _, what in sorted(came):
        if isinstance(what, Probe):
            clock.probe(what)
        else:
            dated = dates.date(what.sequence, what.stamp_ns, what.arrived_ns)
            errors.append((dated.at_ns - what.true_ns) / 1e6)
            bounds.append(dated.error_ns / 1e6)
            clock_errors.append((clock.ours(what.exact_ns, what.arrived_ns).at_ns - what.true_ns) / 1e6)
        steps += [at_ns] * (clock.steps - len(steps))
    return judged(source, np.array(errors), np.array(bounds), np.array(clock_errors), steps)


def judged(source: Source, errors: np.ndarray, bounds: np.ndarray, clock: np.ndarray, steps: list[int]) -> Outcome:
    """How soon the step was found, and how far the clock was off for what was measured after that."""
    found = [at_ns for at_ns in steps if at_ns > source.step_s * 1e9][:1]
    if not found:
        return Outcome(errors, bounds, None, 0.0, len(steps))
    after = np.array([s.true_ns for s in source.samples]) > found[0]
    probes = sum(source.step_s * 1e9 <= p.sent_ns and p.returned_ns <= found[0] for p in source.probes)
    return Outcome(errors, bounds, probes, float(np.abs(clock[after]).max(initial=0.0)), len(steps) - 1)


def show(scenario: Scenario, seeds: int) -> None:
    outcomes, p95 = [], []
    spent_ns, samples = 0, 0
    for seed in range(seeds):
        rng = np.random.default_rng([seed, *scenario.name.encode()])
        sources = [a_source(scenario, name, rng) for name in RATES_HZ]
        began_ns = time.thread_time_ns()
        found = [follow(source) for source in sources]
        spent_ns += time.thread_time_ns() - began_ns
        samples += sum(len(o.error_ms) for o in found)
        p95.append(np.percentile(np.abs(np.concatenate([o.error_ms for o in found])), 95))
        outcomes += found
    errors, bounds = (np.concatenate([getattr(o, k) for o in outcomes]) for k in ("error_ms", "bound_ms"))
    held = np.mean(np.abs(errors) <= bounds)
    limit = f"(at most {scenario.limit_ms:g})"
    print(f"{scenario.name}: error p95 {np.mean(p95):.2f} ms, worst seed {max(p95):.2f} {limit}")
    rate = f"{samples / spent_ns * 1e9:,.0f} samples/s"
    print(f"  bound holds for {held:.4%}, its median {np.median(bounds):.1f} ms; {rate}")
    if scenario.step_ms:
        after = max(o.after_ms for o in outcomes)
        probes = [o.probes_to_find for o in outcomes if o.probes_to_find is not None]
        missed = len(outcomes) - len(probes)
        print(f"  step found within {max(probes)} probes (3), missed {missed}, then at most {after:.1f} ms wrong (5)")
    if wrong := sum(o.false_steps for o in outcomes):
        print(f"  {wrong} steps found that were none")


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(f"{seeds} seeds, {len(RATES_HZ)} sources, {SECONDS:g} s each")
    for scenario in SCENARIOS:
        show(scenario, seeds)


if __name__ == "__main__":
    main()
