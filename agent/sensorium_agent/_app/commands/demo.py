"""`sensorium demo`: watch a device understand a real recording."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_agent._app.commands import options

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    parser = commands.add_parser(
        "demo",
        help="watch a device understand a real recording, with a cloud service beside it",
        description="Starts the cloud service and the agent on this machine and shows what they understand.",
    )
    options.add_sensors(parser)
    parser.add_argument("--recording", type=Path, metavar="FILE", help="play this instead of the built-in recording")
    parser.add_argument("--no-cloud", action="store_true", help="the device alone")
    parser.add_argument(
        "--outage", metavar="FROM-TO", help="kill the cloud service FROM seconds in, bring it back at TO (e.g. 10-20)"
    )
    parser.add_argument(
        "--plain", action="store_true", help="print lines instead of drawing (also if this is no terminal)"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="save the last picture of the timeline")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo; gives the exit code."""
    from sensorium_agent._app.demo import demo

    return demo(args)
