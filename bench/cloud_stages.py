"""Where a window's CPU time goes in the cloud, stage by stage: ``python bench/cloud_stages.py``.

Each stage by itself, in this process, on batches of 32 windows as `cloud` has them, with the garbage collector as the
service sets it: the tenth percentile of many runs. What is missing of the service's whole (`cloud_load.py pace`) is the
way between them: gRPC, the event loop, other threads, and processor caches that others have used meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Callable
from functools import partial

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the service sets it for itself

import cloud
import numpy as np
from prometheus_client import CollectorRegistry

from sensorium_cloud import publish
from sensorium_cloud._app.metrics import Metrics
from sensorium_cloud._app.settings import Settings
from sensorium_cloud._app.stream import parsed_request
from sensorium_cloud._app.work import load_engines
from sensorium_cloud.encode.encoders import EncodedWindow
from sensorium_cloud.runtime.net import Net
from sensorium_cloud.state.store import Place, Store, run_together

RUNS = 200
MESSAGE_BYTES = 1 << 22


def cost_us(stage: Callable[[], object], windows: int = cloud.BATCH) -> float:
    """CPU of this thread a window, the tenth percentile."""
    took = []
    for _ in range(RUNS):
        began = time.thread_time_ns()
        stage()
        took.append(time.thread_time_ns() - began)
    return sorted(took)[RUNS // 10] / windows / 1e3


def nets_us(fuse: Callable[[], object]) -> float:
    """What the network's runs take of a fusion: all modalities alone, who is heard together, and without each."""
    runs: list[float] = []
    plain = Net.run

    def timed(net: Net, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        began = time.thread_time_ns()
        outputs = plain(net, inputs)
        runs.append(time.thread_time_ns() - began)
        return outputs

    Net.run = timed
    try:
        sums = []
        for _ in range(RUNS):
            runs.clear()
            fuse()
            sums.append(sum(runs))
    finally:
        Net.run = plain
    return sorted(sums)[RUNS // 10] / cloud.BATCH / 1e3


def saving(symbols: list[bytes]) -> Callable[[], object]:
    """Stores new answers, all of them in one transaction, in memory."""
    store, numbers = Store(), itertools.count()

    def save() -> None:
        places = [Place("device", "spool", n, f"w.{n}", f"{n:064d}") for n in itertools.islice(numbers, len(symbols))]
        run_together(store, [lambda s: list(map(partial(s.save, now_s=1), places, symbols))])

    return save


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    rng = np.random.default_rng(0)
    fuse = load_engines(Settings()).fuse
    batch = [EncodedWindow(cloud.a_window("stages", n, rng), None, None, 0.0) for n in range(cloud.BATCH)]
    cloud.collect_seldom()
    raw = cloud.messages("stages", cloud.BATCH, together=8)
    timing = publish.Timing(1, 1_000, 100_000, 0.0, 1.0)
    symbols = [publish.timed(symbol, timing) for symbol in fuse(batch)]
    stored = [publish.symbol_bytes(symbol) for symbol in symbols]
    metrics = Metrics(CollectorRegistry())
    stages: dict[str, Callable[[], object]] = {
        "parse, check and hash": lambda: [parsed_request(message, MESSAGE_BYTES) for message in raw],
        "fuse": lambda: fuse(batch),
        "time": lambda: [publish.timed(symbol, timing) for symbol in symbols],
        "write": lambda: [publish.symbol_bytes(symbol) for symbol in symbols],
        "count": lambda: metrics.fused(*symbols),
        "store": saving(stored),
        "answer": lambda: publish.together([publish.symbol_message(1, symbol) for symbol in stored]),
    }
    print("CPU us a window")
    total = 0.0
    for name, stage in stages.items():
        total += (spent := cost_us(stage))
        print(f"  {name:<24}{spent:7.1f}")
        if name == "fuse":
            print(f"    of it the network     {nets_us(stage):7.1f}")
    print(f"  {'together':<24}{total:7.1f}")


if __name__ == "__main__":
    main()
