"""`sensorium devices`: the cameras, microphones and touch pads found here."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    parser = commands.add_parser("devices", help="list the cameras, microphones and touch pads found here")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:  # noqa: ARG001
    """Print what was found; gives the exit code."""
    from sensorium_agent._app import devices

    print(devices.render(devices.find()))
    return 0
