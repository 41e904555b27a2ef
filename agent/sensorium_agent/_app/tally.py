"""What a run came to: counts, bytes, and how long each stage took."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from typing import Any

from sensorium.clock import Clock
from sensorium.event import Conductance, Event, Frame, Intervals, Modality, Pulse, Sample, Sound, Text
from sensorium.symbol import Revision, Symbol
from sensorium.window import Window

_KEPT = 10_000
"""Latest durations kept per stage: enough for a p99, bounded for a run of months."""
_AWAITED = 4096
"""Windows whose cloud answer may still be timed."""


def sample_bytes(sample: Sample) -> int:
    """Size of a sample as the sensor gave it."""
    match sample.data:
        case Frame(pixels):
            return pixels.nbytes
        case Sound(pcm, _):
            return pcm.nbytes
        case Text(line):
            return len(line.encode())
        case Pulse(values, _) | Conductance(values, _) | Intervals(values):
            return values.nbytes
        case _:
            return 24  # a touch: two coordinates and a time in 8 bytes each


def percentile(durations_ms: Sequence[float], share: float) -> float:
    """Nearest-rank percentile; 0 if there are none."""
    ordered = sorted(durations_ms)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


class Tally:
    """Counts as things happen, and times symbols from the close of their window.

    With ``clock``, the one the windows were closed by, their own times count; files that are played at
    once have another time than ours, and are timed from the moment the tally hears of the window.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self.captured_bytes: Counter[str] = Counter()
        self.samples: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.windows = 0
        self.revised_windows = 0
        self.symbols: Counter[str] = Counter()
        self.earlier = 0
        """Symbols for windows that an earlier run had spooled."""
        self._closed_ns: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._stages: dict[str, deque[float]] = {}

    def sample(self, sample: Sample) -> None:
        """A sensor gave something."""
        self.samples[sample.modality] += 1
        self.captured_bytes[sample.modality] += sample_bytes(sample)

    def event(self, event: Event) -> None:
        """A perceiver understood something."""
        self.events[event.modality] += 1
        if event.label:
            self.labels[event.label] += 1

    def window(self, window: Window) -> None:
        """A window closed, now."""
        self.windows += window.revision == 0
        self.revised_windows += window.revision > 0
        closed_ns = window.closed_at_ns if self._clock else self._now_ns()
        self._closed_ns[window.id, window.revision] = closed_ns
        if len(self._closed_ns) > _AWAITED:
            self._closed_ns.popitem(last=False)

    def symbol(self, symbol: Symbol) -> float | None:
        """A symbol is there, now; returns how long after its window closed, in ms."""
        self.symbols[symbol.revision] += 1
        for stage in symbol.latency:
            self.spent(f"{symbol.revision}.{stage.name}", stage.ms)
        closed = self._closed_ns.get((symbol.id, symbol.window_revision))
        if closed is None:
            return None
        after = (self._now_ns() - closed) / 1e6
        self.spent(f"window_to_{symbol.revision}_symbol", after)
        if self._clock:
            self.spent(f"end_to_{symbol.revision}_symbol", (self._now_ns() - symbol.end_ns) / 1e6)
        return after

    def _now_ns(self) -> int:
        return self._clock.now_ns() if self._clock else time.monotonic_ns()

    def spent(self, stage: str, ms: float) -> None:
        """A stage took ``ms``."""
        self._stages.setdefault(stage, deque(maxlen=_KEPT)).append(ms)

    def stages_ms(self) -> dict[str, dict[str, float]]:
        """p50, p99 and worst of each stage."""
        return {
            name: {
                "count": len(spent),
                "p50": round(percentile(spent, 0.5), 3),
                "p99": round(percentile(spent, 0.99), 3),
                "max": round(max(spent), 3),
            }
            for name, spent in self._stages.items()
        }

    def summary(self) -> dict[str, Any]:
        """Everything, in plain types."""
        return {
            "samples": dict(self.samples),
            "events": {m: self.events[m] for m in Modality if self.events[m]},
            "labels": dict(self.labels.most_common()),
            "windows": self.windows,
            "revised_windows": self.revised_windows,
            "symbols": {r: self.symbols[r] for r in Revision},
            "earlier_symbols": self.earlier,
            "stages_ms": self.stages_ms(),
            "captured_bytes": dict(self.captured_bytes),
        }
