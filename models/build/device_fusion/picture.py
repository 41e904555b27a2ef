"""A reliability diagram as SVG: how often answers of some confidence are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

Curve = Sequence[tuple[float, float, int]]
"""Mean confidence, share right, how many."""

_SIDE: Final = 320
_MARGIN: Final = 46
_COLOURS: Final = ("#c44e52", "#4c72b0", "#55a868")


def reliability(curves: Mapping[str, Curve], title: str) -> str:
    """The diagram; a dot's area says how many answers it stands for."""
    full = _SIDE + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full} {full}" font-family="sans-serif" font-size="12">',
        f'<rect width="{full}" height="{full}" fill="white"/>',
        f'<text x="{full / 2}" y="24" text-anchor="middle" font-size="14">{title}</text>',
        *_axes(),
    ]
    for number, (name, curve) in enumerate(curves.items()):
        parts += _curve(name, curve, _COLOURS[number % len(_COLOURS)], number)
    return "\n".join([*parts, "</svg>", ""])


def _axes() -> list[str]:
    low, high = _MARGIN, _MARGIN + _SIDE
    parts = [
        f'<rect x="{low}" y="{low}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#888"/>',
        f'<line x1="{low}" y1="{high}" x2="{high}" y2="{low}" stroke="#bbb" stroke-dasharray="4"/>',
        f'<text x="{(low + high) / 2}" y="{high + 36}" text-anchor="middle">confidence of the best answer</text>',
        f'<text transform="translate(14 {(low + high) / 2}) rotate(-90)" text-anchor="middle">share right</text>',
    ]
    for tenth in range(0, 11, 2):
        x, y = _place(tenth / 10, tenth / 10)
        parts.append(f'<text x="{x:.0f}" y="{high + 16}" text-anchor="middle">{tenth / 10:g}</text>')
        parts.append(f'<text x="{low - 6}" y="{y + 4:.0f}" text-anchor="end">{tenth / 10:g}</text>')
    return parts


def _curve(name: str, curve: Curve, colour: str, number: int) -> list[str]:
    points = [_place(sure, right) for sure, right, _ in curve]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    total = sum(count for *_, count in curve)
    x, y = _MARGIN + 10, _MARGIN + 18 + 18 * number
    return [
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
        *(
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{2 + 14 * (count / total) ** 0.5:.1f}" fill="{colour}" '
            f'fill-opacity="0.45"/>'
            for (px, py), (*_, count) in zip(points, curve, strict=True)
        ),
        f'<circle cx="{x}" cy="{y - 4}" r="5" fill="{colour}"/><text x="{x + 10}" y="{y}">{name}</text>',
    ]


def _place(sure: float, right: float) -> tuple[float, float]:
    return _MARGIN + sure * _SIDE, _MARGIN + (1 - right) * _SIDE
