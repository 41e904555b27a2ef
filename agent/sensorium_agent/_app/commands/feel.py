"""`sensorium feel`: heart rate, skin, arousal and touches in files, as JSON lines."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands

_EPILOG = """files:
  heart and skin (.csv)   columns by name, t_s,ppg,eda_us or rr_ms; docs/body.md says all of it
  a wristband's folder    with BVP.csv, EDA.csv or IBI.csv, as wristbands export them; or one of these files
  touches (.jsonl)        {"t_s": 0.1, "pointer": 0, "phase": "down", "x": 0.5, "y": 0.5} and so on
Each file is another person, whose usual heart and skin are learned as it goes. Arousal is told against that: begin
with a minute or two of rest, or give it with --rest.
"""


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    parser = commands.add_parser(
        "feel",
        help="feel heart, skin and touches in files",
        description="Feel files, and print what they say as JSON lines, as sensorium run does.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what to feel")
    parser.add_argument("--rest", type=Path, metavar="FILE", help="the person of the files at rest, to compare with")
    parser.add_argument(
        "--summary", action="store_true", help="one line a file: median heart rate, mean probability of arousal"
    )
    parser.add_argument("--jsonl", action="store_true", help="print JSON lines: the default, and the only way")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Feel; gives 1 if a file could not be read."""
    from sensorium.lines import writer
    from sensorium_agent._app.files.feel import feel_files

    logging.getLogger().setLevel("WARNING")
    return 1 if feel_files(args.files, args.rest, writer(_to_stdout), summary=args.summary) else 0


def _to_stdout(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
