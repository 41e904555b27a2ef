"""The live timeline: what JSON lines look like to a person.

`Timeline` is told lines and draws itself; it knows no process and no clock.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sensorium.event import Modality

Line = dict[str, Any]

_ROWS = 12
_KEPT = 600
"""Windows kept, five minutes of them, of which the last ones in which anything was there are shown."""
_MARK = {"present": ("●", "green"), "late": ("◐", "yellow"), "stale": ("○", "dim"), "absent": ("·", "dim")}
_SHORT = {m: m.value[:7] for m in Modality}


class Timeline:
    """The last windows with their answers, and the counts so far."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.windows: OrderedDict[str, Line] = OrderedDict()
        self.edge: dict[str, Line] = {}
        self.cloud: dict[str, Line] = {}
        self.events: Counter[str] = Counter()
        self.said: dict[str, str] = {}
        self.notes: list[str] = []
        self.link = "no cloud"
        self.start_ns: int | None = None
        self.refined_to = 0  # the cloud answers in order: an older window without an answer was not sent

    def tell(self, line: Line) -> None:
        """Take one line in."""
        match line["type"]:
            case "event":
                self.events[line["modality"]] += 1
                self.said[line["modality"]] = spoken(line)
            case "window":
                self.windows[line["id"]] = line
                if len(self.windows) > _KEPT:
                    oldest, _ = self.windows.popitem(last=False)
                    self.edge.pop(oldest, None)
                    self.cloud.pop(oldest, None)
            case "symbol":
                (self.cloud if line["revision"] == "cloud" else self.edge)[line["id"]] = line
                if line["revision"] == "cloud":
                    self.refined_to = max(self.refined_to, line["start_ns"])
            case "link":
                self.link = "cloud up" if line["up"] else "cloud away: answering alone"
                self.note(self.link)
            case "sensor" if line["state"] == "down":
                self.note(f"{line['name']} is down: {line['detail']}")
            case "start":
                self.start_ns = line["start_ns"]

    def note(self, text: str) -> None:
        """Add a remark; the last three are shown."""
        self.notes = [*self.notes[-2:], text]

    # --- drawing ------------------------------------------------------------------------

    def render(self) -> RenderableType:
        """The whole picture."""
        return Group(self._senses(), self._table(), *(Text(f"  {n}", style="yellow") for n in self.notes))

    def _senses(self) -> Panel:
        grid = Table.grid(padding=(0, 2), expand=True)
        for _ in Modality:
            grid.add_column(ratio=1)
        grid.add_row(*(Text(f"{m} {self.events[m]}", style="bold" if self.events[m] else "dim") for m in Modality))
        grid.add_row(*(Text(self.said.get(m, ""), style="cyan", no_wrap=True, overflow="ellipsis") for m in Modality))
        return Panel(grid, title=f"{self.title} · {self.link}", subtitle="events per modality, and the last one")

    def _table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
        table.add_column("at", justify="right", width=7)
        for modality in Modality:
            table.add_column(_SHORT[modality], justify="center", width=7)
        table.add_column("device", ratio=3, no_wrap=True)
        table.add_column("ms", justify="right", width=6)
        table.add_column("cloud", ratio=3, no_wrap=True)
        table.add_column("ms", justify="right", width=6)
        for window in self.shown():
            table.add_row(*self._row(window))
        return table

    def shown(self) -> list[Line]:
        """The last windows in which anything was there."""
        told = [w for w in self.windows.values() if w["score"] > 0]
        return told[-_ROWS:]

    def _row(self, window: Line) -> list[RenderableType]:
        marks: list[RenderableType] = [
            Text(*_MARK[window["slots"][m]["presence"]]) if m in window["slots"] else Text("") for m in Modality
        ]
        edge, cloud = self.edge.get(window["id"]), self.cloud.get(window["id"])
        if cloud is None and self.refined_to > window["start_ns"]:
            return [*self._begins(window), *marks, *_answer(edge), Text("stays here", style="dim"), Text("")]
        return [*self._begins(window), *marks, *_answer(edge), *_answer(cloud)]

    def _begins(self, window: Line) -> list[RenderableType]:
        return [f"{(window['start_ns'] - (self.start_ns or 0)) / 1e9:.1f}s"]


def spoken(line: Line) -> str:
    """An event in a few words."""
    if line["text"]:
        return f"“{line['text']}”"
    if "bpm" in line["metadata"]:
        return f"{line['metadata']['bpm']} bpm"
    if line["label"]:
        return f"{line['label']} {line['score']:.0%}"
    return f"keyframe {line['media_bytes']} B" if line["media_bytes"] else "something"


def _answer(symbol: Line | None) -> tuple[RenderableType, RenderableType]:
    if symbol is None:
        return Text("…", style="dim"), Text("")
    ms = "" if symbol["after_close_ms"] is None else f"{symbol['after_close_ms']:.1f}"
    if symbol["label"] is None:
        return Text(f"({symbol['abstained']})", style="dim"), Text(ms, style="dim")
    return Text(f"{symbol['label']} {symbol['score']:.0%}", style="bold green"), Text(ms)


def closing(summary: Line, expectations: list[Line]) -> RenderableType:
    """The last page: what was shown against what was understood, counts, times and bytes."""
    parts: list[RenderableType] = []
    if expectations:
        parts.append(_shown_table(expectations))
    stages = Table("stage", "n", "p50 ms", "p99 ms", "max ms", box=box.SIMPLE_HEAD, title="Time by stage")
    for name, times in summary["stages_ms"].items():
        stages.add_row(name, str(times["count"]), *(f"{times[k]:.2f}" for k in ("p50", "p99", "max")))
    captured, sent = sum(summary["captured_bytes"].values()), sum(summary.get("sent_bytes", {}).values())
    parts += [
        stages,
        Text(
            f"{summary['windows']} windows, {summary['symbols']['edge']} symbols from the device, "
            f"{summary['symbols']['cloud']} refined by the cloud"
        ),
        Text(f"captured {captured / 1e6:.1f} MB, sent {sent / 1e3:.1f} kB ({sent / max(captured, 1):.3%})"),
    ]
    return Group(*parts)


def _shown_table(expectations: list[Line]) -> Table:
    table = Table("at", "modality", "expected", "understood", "", "what was shown", box=box.SIMPLE_HEAD)
    table.title = "Shown and understood"
    for e in expectations:
        mark = Text("✓", style="green") if e["met"] else Text("✗", style="red")
        words = (Text(e[key]) for key in ("modality", "label", "understood"))
        table.add_row(f"{e['at_s']:.1f}s", *words, mark, Text(e["note"]))
    return table
