"""One measurement in a fresh process, printed as JSON: `model_bench` starts this for each figure.

python -m sensorium_agent._app.models.probe alone FILE THREADS ACCELERATOR
python -m sensorium_agent._app.models.probe pair FILE FILE THREADS ACCELERATOR
python -m sensorium_agent._app.models.probe together FILE...
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensorium_agent._app.tally import percentile
from sensorium_agent.infer.runtime import small_onnx, trial
from sensorium_agent.infer.runtime.accelerate import CPU, Accelerator
from sensorium_agent.infer.runtime.model import Array, LoadedModel, Port, load
from sensorium_models import store

_MEASURE_S = 0.5
_LEAST, _MOST = 20, 2000


def rss_mb() -> float:
    """What this process holds in memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def alone(name: str, file: str, threads: str, accelerator: str) -> dict[str, Any]:
    """Loading, memory and latency of one model; the memory of its runtime is told apart."""
    _import_runtime(file)
    before_mb, began = rss_mb(), time.perf_counter()
    net = load(Path(file), threads=int(threads), accelerator=Accelerator.parse(accelerator))
    inputs = asked(name, net)
    net.run(*inputs)
    load_ms = (time.perf_counter() - began) * 1e3
    cpu_ms, wall_ms = _timed(lambda: net.run(*inputs))
    return {
        "load_ms": load_ms,
        "rss_mb": rss_mb() - before_mb,
        "cpu_p50_ms": percentile(cpu_ms, 0.5),
        "cpu_p99_ms": percentile(cpu_ms, 0.99),
        "wall_p50_ms": percentile(wall_ms, 0.5),
        "wall_p99_ms": percentile(wall_ms, 0.99),
        "runs": len(cpu_ms),
        "runs_on": net.runs_on,
    }


def pair(name: str, file: str, other: str, threads: str, accelerator: str) -> dict[str, float]:
    """Median times of a run of a model and its float twin, asked in turns."""
    settings = ((file, Accelerator.parse(accelerator)), (other, CPU))
    nets = [load(Path(path), threads=int(threads), accelerator=on) for path, on in settings]
    inputs = asked(name, nets[0])
    spent_ms: tuple[list[float], list[float]] = ([], [])
    ends = time.perf_counter() + 2 * _MEASURE_S
    while len(spent_ms[0]) < _LEAST or time.perf_counter() < ends:
        for net, times in zip(nets, spent_ms, strict=True):
            began = time.process_time_ns()
            net.run(*inputs)
            times.append((time.process_time_ns() - began) / 1e6)
    own_ms, float_ms = map(statistics.median, spent_ms)
    return {"float_ms": float_ms, "ratio": own_ms / float_ms}


def together(*names: str) -> dict[str, float]:
    """Memory of a process that has loaded all of them and run each once, runtimes and all."""
    nets = {name: load(store.path(name)) for name in names}
    for name, net in nets.items():
        net.run(*asked(name, net))
    return {"rss_mb": rss_mb()}


def asked(name: str, net: LoadedModel) -> list[Array]:
    """Made-up inputs; pictures as the camera gives them."""
    ports = [Port(p.name, "uint8", p.shape) if len(p.shape) == 4 and p.shape[-1] == 3 else p for p in net.inputs]
    return trial.made_up(ports, trial.declared(name))


def _import_runtime(file: str) -> None:
    if file.endswith(".onnx"):
        if not small_onnx.fits(Path(file)):
            import onnxruntime  # noqa: F401
    else:
        from sensorium_agent.infer.runtime.model import interpreter_type

        interpreter_type()


def _timed(call: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Milliseconds of processor, over all threads, and of wall clock, of each of many calls."""
    cpu_ms, wall_ms = list[float](), list[float]()
    ends = time.perf_counter() + _MEASURE_S
    while len(cpu_ms) < _LEAST or (time.perf_counter() < ends and len(cpu_ms) < _MOST):
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        call()
        cpu_ms.append((time.process_time_ns() - cpu) / 1e6)
        wall_ms.append((time.perf_counter_ns() - wall) / 1e6)
    return cpu_ms, wall_ms


def main(kind: str, *rest: str) -> int:
    """Measure and print."""
    measures: dict[str, Callable[..., dict[str, Any]]] = {"alone": alone, "pair": pair, "together": together}
    sys.stdout.write(json.dumps(measures[kind](*rest)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
