"""How well and how fast events are joined: ``python bench/align.py [seeds] [--picture FILE]``.

Traces with known truth (`traces.py`) are dated by the clocks they come with and joined; printed is how much of the
truth comes out, how late, and how many events a second go through, beside what others do with the same (`peers.py`).
With ``--picture`` only the curve of latency and completeness is measured, and drawn.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import align_picture
import numpy as np
import peers
from traces import (
    HOSTILE,
    JITTER,
    MS,
    NEIGHBOURS,
    PIVOT,
    SCENARIOS,
    STREAMS,
    TOLERANCE_NS,
    UNSYNCHRONISED,
    WINDOW_NS,
    Scenario,
    Trace,
    a_trace,
    dated,
)

from sensorium.align import Aligner, Windower
from sensorium.event import Event, Modality
from sensorium.windowing.pair import PairAligner
from sensorium.windowing.run import Run

SECONDS = 300.0
CAPS_MS = (50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 700, 800)
WAITS_MS = (50, 100, 150, 200, 250, 290, 350, 400, 500, 600)
SESSION = "bench"


# --- what comes out of a trace ---------------------------------------------------------


class Given(NamedTuple):
    """A window's events (stream, number), and when it was given out."""

    closed_ns: int
    index: int
    revision: int
    events: tuple[tuple[Modality, int], ...]


def play(aligner: Windower, trace: Trace, at_ns: np.ndarray, modalities: tuple[Modality, ...]) -> list[Given]:
    """Push a trace event by event, as live: when something is due before the next arrival it is asked for."""
    given: list[Given] = []

    def take(now_ns: int) -> None:
        for w in aligner.advance(now_ns):
            events = tuple((s.modality, e.sequence) for s in w.slots if s.here for e in s.events)
            given.append(Given(now_ns, w.index, w.revision, events))

    columns = (trace.stream, trace.sequence, at_ns, trace.arrived_ns)
    for number, sequence, at, now in zip(*(c.tolist() for c in columns), strict=True):
        modality = STREAMS[number].modality
        if modality not in modalities:
            continue
        while (due := aligner.next_due_ns()) is not None and 0 < due < now:
            take(due)
        aligner.push(Event(modality, modality, sequence, SESSION, at), now)
        take(now)
    return given


class Hops(NamedTuple):
    placed: float
    wrong: float
    complete: float
    p50_ms: float
    p95_ms: float


def hops(trace: Trace, at_ns: np.ndarray, cap_ms: int) -> Hops:
    aligner = Aligner(SESSION, tuple(Modality), span_ns=WINDOW_NS, cap_ns=cap_ms * MS)
    aligner.start(0)
    place_of = {
        (STREAMS[s].modality, n): place
        for place, (s, n) in reversed(list(enumerate(zip(trace.stream.tolist(), trace.sequence.tolist(), strict=True))))
    }
    placed, closed = np.full(len(at_ns), -1), {}
    for given in play(aligner, trace, at_ns, tuple(Modality)):
        if not given.revision:
            closed[given.index] = given.closed_ns
            placed[[place_of[event] for event in given.events]] = given.index
    return judged(trace, placed, closed)


def judged(trace: Trace, placed: np.ndarray, closed: dict[int, int]) -> Hops:
    """Only a window's first revision counts, and only if the truth would have put the event there.

    Complete is a window that has all that was delivered for it, however late. The first ten seconds are not
    judged, nor is what has no full window at the end.
    """
    firsts = trace.firsts()
    true = trace.true_ns[firsts] // WINDOW_NS
    judged = (true >= 20) & (true <= true.max() - 4)
    firsts, true = firsts[judged], true[judged]
    right = placed[firsts] == true
    wrong = ~right & (placed[firsts] >= 0)
    missing = np.bincount(true, ~right)[np.unique(true)]
    delay = [(at - (w + 1) * WINDOW_NS) / MS for w, at in closed.items() if true.min() <= w <= true.max()] or [np.nan]
    return Hops(right.mean(), wrong.mean(), (missing == 0).mean(), *np.percentile(delay, [50, 95]))


class Pairs(NamedTuple):
    f1: float
    recall: float
    precision: float
    p95_ms: float


def pairs(trace: Trace, at_ns: np.ndarray) -> Pairs:
    """Gestures with pictures, sounds and touches. Latency counts from when the last of the nearest had come."""
    senses = tuple(STREAMS[n].modality for n in (PIVOT, *NEIGHBOURS))
    aligner = PairAligner(SESSION, senses, pivot=STREAMS[PIVOT].modality, tolerance_ns=TOLERANCE_NS)
    feasible, ready_ns, true_ns = truth(trace)
    right, given_out, good, delay = set(), 0, 0, []
    for given in play(aligner, trace, at_ns, senses):
        found = dict(given.events)
        if len(found) < len(senses):
            continue
        pivot = found[senses[0]]
        near = max(abs(true_ns[m, n] - true_ns[senses[0], pivot]) for m, n in given.events) <= TOLERANCE_NS
        given_out, good = given_out + 1, good + near
        if near and pivot not in right:
            right.add(pivot)
            delay.append(max(given.closed_ns - ready_ns[pivot], 0) / MS)
    recall, precision = len(right & feasible) / len(feasible), good / given_out
    return Pairs(2 * recall * precision / (recall + precision), recall, precision, float(np.percentile(delay, 95)))


def truth(trace: Trace) -> tuple[set[int], dict[int, int], dict[tuple[Modality, int], int]]:
    """Pivots that have all neighbours within the tolerance; when the nearest had come; when everything was."""
    firsts = trace.firsts()
    pivots = firsts[trace.stream[firsts] == PIVOT]
    feasible, ready = np.ones(len(pivots), bool), trace.arrived_ns[pivots].copy()
    for number in NEIGHBOURS:
        others = firsts[trace.stream[firsts] == number]
        others = others[np.argsort(trace.true_ns[others])]
        after = np.searchsorted(trace.true_ns[others], trace.true_ns[pivots])
        near = np.stack([np.clip(after - 1, 0, None), np.clip(after, None, len(others) - 1)])
        gaps = np.abs(trace.true_ns[others[near]] - trace.true_ns[pivots])
        feasible &= gaps.min(0) <= TOLERANCE_NS
        ready = np.maximum(ready, trace.arrived_ns[others[near[gaps.argmin(0), np.arange(len(pivots))]]])
    numbers = trace.sequence[pivots].tolist()
    rows = zip(
        trace.stream[firsts].tolist(), trace.sequence[firsts].tolist(), trace.true_ns[firsts].tolist(), strict=True
    )
    true_ns = {(STREAMS[s].modality, n): at for s, n, at in rows}
    return set(trace.sequence[pivots[feasible]].tolist()), dict(zip(numbers, ready.tolist(), strict=True)), true_ns


# --- how well --------------------------------------------------------------------------

LIMITS = {UNSYNCHRONISED.name: (0.998, 0.997, 60), HOSTILE.name: (0.985, 0.97, 120)}


def show_quality(scenario: Scenario, seeds: int) -> None:
    hop_rows, pair_rows, reachable, unexplained = [], [], [], []
    for seed in range(seeds):
        trace = a_trace(scenario, SECONDS, seed)
        at_ns, error_ns = dated(trace) if scenario.clocks else (trace.stamp_ns, 0 * trace.stamp_ns)
        hop_rows.append(hops(trace, at_ns, 300))
        pair_rows.append(pairs(trace, at_ns))
        elsewhere = at_ns // WINDOW_NS != trace.true_ns // WINDOW_NS
        unexplained.append((elsewhere & (np.abs(at_ns - trace.true_ns) > error_ns)).mean())
        by_then = trace.arrived_ns <= (trace.true_ns // WINDOW_NS + 1) * WINDOW_NS + 300 * MS
        reachable.append(judged(trace, np.where(by_then, trace.true_ns // WINDOW_NS, -1), {}).placed)
    placed, f1, p95 = LIMITS.get(scenario.name, (None, None, None))
    print(f"{scenario.name}:")
    print(f"  hop 500 ms, cap 300 ms: placed {interval(hop_rows, 'placed')}{wanted(placed)}", end="")
    print(f", there by the cap at all {np.mean(reachable):.4f}, wrong window {interval(hop_rows, 'wrong')}")
    print(f"    (by more than the bound of its date: {np.mean(unexplained):.5f}),", end="")
    print(f" complete {interval(hop_rows, 'complete')}, delay p50 {interval(hop_rows, 'p50_ms', 0)} ms, ", end="")
    print(f"p95 {interval(hop_rows, 'p95_ms', 0)} ms")
    print(f"  pairs within 20 ms: F1 {interval(pair_rows, 'f1')}{wanted(f1)}, ", end="")
    print(f"delay p95 {interval(pair_rows, 'p95_ms', 0)} ms{wanted(p95)}")


def interval(rows: list, name: str, digits: int = 4) -> str:
    """Mean over the seeds with the half width of its 95 % interval, and the worst seed."""
    values = np.array([getattr(row, name) for row in rows])
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    worst = values.max() if name.endswith("ms") or name == "wrong" else values.min()
    return f"{values.mean():.{digits}f} +-{half:.{digits}f} (worst {worst:.{digits}f})"


def wanted(limit: float | None) -> str:
    return "" if limit is None else f" [wanted {limit:g}]"


# --- latency and completeness ----------------------------------------------------------


class Curves(NamedTuple):
    """For each setting the figures of each seed."""

    ours: list[list[Hops]]
    event_clock: list[list[Hops]]
    input_aligner: list[list[Hops]]


def curves(scenario: Scenario, seeds: int, seconds: float = 120.0) -> Curves:
    found = Curves([[] for _ in CAPS_MS], [[] for _ in WAITS_MS], [[] for _ in WAITS_MS])
    for seed in range(seeds):
        trace = a_trace(scenario, seconds, seed)
        at_ns, _ = dated(trace)
        for row, cap in zip(found.ours, CAPS_MS, strict=True):
            row.append(hops(trace, at_ns, cap))
        for place, wait in enumerate(WAITS_MS):
            row = peers.event_clock(at_ns, trace.arrived_ns, wait * MS)
            found.event_clock[place].append(judged(trace, *row))
            row = peers.input_aligner(trace.stream, at_ns, trace.arrived_ns, wait * MS)
            found.input_aligner[place].append(judged(trace, *row))
    return found


def show_curves(scenario: Scenario, found: Curves) -> None:
    print(f"{scenario.name}, by cap: " + ", ".join(
        f"{cap} ms {np.mean([h.complete for h in row]):.2f} at {np.mean([h.p50_ms for h in row]):.0f}"
        for cap, row in zip(CAPS_MS, found.ours, strict=True)
    ))  # fmt: skip
    for name, rows in (("bytewax EventClock", found.event_clock), ("ROS 2 InputAligner", found.input_aligner)):
        for figure in ("p50_ms", "p95_ms"):
            ahead = np.array([a for row in rows for a in margins(found.ours, row, figure)])
            print(f"  more complete than {name} at the same {figure[:3]} delay: ", end="")
            print(
                f"{(ahead >= 0).mean():.1%} of {len(ahead)} points, by {ahead.mean():.3f}, at least {ahead.min():.3f}"
            )


def margins(ours: list[list[Hops]], theirs: list[Hops], figure: str) -> list[float]:
    """For each seed: our completeness at their delay, less theirs; where our curve begins and ends it goes on flat."""
    found = []
    for seed, their in enumerate(theirs):
        curve = sorted((getattr(row[seed], figure), row[seed].complete) for row in [*ours])
        delays, complete = zip((0.0, 0.0), *curve, strict=True)
        found.append(float(np.interp(getattr(their, figure), delays, complete)) - their.complete)
    return found


# --- how fast --------------------------------------------------------------------------


Dense = list[list[Run]]
"""Rounds, each with a run of each stream."""


def dense(streams: list[tuple[Event, int]], round_ms: int, rounds: range) -> Dense:
    """Streams (like what, how many a second) in runs of ``round_ms``."""
    rng = np.random.default_rng(rounds.start)
    found: Dense = []
    for number in rounds:
        runs = []
        for like, rate_hz in streams:
            rows = rate_hz * round_ms // 1000
            sequences = np.arange(number * rows, (number + 1) * rows)
            at_ns = sequences * (1_000_000_000 // rate_hz) + rng.integers(0, 200_000, rows)
            runs.append(Run(like, sequences.astype(np.uint64), at_ns))
        found.append(runs)
    return found


def of_1_khz(streams: int) -> list[tuple[Event, int]]:
    senses = [m for m in Modality if m is not Modality.TEXT]
    return [(Event(senses[n % 5], f"{senses[n % 5]}_{n}", 0, SESSION, 0), 1000) for n in range(streams)]


def join(rounds: Dense, aligner: Windower) -> None:
    for runs in rounds:
        now_ns = int(runs[0].at_ns[-1]) + 5 * MS
        for run in runs:
            aligner.push_run(run, now_ns)
        aligner.advance(now_ns)


def speed(rounds: Dense, aligner: Windower) -> float:
    return peers.per_second(sum(len(run) for runs in rounds for run in runs), lambda: join(rounds, aligner))


def an_aligner() -> Aligner:
    return Aligner(SESSION, tuple(Modality), slot_events=1 << 16)


def a_pairer() -> PairAligner:
    senses = tuple(STREAMS[n].modality for n in (PIVOT, *NEIGHBOURS))
    return PairAligner(SESSION, senses, pivot=senses[0], tolerance_ns=TOLERANCE_NS)


def show_speed() -> None:
    print("dense streams of 1 kHz in runs of 100, windows of 500 ms, on one core (wanted: 500,000 events/s):")
    rates = {n: speed(dense(of_1_khz(n), 100, range(10_000 // n)), an_aligner()) for n in (1, 8, 64)}
    print("  " + ", ".join(f"{n} streams {rate:,.0f} events/s" for n, rate in rates.items()))
    aligner, resident = an_aligner(), []
    for million in range(10):
        for part in range(10):
            first = (10 * million + part) * 125
            join(dense(of_1_khz(8), 100, range(first, first + 125)), aligner)
        resident.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    placed = sum(c.placed for c in aligner.counts().values())
    print(f"  peak memory after 1 million events {resident[0]:.1f} MB, after {placed:,} {resident[-1]:.1f} MB")


def show_peers() -> None:
    rounds = dense(of_1_khz(8), 125, range(200))
    batches = [np.sort(np.concatenate([run.at_ns for run in runs])).tolist() for runs in rounds]
    ours = speed(rounds, an_aligner())
    compare("windows, in batches of 1000", ours, "bytewax", lambda: peers.bytewax_speed(batches, 300 * MS))
    mix = [(Event(s.modality, s.modality, 0, SESSION, 0), round(s.rate_hz)) for s in STREAMS[:4]]
    rounds = dense(mix, 1000, range(100))
    runs = [(number, run) for of_round in rounds for number, run in enumerate(of_round)]
    at_ns = np.concatenate([run.at_ns for _, run in runs])
    stream = np.concatenate([np.full(len(run), number) for number, run in runs])[np.argsort(at_ns)].tolist()
    at_ns.sort()
    ours = speed(rounds, a_pairer())
    theirs = "message_filters (Python)"
    compare("pairs", ours, theirs, lambda: peers.message_filters_speed(stream, at_ns.tolist(), TOLERANCE_NS / 1e9))
    trace = a_trace(JITTER, 60, 0)
    for name, aligner in (("windows", an_aligner()), ("pairs", a_pairer())):
        senses = tuple(Modality) if name == "windows" else tuple(STREAMS[n].modality for n in range(4))
        rate = peers.per_second(len(trace.stream), partial(play, aligner, trace, trace.true_ns, senses))
        print(f"{name}, one event at a time, making it and asking what is due included: {rate:,.0f} events/s")


def compare(what: str, ours: float, who: str, run: Callable[[], float]) -> None:
    print(f"{what}: {ours:,.0f} events/s", end="")
    try:
        theirs = run()
        print(f", {who} {theirs:,.0f}: {ours / theirs:.1f} times as many")
    except ImportError as error:
        print(f"; {who} not compared: {error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="?", type=int, default=5)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    if args.picture is None:
        print(f"{args.seeds} seeds of {SECONDS:g} s; mean +- 95 % interval (worst seed)")
        for scenario in SCENARIOS:
            show_quality(scenario, args.seeds)
    print("complete windows at which delay:")
    found = {scenario.name: curves(scenario, args.seeds) for scenario in (UNSYNCHRONISED, HOSTILE)}
    for scenario in (UNSYNCHRONISED, HOSTILE):
        show_curves(scenario, found[scenario.name])
    if args.picture is not None:
        args.picture.write_text(align_picture.drawn(found, CAPS_MS))
        return
    show_speed()
    show_peers()


if __name__ == "__main__":
    main()
