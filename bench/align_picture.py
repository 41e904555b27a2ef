"""Draws the curves of `bench/align.py`: how complete windows are at which delay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean
from xml.sax.saxutils import escape

WIDE, HIGH, LEFT, TOP, APART = 340, 240, 60, 60, 60
LONGEST_MS = 700
KINDS = (
    ("ours", "Sensorium, by cap_ms", "#0b6e4f"),
    ("event_clock", "bytewax EventClock, by wait", "#c05621"),
    ("input_aligner", "ROS 2 InputAligner, by timeout", "#5a67d8"),
)


def drawn(found: Mapping[str, object], caps_ms: Sequence[int]) -> str:
    """An SVG with one panel for each scenario."""
    width, height = LEFT + len(found) * (WIDE + APART), TOP + HIGH + 110
    style = "text{font:13px sans-serif;fill:#333}.small{font-size:11px;fill:#666}.title{font-weight:bold}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>',
        *(f'<g transform="translate({LEFT + n * (WIDE + APART)} {TOP})">{panel(name, curves, caps_ms)}</g>'
          for n, (name, curves) in enumerate(found.items())),
        *legend(height - 26),
        "</svg>",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def panel(name: str, curves: object, caps_ms: Sequence[int]) -> str:
    return "".join([
        f'<text class="title" x="0" y="-16">{escape(name)}</text>',
        *axes(),
        *(line(getattr(curves, kind), colour, caps_ms if kind == "ours" else ()) for kind, _, colour in KINDS),
    ])  # fmt: skip


def axes() -> Iterable[str]:
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = HIGH * (1 - share)
        yield f'<path d="M0 {y:.1f}H{WIDE}" stroke="#ddd"/>'
        yield f'<text class="small" x="-8" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>'
    for delay in range(0, LONGEST_MS + 1, 100):
        yield f'<text class="small" x="{across(delay):.1f}" y="{HIGH + 18}" text-anchor="middle">{delay}</text>'
    yield f'<text class="small" x="{WIDE / 2}" y="{HIGH + 36}" text-anchor="middle">'
    yield "delay after their end that 95 % of windows stay under, ms</text>"
    yield f'<text class="small" transform="translate(-46 {HIGH / 2}) rotate(-90)" text-anchor="middle">'
    yield "complete windows</text>"


def line(settings: Sequence[Sequence[object]], colour: str, names: Sequence[int]) -> str:
    points = [(mean(h.p95_ms for h in row), mean(h.complete for h in row)) for row in settings]
    points = [(across(delay), HIGH * (1 - complete)) for delay, complete in points if delay <= LONGEST_MS]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    labels, last = "", float(-LEFT)
    for name, (x, y) in zip(names, points, strict=False):
        if y < HIGH - 20 and x - last > 24:
            labels, last = (
                labels + f'<text class="small" x="{x - 6:.1f}" y="{y - 7:.1f}" text-anchor="end">{name}</text>',
                x,
            )
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}{labels}'


def across(delay_ms: float) -> float:
    return WIDE * delay_ms / LONGEST_MS


def legend(y: int) -> Iterable[str]:
    for number, (_, name, colour) in enumerate(KINDS):
        x = LEFT + number * 250
        yield f'<rect x="{x}" y="{y - 10}" width="18" height="4" fill="{colour}"/>'
        yield f'<text x="{x + 26}" y="{y}">{escape(name)}</text>'
