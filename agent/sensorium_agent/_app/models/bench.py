"""`sensorium models bench`: what each model costs, and all of them together; every figure from a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sensorium.errors import SensoriumError
from sensorium_agent.infer.runtime.accelerate import Accelerator
from sensorium_models import media, store
from sensorium_models.manifest import Model
from sensorium_models.store import State

_BARE: Final = "print(open('/proc/self/status').read().partition('VmRSS:')[2].split()[0])"
_SAMPLES: Final = {"hand": "opencv-doc/handSrc.jpg", "speech": "pocketsphinx/cards/001.wav"}
"""What the cold start is measured with: the device's models of video and of audio, each to its first event."""
_STARTS: Final = 3
_WIDTH: Final = 130


class BenchFailed(SensoriumError):
    """A measurement could not be made."""


@dataclass(frozen=True, slots=True)
class Row:
    """One model with a number of threads.

    Attributes:
        size_mb: on disk.
        load_ms: from the file to the first answer, its runtime being imported.
        rss_mb: added by loading and running it.
        cpu_p50_ms, cpu_p99_ms: processor time of a run, over all threads.
        float_name, float_ms, ratio: its float twin, run in turns with it: that one's time of a run, and ours by it.
        float_missing: why there is nothing to compare with.
    """

    name: str
    threads: int
    runs_on: str
    size_mb: float
    load_ms: float
    rss_mb: float
    cpu_p50_ms: float
    cpu_p99_ms: float
    wall_p50_ms: float
    wall_p99_ms: float
    float_name: str = ""
    float_ms: float | None = None
    ratio: float | None = None
    float_missing: str = ""


@dataclass(frozen=True, slots=True)
class Total:
    """All models of the device together; None where it could not be measured.

    Attributes:
        disk_mb: of their files, and of the tables in which taught signs are compared.
        rss_mb: of a process with all of them, over the bare interpreter's.
        first_event_s: from the command to the first event, a start a sample, the median of several.
    """

    models: int
    disk_mb: float
    rss_mb: float
    bare_rss_mb: float
    first_event_s: dict[str, float]
    not_measured: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that was measured."""

    rows: tuple[Row, ...]
    total: Total | None
    lacking: tuple[str, ...]


def measure(names: Sequence[str], threads: Sequence[int], accelerator: str, *, progress: bool = False) -> Found:
    """Measure the named models, or all of the device and then their total.

    Raises:
        SensoriumError: there is no such model or accelerator, or a measurement failed.
    """
    setting = str(Accelerator.parse(accelerator))
    states = store.verify(names or None, purpose="agent") if not names else store.verify(names)
    here = [state for state in states if state.standing == "ok" and state.path.suffix in {".tflite", ".onnx"}]
    lacking = tuple(f"{s.name} is {s.standing}: sensorium models fetch" for s in states if s.standing != "ok")
    rows = []
    for state in here:
        for count in threads:
            _tell(f"{state.name}, {count} threads", progress)
            rows.append(_row(state, count, setting))
    total = None if names or lacking else _total(here, {state.path for state in states}, progress)
    _tell("", progress)
    return Found(tuple(rows), total, lacking)


def _row(state: State, threads: int, accelerator: str) -> Row:
    model = store.entry(state.name)
    own = _probe("alone", state.name, str(state.path), str(threads), accelerator)
    own.pop("runs")
    twin, missing = _float_twin(model, state)
    against: dict[str, Any] = {}
    if twin is not None:
        compared = _probe("pair", state.name, str(state.path), str(store.place(twin)), str(threads), accelerator)
        against = {"float_name": twin.name, **compared}
    size_mb = state.path.stat().st_size / 1e6
    return Row(state.name, threads, size_mb=size_mb, **own, **against, float_missing=missing)


def _float_twin(model: Model, state: State) -> tuple[Model | None, str]:
    """The published model it was quantized from, or why there is none to compare with."""
    if not model.source:
        return None, "runs as published" if model.package else "no float is kept: trained and quantized at once"
    twin = store.entry(model.source)
    if store.check_shipped(twin).standing != "ok":
        return None, f"float not here: sensorium models fetch {twin.name}"
    if store.place(twin) == state.path:
        return None, f"{twin.name} itself runs in its place"
    return (twin, "") if twin.suffix in {".tflite", ".onnx"} else (None, f"made from {twin.suffix}")


def _total(here: Sequence[State], files: Collection[Path], progress: bool) -> Total:
    """What the networks ``here`` cost together; ``files`` are all that a device keeps, tables for taught signs too."""
    _tell("all together", progress)
    bare_mb = int(_run([sys.executable, "-c", _BARE])) / 1024
    rss_mb = float(_probe("together", *(state.name for state in here))["rss_mb"])
    starts, missing = dict[str, float](), []
    for kind, sample in _SAMPLES.items():
        _tell(f"cold start, {kind}", progress)
        try:
            path = media.path(sample)
            starts[kind] = sorted(_first_event_s(path) for _ in range(_STARTS))[_STARTS // 2]
        except SensoriumError as error:
            missing.append(f"cold start with {kind} not measured: {error}")
    disk_mb = sum(file.stat().st_size for file in files) / 1e6
    return Total(len(here), disk_mb, rss_mb - bare_mb, bare_mb, starts, "; ".join(missing))


def _first_event_s(path: Path) -> float:
    """From the command line to the first event's line."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "sensorium_agent", "run", "--play", str(path), "--jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as agent:  # noqa: S603
        assert agent.stdout is not None
        for line in agent.stdout:
            said = json.loads(line)
            if said["type"] == "event" and said["modality"] != "video":
                spent = time.perf_counter() - began
                agent.kill()
                return spent
    raise BenchFailed(f"{path}: no event came; sensorium run --play {path} says more")


def _probe(*arguments: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(_run([sys.executable, "-m", "sensorium_agent._app.models.probe", *arguments]))
    return said


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)  # noqa: S603
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise BenchFailed(f"{' '.join(command[3:5])}: {why}")
    return done.stdout.splitlines()[-1]


def _tell(what: str, progress: bool) -> None:
    if progress:
        sys.stderr.write(f"\r\033[K{'measuring ' + what if what else ''}")
        sys.stderr.flush()


# --- for people --------------------------------------------------------------------------


def show(found: Found) -> None:
    """Print a table and, below it, what all of them cost against what is wanted."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        caption="CPU: processor time of a run over all threads; float: what it was made from, run in turns with it"
    )
    for title in ("model", "threads", "MB", "load ms", "RSS MB", "CPU p50", "p99 ms", "wall p50", "p99 ms", "float ms"):
        table.add_column(title, justify="left" if title == "model" else "right", no_wrap=True)
    table.add_column("ours/float", justify="right")
    for row in found.rows:
        table.add_row(*_cells(row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)  # a file has no edge to fit into
    console.print(table)
    for note in dict.fromkeys(f"{row.name}: {row.float_missing}" for row in found.rows if row.float_missing):
        console.print(note, highlight=False)
    for lack in found.lacking:
        console.print(lack, highlight=False)
    if found.total is not None:
        for line in total_lines(found.total):
            console.print(line, highlight=False)


def _cells(row: Row) -> list[str]:
    numbers = (row.cpu_p50_ms, row.cpu_p99_ms, row.wall_p50_ms, row.wall_p99_ms)
    against = ["", ""]
    if row.ratio is not None and row.float_ms is not None:
        against = [f"{row.float_ms:.3f}", f"{row.ratio:.2f}"]
    sizes = [str(row.threads), f"{row.size_mb:.2f}", f"{row.load_ms:.1f}", f"{row.rss_mb:.1f}"]
    return [row.name, *sizes, *(f"{ms:.3f}" for ms in numbers), *against]


def total_lines(total: Total) -> list[str]:
    """All together, each figure with what is wanted of it."""
    starts = ", ".join(f"{kind} {seconds:.2f}" for kind, seconds in total.first_event_s.items())
    lines = [
        f"all {total.models} models of the device: {total.disk_mb:.2f} MB on disk   (wanted: under 12)",
        f"RSS with all of them: {total.rss_mb:.1f} MB over a bare interpreter   (wanted: under 90)",
    ]
    if starts:
        lines.append(f"from the command to the first event, s: {starts}   (wanted: under 2)")
    return [*lines, *([total.not_measured] if total.not_measured else [])]
