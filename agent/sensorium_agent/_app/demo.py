"""`sensorium demo`: the cloud service and the agent as two processes, and a window on what they do.

The timeline is fed by the agent's own JSON lines: what it shows, any script can read.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
from rich.console import Console
from rich.live import Live

from sensorium.errors import SensoriumError
from sensorium.settings import SettingsError
from sensorium_agent._app.timeline import Timeline, closing, spoken
from sensorium_agent.capture.recording import open_recording
from sensorium_agent.capture.story import Expect

Line = dict[str, Any]

RECORDING = Path(__file__).parent.parent / "demo" / "recording.toml"
_READY = re.compile(r"ready on (\S+)")
_START_S = 30.0
_SVG_COLUMNS = 130
_DRAW_S = 0.125
_LINES = 100_000
"""Lines kept for the last page: an hour of a busy device."""
_FONT_FACES = re.compile(r"@font-face\s*\{.*?\}\s*", re.DOTALL)


def demo(args: argparse.Namespace) -> int:
    """Run the demo; returns the exit code."""
    outage = _outage(args.outage)
    if args.svg is not None:
        _save(args.svg, "", "a")  # what cannot be written is told now, and not after the last page
    with tempfile.TemporaryDirectory(prefix="sensorium-demo-") as scratch, contextlib.ExitStack() as stack:
        cloud = None if args.no_cloud else stack.enter_context(CloudProcess(Path(scratch)))
        command = _agent_command(args, cloud.target if cloud else None, Path(scratch))
        log = Path(scratch) / "agent.log"
        agent = stack.enter_context(_process(command, log))
        timeline = Timeline("Sensorium · live" if _live(args) else "Sensorium · playing a recording")
        _stop_on_interrupt(agent)
        lines = _watch(agent, timeline, cloud, outage, Console(), plain=args.plain)
        _conclude(lines, timeline, args)
        if agent.wait() != 0:
            raise SensoriumError(_last_line(log).removeprefix("sensorium: "))
    return 0


def _stop_on_interrupt(agent: subprocess.Popen[str]) -> None:
    """The first Ctrl-C ends the agent, and the last page is shown; a second one ends the demo at once."""

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        agent.send_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, stop)


def _live(args: argparse.Namespace) -> bool:
    return any((args.camera, args.microphone, args.text))


def _outage(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", text)
    if not found or float(found[1]) >= float(found[2]):
        raise SettingsError("--outage", "", f"{text}: write FROM-TO in seconds, for example 10-20")
    return float(found[1]), float(found[2])


# --- the two processes -----------------------------------------------------------------


@contextlib.contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[str]]:
    # Its log must not run into the picture.
    with log.open("w") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class CloudProcess:
    """The fusion service on a free port, which it keeps when it is killed and brought back; ``options`` go to it."""

    def __init__(self, scratch: Path, *options: str) -> None:
        self._options = options
        self._state = scratch / "cloud"
        self._log = scratch / "cloud.log"
        self._process: subprocess.Popen[str] | None = None
        self.target = "127.0.0.1:0"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end(subprocess.Popen.kill)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end(subprocess.Popen.terminate)

    def _end(self, how: Callable[[subprocess.Popen[str]], None]) -> None:
        if self._process is None:
            return
        how(self._process)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        port = self.target.rpartition(":")[2]
        command = [sys.executable, "-m", "sensorium_cloud", "serve", "--port", port, "--state", str(self._state)]
        command += self._options
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )
        assert self._process.stdout is not None
        found = _READY.search(self._process.stdout.readline())
        if not found:
            self._process.wait(_START_S)
            raise SensoriumError(f"the cloud service did not start: {_last_line(self._log)}")
        self.target = found[1]

    def kill(self) -> None:
        """End it without a word, as a power cut would."""
        self._end(subprocess.Popen.kill)


def _last_line(path: Path) -> str:
    lines = path.read_text().strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _agent_command(args: argparse.Namespace, target: str | None, scratch: Path) -> list[str]:
    command = [sys.executable, "-m", "sensorium_agent", "run", "--jsonl", "--status", "--spool", str(scratch / "spool")]
    live = [f"--{name}={value}" for name in ("camera", "microphone", "text") if (value := getattr(args, name))]
    command += live or ["--live", "--play", str(args.recording or RECORDING)]
    return command + ([f"--cloud={target}"] if target else [])


# --- watching --------------------------------------------------------------------------


def _watch(
    agent: subprocess.Popen[str],
    timeline: Timeline,
    cloud: CloudProcess | None,
    outage: tuple[float, float] | None,
    console: Console,
    *,
    plain: bool,
) -> list[Line]:
    """Show the agent's lines as they come; returns them, the newest if there are very many."""
    lines: deque[Line] = deque(maxlen=_LINES)
    drawn_s = 0.0
    last: dict[str, str | None] = {}
    with contextlib.ExitStack() as stack:
        draw = None
        if console.is_terminal and not plain:
            draw = stack.enter_context(Live(console=console, auto_refresh=False))
        for line in _with_outage(_lines(agent), timeline, cloud, outage):
            if line is not None:
                lines.append(line)
                timeline.tell(line)
            if draw is not None:
                if time.monotonic() - drawn_s >= _DRAW_S:
                    draw.update(timeline.render(), refresh=True)
                    drawn_s = time.monotonic()
            elif line is not None and (text := _plain(line, timeline, last)):
                console.print(text, highlight=False, markup=False)
        if draw is not None:
            draw.update(timeline.render(), refresh=True)
    return list(lines)


def _lines(agent: subprocess.Popen[str]) -> Iterator[Line | None]:
    """The agent's lines; None every eighth of a second without one."""
    assert agent.stdout is not None
    arrived: queue.Queue[str | None] = queue.Queue()

    def read(stream: Any) -> None:
        for text in stream:
            arrived.put(text)
        arrived.put(None)

    threading.Thread(target=read, args=(agent.stdout,), daemon=True).start()
    while True:
        try:
            text = arrived.get(timeout=0.125)
        except queue.Empty:
            yield None
            continue
        if text is None:
            return
        yield json.loads(text)


def _with_outage(
    lines: Iterator[Line | None], timeline: Timeline, cloud: CloudProcess | None, outage: tuple[float, float] | None
) -> Iterator[Line | None]:
    """The same lines, with the cloud pulled down and brought back on the way."""
    began: float | None = None
    ahead = list(outage) if outage and cloud else []
    for line in lines:
        if line is not None and line["type"] == "start":
            began = time.monotonic()
        if cloud and ahead and began is not None and time.monotonic() - began >= ahead[0]:
            ahead.pop(0)
            if ahead:
                cloud.kill()
                timeline.note("the cloud service was killed")
            else:
                cloud.start()
                timeline.note("the cloud service is back")
        yield line


def _plain(line: Line, timeline: Timeline, last: dict[str, str | None]) -> str | None:
    """One line of text for what a person would want to read: what is new."""
    if line["type"] == "event" and not line["text"]:
        known, last[line["modality"]] = last.get(line["modality"]), line["label"]
        if known == line["label"]:
            return None
    at = (line["at_ns"] - (timeline.start_ns or 0)) / 1e9 if line["at_ns"] is not None else 0.0
    match line["type"]:
        case "event" if line["label"] or line["text"]:
            return f"{at:6.1f}s  {line['modality']:<9} {spoken(line)}"
        case "symbol" if line["label"] is not None:
            answer = f"{line['label']} {line['score']:.0%}  ({line['after_close_ms']} ms)"
            return f"{at:6.1f}s  {line['revision']:>5} => {answer}"
        case "link":
            return f"         {timeline.link}"
        case "sensor" if line["state"] == "down":
            return f"         {timeline.notes[-1]}"
        case _:
            return None


# --- the end ---------------------------------------------------------------------------


def _conclude(lines: list[Line], timeline: Timeline, args: argparse.Namespace) -> None:
    summary = next((line for line in reversed(lines) if line["type"] == "summary"), None)
    if summary is None:
        return
    console = Console(record=args.svg is not None, width=_SVG_COLUMNS if args.svg else None)
    if args.svg is not None:
        console.print(timeline.render())
    met = [] if _live(args) else expectations(args.recording or RECORDING, lines, timeline.start_ns or 0)
    console.print(closing(summary, met))
    if args.svg is not None:
        picture = console.export_svg(title="sensorium demo")
        _save(args.svg, _FONT_FACES.sub("", picture))  # a picture needs nothing from elsewhere


def _save(path: Path, picture: str, mode: str = "w") -> None:
    try:
        with path.open(mode) as file:
            file.write(picture)
    except OSError as error:
        raise SensoriumError(f"--svg: {path}: {error.strerror}; name a file that can be written") from error


def expectations(recording: Path, lines: Sequence[Line], start_ns: int) -> list[Line]:
    """What the recording says a person would see, each with what was understood meanwhile."""
    return [_met(expected, lines, start_ns) for expected in open_recording(recording).expect]


def _words(text: str | None) -> str:
    return re.sub(r"[^\w ]", "", text or "").lower().strip()


def _met(expected: Expect, lines: Sequence[Line], start_ns: int) -> Line:
    since = start_ns + expected.at_s * 1e9
    until = since + expected.for_s * 1e9
    kind = "symbol" if expected.modality == "symbol" else "event"
    meanwhile = [
        line
        for line in lines
        if line["type"] == kind
        and line["at_ns"] <= until
        and (line["end_ns"] if "end_ns" in line else line["at_ns"]) >= since
        and (kind == "symbol" or line["modality"] == expected.modality)
    ]
    heard = [said for line in meanwhile if (said := _words(line.get("text")) or line["label"])]
    met = expected.label in heard or (expected.label == "nothing" and not heard)
    said = expected.label if met else max(set(heard), key=heard.count, default="nothing")
    understood = f"{said} {heard.count(said)}/{len(heard)}" if heard else "nothing"
    shown: Line = msgspec.to_builtins(expected)
    return shown | {"met": met, "understood": understood}
