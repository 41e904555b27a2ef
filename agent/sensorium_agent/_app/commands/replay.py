"""`sensorium replay`: a recorded session once more, at any speed, with faults if asked for."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_agent._app.commands import options

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands

_EPILOG = """faults, separated by commas (docs/replay.md); SENSE is a sense or all; times are from the session's start:
  clock-step=+3600s@10s    drop=audio:5%          delay=video:300ms      jitter=gesture:80ms
  stall=audio:2s@10s       duplicate=gesture:2%   reorder=haptic:10%     skew=biometric:+100ppm
  disconnect=biometric@5s-8s
"""


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    parser = commands.add_parser(
        "replay",
        help="take a recorded session again, at any speed, with faults if asked for",
        description="Take recorded sessions again. Their windows are the same, byte by byte, at any speed; the summary "
        "says their hash, and how many are as recorded.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.mcap", help="what sensorium record has made")
    parser.add_argument(
        "--from",
        dest="source",
        choices=("events", "samples"),
        default="events",
        help="what was understood then (the default), or the samples through today's perceivers",
    )
    parser.add_argument(
        "--speed", type=_speed, metavar="X", help="X times as fast as it happened (default: max, as fast as it goes)"
    )
    parser.add_argument(
        "--inject", metavar="SPEC", default="", help="faults, for example drop=audio:5%%,delay=video:300ms"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the faults' dice (default: 0)")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="with its windows and concepts, not the recorded ones"
    )
    parser.add_argument("--jsonl", action="store_true", help="print every event, window and symbol as a JSON line")
    parser.set_defaults(run=run)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no speed: write max, or a number above 0, for example 4")
    return speed


def run(args: argparse.Namespace) -> int:
    """Replay; gives 1 if a file could not be."""
    from sensorium_agent._app import replay
    from sensorium_agent._app.output import Output
    from sensorium_agent.record.faults import parse

    settings = options.settings(args, needed=False) if args.config else None
    wish = replay.Wish(args.source, args.speed, parse(args.inject), args.seed, settings)
    return 1 if replay.replay_files(args.files, wish, Output(jsonl=args.jsonl, status=True)) else 0
