"""Prometheus metrics, under the names of the first sketch; never a session, a device or a window as a label.

Several workers write into files that one of them reads together (prometheus-client's multi-process mode), if the
environment names a folder for these when this module is imported.
"""

from __future__ import annotations

import asyncio
import math
import os
import resource
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import product
from types import MappingProxyType
from typing import Final, NoReturn

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as Count
from prometheus_client.multiprocess import MultiProcessCollector

from sensorium.symbol import Symbol
from sensorium_cloud.quality import Budget, Objective, judged
from sensorium_cloud.refine import Queued

MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which several workers' metrics meet."""
_EVERY_S: Final = 1.0
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)
_SHARES: Final = tuple(n / 20 for n in range(1, 21))
_OUTCOMES: Final = ("fused", "remembered", "later", "refused")
_OF_REDIS: Final = ("done", "slow", "away", "full", "read_only", "skipped")
_BURN_S: Final = {"5m": 300.0, "1h": 3600.0, "6h": 21600.0}

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})

Look = Callable[[], Mapping[str, Queued]]
"""What waits in each queue, by what it waits for."""
Dropped = Callable[[], Mapping[str, int]]
"""How much had no room so far, by where."""


class _Histogram(Histogram):
    """One that is told much at once, and then writes each bucket once."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """The same as `observe` for each of ``amounts``."""
        if amounts:
            self._sum.inc(math.fsum(amounts))
        for place, many in Counter([bisect_left(self._upper_bounds, amount) for amount in amounts]).items():
            self._buckets[place].inc(many)


class Metrics:
    """What the service counts and measures.

    Args:
        registry: where it is registered.
        now_s: monotonic time, for the budgets.
    """

    def __init__(self, registry: CollectorRegistry, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self.budget = Budget()
        self._now_s = now_s
        self._count_windows(registry)
        self._measure_symbols(registry)
        self._watch_resources(registry)
        self._lookups = Count(
            "multimodal_cache_lookups", "What was looked up, by where: local_hit, redis_hit, similar, miss",
            ["cache", "outcome"], registry=registry,
        )  # fmt: skip
        self._redis = Count(
            "multimodal_redis_operations",
            f"What became of questions to Redis: {', '.join(_OF_REDIS)}", ["outcome"], registry=registry,
        )  # fmt: skip
        dropped = Count(
            "multimodal_dropped",
            "What had no room or could not be done, by where: history, mesh, outbox, clips, pictures, cluster",
            ["where"], registry=registry,
        )  # fmt: skip
        self._of_dropped = cache(dropped.labels)
        self._dropped: dict[str, int] = {}

    # Looking a label up takes twice as long as counting; there are few of them: the lookups are remembered.

    def _count_windows(self, registry: CollectorRegistry) -> None:
        windows = Count(
            "multimodal_windows", f"Windows by what became of them: {', '.join(_OUTCOMES)}", ["outcome"],
            registry=registry,
        )  # fmt: skip
        events = Count("multimodal_events_processed", "Events in fused windows", ["stream_type"], registry=registry)
        self._of_outcome, self._of_events = cache(windows.labels), cache(events.labels)
        for outcome in _OUTCOMES:  # a count that begins with its first window would hide that from rate()
            self._of_outcome(outcome)

    def _measure_symbols(self, registry: CollectorRegistry) -> None:
        symbols = Count(
            "multimodal_symbols", "Symbols by what they say: named, or why they abstain", ["answer"], registry=registry
        )
        latency = _Histogram(
            "multimodal_processing_latency_seconds", "Time of each stage", ["processing_stage"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        objectives = Count(
            "multimodal_sla_windows", "Symbols that met an objective, or did not", ["objective", "met"],
            registry=registry,
        )  # fmt: skip
        self._quality = _Histogram(
            "multimodal_fusion_quality_score", "Calibrated probability of the best hypothesis",
            buckets=_SHARES, registry=registry,
        )  # fmt: skip
        self._of_answer, self._of_stage = cache(symbols.labels), cache(latency.labels)
        self._of_objective = cache(lambda objective, met: objectives.labels(objective, str(met).lower()))
        for objective, met in product(Objective, (True, False)):
            self._of_objective(objective, met)

    def _watch_resources(self, registry: CollectorRegistry) -> None:
        self._burn = Gauge(
            "multimodal_sla_burn_rate", "Error budget spent, as a multiple of what there is", ["objective", "period"],
            multiprocess_mode="livemax", registry=registry,
        )  # fmt: skip
        self._memory = Gauge(
            "multimodal_memory_usage_bytes", "Resident memory", multiprocess_mode="livesum", registry=registry
        )
        self._queue = Gauge(
            "multimodal_queue_size", "What waits, by what for", ["stream_type"],
            multiprocess_mode="livesum", registry=registry,
        )  # fmt: skip
        self._age = Gauge(
            "multimodal_queue_age_seconds", "How long the oldest window has waited",
            multiprocess_mode="livemax", registry=registry,
        )  # fmt: skip

    def looked_up(self, cache: str, outcome: str, count: int = 1) -> None:
        """Something was looked up in ``cache``: a ``local_hit``, a ``redis_hit``, ``similar`` or a ``miss``."""
        self._lookups.labels(cache, outcome).inc(count)

    def expect_redis(self) -> None:
        """There is one to be asked: what may become of that counts from 0, not from the first time."""
        for outcome in _OF_REDIS:
            self._redis.labels(outcome)

    def redis(self, outcome: str) -> None:
        """Redis was asked, or would have been."""
        self._redis.labels(outcome).inc()

    def fused(self, *symbols: Symbol) -> None:
        """Symbols were made; what they have in common is counted once: with several workers each count is a write."""
        seen = Counter([e.modality for s in symbols for e in s.timeline if e.at_ns >= s.start_ns])
        for modality, many in seen.items():
            self._of_events(modality).inc(many)
        for answer, many in Counter([s.abstained or "named" for s in symbols]).items():
            self._of_answer(answer).inc(many)
        self._time_stages(symbols)
        qualities = [judged(symbol) for symbol in symbols]
        self._quality.observe_all([q.confidence for q in qualities if q.confidence is not None])
        for (objective, good), many in self.budget.observe_all(qualities, self._now_s()).items():
            self._of_objective(objective, good).inc(many)

    def _time_stages(self, symbols: Sequence[Symbol]) -> None:
        times: dict[str, list[float]] = {}
        for symbol in symbols:
            for stage in symbol.latency:
                times.setdefault(stage.name, []).append(stage.ms / 1e3)
        for name, seconds in times.items():
            self._of_stage(name).observe_all(seconds)

    def answered(self, outcome: str, many: int = 1) -> None:
        """Windows were answered: ``fused``, ``remembered``, ``later`` or ``refused``."""
        self._of_outcome(outcome).inc(many)

    def sample(self, queues: Mapping[str, Queued], dropped: Mapping[str, int] = _NOTHING) -> None:
        """What can only be looked at now and then; ``dropped`` so far."""
        for where, total in dropped.items():
            self._of_dropped(where).inc(max(total - self._dropped.get(where, 0), 0))
            self._dropped[where] = total
        self._memory.set(resident_bytes())
        for stream_type, queued in queues.items():
            self._queue.labels(stream_type).set(queued.size)
        self._age.set(max((queued.age_ns for queued in queues.values()), default=0) / 1e9)
        for period, over_s in _BURN_S.items():
            for objective, rate in self.budget.burn(over_s, self._now_s()).items():
                self._burn.labels(objective, period).set(rate)

    async def run(self, look: Look, dropped: Dropped) -> NoReturn:
        """Look once a second, until cancelled."""
        while True:
            self.sample(look(), dropped())
            await asyncio.sleep(_EVERY_S)


def exposition(registry: CollectorRegistry) -> bytes:
    """Everything in Prometheus's text format: of all workers where there are several, else of ``registry``."""
    if MULTIPROCESS not in os.environ:
        return generate_latest(registry)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)


def resident_bytes() -> int:
    """Memory of this process."""
    if sys.platform == "linux":
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - once a second
            return int(statm.read().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
