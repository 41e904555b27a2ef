"""`sensorium validate`: is a settings file good, and what may stand in one?"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    parser = commands.add_parser("validate", help="check a settings file, or print their JSON Schema")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the settings file to check")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of settings files instead")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the file, or print the schema; gives the exit code."""
    from sensorium.settings import SettingsError, schema
    from sensorium_agent._app import settings

    if args.schema:
        print(json.dumps(schema(settings.Settings), indent=2))
        return 0
    if args.file is None:
        raise SettingsError("validate", "", "name a settings FILE, or ask for --schema")
    found = settings.read(args.file, os.environ)
    if found.microphone is not None and found.microphone.grammar:
        from sensorium_agent.infer.sound.grammar import Recognizer

        Recognizer(found.microphone.grammar)
    print(f"{args.file}: good")
    return 0
