"""`sensorium doctor`: what this machine has, and how to mend what is missing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sensorium_agent._app.commands import options

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    parser = commands.add_parser("doctor", help="check what this machine has, and say how to mend what is missing")
    options.add_config(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings; gives 1 if something does not work."""
    from sensorium_agent._app.doctor.check import check
    from sensorium_agent._app.doctor.result import render

    results = check(options.settings(args, needed=True))
    print(render(results))
    return 1 if any(result.state == "fail" for result in results) else 0
