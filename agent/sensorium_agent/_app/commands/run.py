"""`sensorium run`: the agent on its sensors, or on files."""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_agent._app.commands import options

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    parser = commands.add_parser(
        "run",
        help="run the agent on its sensors, or on files",
        description="Run the agent on the configured sensors, or play files through the whole device pipeline.",
    )
    options.add_config(parser)
    options.add_sensors(parser)
    parser.add_argument(
        "--play",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="instead of sensors: images, videos, sound, text, touch, pulse files or recordings, one after another",
    )
    parser.add_argument("--live", action="store_true", help="with --play: in the recording's own time, not at once")
    parser.add_argument("--jsonl", action="store_true", help="print every event, window and symbol as a JSON line")
    parser.add_argument("--status", action="store_true", help="with --jsonl: print status lines and a summary too")
    parser.add_argument("--cloud", metavar="HOST:PORT", help="refine symbols with this fusion service")
    parser.add_argument("--spool", metavar="DIR", help="keep what waits for the cloud here")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the agent; gives the exit code."""
    from sensorium_agent._app import run as running
    from sensorium_agent._app.output import Output

    settings = options.settings(args, needed=not args.play)
    logging.getLogger().setLevel((settings.log.level if not args.jsonl else "warning").upper())
    output = Output(jsonl=args.jsonl, status=args.status)
    if args.play:
        return 1 if asyncio.run(running.play_files(settings, args.play, output, live=args.live)) else 0
    asyncio.run(running.run_live(settings, output))
    return 0
