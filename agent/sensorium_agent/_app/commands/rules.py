"""`sensorium rules`: are the rules good, and what would they do on a recording?"""

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
        "rules",
        help="check a file of rules, or see what they would do on a recording",
        description="Check a file of rules. With --play say what they would do on recordings; nothing is done.",
    )
    options.add_config(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="the rules (TOML; docs/rules.md)")
    parser.add_argument("--play", nargs="+", type=Path, metavar="RECORDING", help="what `sensorium run --play` takes")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check, or rehearse; gives the exit code."""
    from sensorium_agent import rules
    from sensorium_agent._app import knowledge
    from sensorium_agent._app.rehearsal import rehearse

    settings = options.settings(args, needed=False)
    vocabulary = knowledge.vocabulary(settings)
    read = rules.read(args.file, vocabulary)
    if not args.play:
        print(f"{args.file}: {len(read.rule)} rules, all good")
        return 0
    return 1 if rehearse(read, args.play, settings, vocabulary, print) else 0
