"""What is shown against what is understood, by device and cloud: plays recordings live and prints a table in Markdown.

    python bench/understood.py [RECORDING ...] > docs/understood.md

Without arguments: what `sensorium demo` plays, and the recordings of the tests. Each takes as long as it is. What a
recording shows is in its `recording.toml`, as `[[expect]]`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from sensorium_agent._app.demo import RECORDING, CloudProcess, expectations

TESTS: Final = Path(__file__).parents[1] / "tests" / "recordings"
HEAD: Final = """# Shown and understood

Printed by `python bench/understood.py`. The last two columns have what was said most often meanwhile, and in how many
of the windows (or events) that named anything; bold is not what was expected.
"""
FOOT: Final = """## Known to go wrong

- A spoken command that is part of a written or heard sentence ("stop the music") is told as the bare command ("stop")
  where a window ends between the word and the sentence: the join compares words within one window.
- A heart alone is told as `calm` in one window and as `unsure` in the next where the pulse is read badly: single
  windows have no memory. Episodes do (`proto/sensorium/episode.py`): two windows in a row begin a state, and it
  outlives a gap of five seconds.
- The cloud names a few of the sentences that mean nothing known, where one is like a concept's phrases ("nice weather"
  is taken for a greeting), and 1 in 100 commands told not to be done (`models/cards/fusion.md`).
- What depends on when a window begins differs from run to run, by one window.
"""
Line = dict[str, Any]


def played(recording: Path, target: str, scratch: Path) -> list[Line]:
    """Every line of an agent to which ``recording`` is shown, in the recording's own time."""
    command = [
        sys.executable,
        "-m",
        "sensorium_agent",
        "run",
        "--jsonl",
        "--status",
        "--live",
        "--play",
        str(recording),
    ]
    command += ["--spool", str(scratch / f"spool-{recording.name}"), "--cloud", target]
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    return [json.loads(line) for line in said.stdout.splitlines()]


def by(revision: str, lines: Sequence[Line]) -> list[Line]:
    """What one side says: its symbols, and every event."""
    return [line for line in lines if line["type"] == "event" or line.get("revision") == revision]


def rows(recording: Path, lines: Sequence[Line]) -> Iterator[str]:
    """A line of the table for each thing that is shown."""
    begin = next(line["start_ns"] for line in lines if line["type"] == "start")
    edge, cloud = (expectations(recording, by(side, lines), begin) for side in ("edge", "cloud"))
    for device, service in zip(edge, cloud, strict=True):
        shown, expected = device["note"] or device["label"], f"{device['modality']} `{device['label']}`"
        refined = told(service) if device["modality"] == "symbol" else ""
        yield f"| {device['at_s']:.1f} s | {shown} | {expected} | {told(device)} | {refined} |"


def told(met: Line) -> str:
    """What was understood, and whether that is right."""
    return met["understood"] if met["met"] else f"**{met['understood']}**"


def table(recording: Path, lines: Sequence[Line]) -> str:
    """The recording's table, under its name."""
    name = recording.parent.name if recording.is_file() else recording.name
    head = f"## {name}\n\n| at | shown | expected | device | cloud |\n|---|---|---|---|---|\n"
    return head + "\n".join(rows(recording, lines)) + "\n"


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description="What is shown against what is understood.")
    parser.add_argument("recordings", nargs="*", type=Path, default=[RECORDING, TESTS])
    print(HEAD)
    with tempfile.TemporaryDirectory() as scratch, CloudProcess(Path(scratch)) as cloud:
        for recording in parser.parse_args().recordings:
            print(table(recording, played(recording, cloud.target, Path(scratch))), flush=True)
    print(FOOT, end="")


if __name__ == "__main__":
    main()
