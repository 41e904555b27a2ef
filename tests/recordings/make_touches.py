"""Makes `touches.jsonl`: one finger on a pad of 60 Hz, with a trembling of 1/500 of its width.

python tests/recordings/make_touches.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

Line = tuple[float, float, float, float, float, float]  # begin and end in s, from x, y to x, y

STROKES: tuple[Line, ...] = (
    (0.5, 0.6, 0.30, 0.40, 0.30, 0.40),  # tap
    (2.0, 2.1, 0.60, 0.50, 0.60, 0.50),  # double tap
    (2.25, 2.33, 0.61, 0.50, 0.61, 0.50),
    (4.0, 4.8, 0.50, 0.30, 0.50, 0.30),  # long press
    (6.0, 6.25, 0.80, 0.50, 0.30, 0.54),  # swipe left
    (8.0, 8.25, 0.20, 0.50, 0.75, 0.47),  # swipe right
    (10.0, 10.2, 0.50, 0.60, 0.53, 0.20),  # swipe up
    (12.0, 12.2, 0.50, 0.15, 0.46, 0.60),  # swipe down
)


def main() -> None:
    """Write the file; the same bytes each time."""
    rng = np.random.default_rng(1)
    lines = []
    for begin, end, x, y, u, v in STROKES:
        count = round((end - begin) * 60) + 1
        for i, share in enumerate(np.linspace(0, 1, count)):
            phase = "down" if i == 0 else "up" if i == count - 1 else "move"
            shake = rng.normal(0, 0.002, 2)
            at = {"x": round(x + share * (u - x) + shake[0], 4), "y": round(y + share * (v - y) + shake[1], 4)}
            lines.append(json.dumps({"t_s": round(begin + i / 60, 4), "pointer": 0, "phase": phase, **at}))
    (Path(__file__).parent / "touches.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
