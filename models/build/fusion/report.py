"""The model card: what was measured, in words and in two pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from models.build.fusion.dataset import Bools, Doubles
from models.build.fusion.exam import Row


def reliability_picture(path: Path, sure: Doubles, right: Bools, title: str, bins: int = 10) -> None:
    """How often answers of some confidence are right, and how many there are, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5.5), layout="constrained")
    diagram, counts = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    place = np.minimum((sure * bins).astype(int), bins - 1)
    used = np.unique(place)
    share, mean = ([float(x[place == b].mean()) for b in used] for x in (right, sure))
    number = np.array([(place == b).sum() for b in used])
    error = 1.96 * np.sqrt(np.maximum(np.array(share) * (1 - np.array(share)), 0.25 / number) / number)
    diagram.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    diagram.errorbar(mean, share, yerr=np.minimum(error, 1), fmt="o", capsize=3)
    diagram.set(ylabel="share right", xlim=(0, 1), ylim=(0, 1.02), title=title)
    counts.bar((used + 0.5) / bins, number, width=0.9 / bins)
    counts.set(xlabel="confidence", ylabel="clips", yscale="log")
    figure.savefig(path, dpi=120)


def robustness_picture(path: Path, rows: Sequence[Row], title: str) -> None:
    """The missing and noisy conditions as a table with bars, as a PNG."""
    from matplotlib.figure import Figure

    shown = [r for r in rows if any(word in r.name for word in ("all senses", "without", "alone", "noise", "missing"))]
    figure = Figure(figsize=(7, 0.8 + 0.34 * len(shown)), layout="constrained")
    axes = figure.subplots()
    values = np.array([r.value for r in shown])
    spans = np.maximum(np.array([[r.value - r.low for r in shown], [r.high - r.value for r in shown]]), 0)
    axes.barh(range(len(shown)), values, xerr=spans, color="#4c78a8", ecolor="0.3", capsize=2)
    axes.set_yticks(range(len(shown)), [r.name for r in shown])
    for place, row in enumerate(shown):
        axes.text(0.01, place, f"{row.value:.3f}", va="center", color="white", fontsize=9)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share right, with its 95 % interval", title=title)
    figure.savefig(path, dpi=120)


def write_card(
    folder: Path, about: Mapping[str, Any], tables: Mapping[str, Sequence[Row]], notes: Sequence[str]
) -> None:
    """card.md: what the model is, every figure, every warning."""
    lines = [f"# A fusion of {', '.join(about['modalities'])}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {_told(value)} |" for name, value in about.items()]
    for title, rows in tables.items():
        lines += ["", f"## {title}", "", "| | mean | 95 % interval over clips | +- over seeds |", "|---|---|---|---|"]
        lines += [f"| {r.name} | {r.value:.3f} | {r.low:.3f} to {r.high:.3f} | {r.spread:.3f} |" for r in rows]
    lines += ["", "![confidence against truth](reliability.png)", "", "![missing and noisy senses](robustness.png)", ""]
    if notes:
        lines += ["## Know this", "", *(f"- {note}" for note in notes), ""]
    (folder / "card.md").write_text("\n".join(lines), encoding="utf-8")


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} [{width}]" for name, width in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
