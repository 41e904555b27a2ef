"""`sensorium teach`: show the agent a stroke of your own by examples, and it will know it again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_agent._app.commands import options

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands
    from sensorium_agent.infer.touch import Strokes


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    parser = commands.add_parser("teach", help="teach a stroke of your own by examples")
    parser.add_argument("name", nargs="?", metavar="NAME", help="what it is called, for example check_mark")
    parser.add_argument("--modality", choices=["haptic"], default="haptic", help="the sense (default: haptic)")
    parser.add_argument(
        "--from", dest="examples", nargs="+", type=Path, default=[], metavar="FILE", help="touch files (.jsonl)"
    )
    parser.add_argument("--forget", action="store_true", help="drop every example of NAME instead")
    parser.add_argument("--export", type=Path, metavar="FILE", help="copy all that was taught into a file")
    options.add_config(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Teach, forget or export, then say what is known; gives the exit code."""
    from sensorium_agent.infer.touch.taught import StrokesError, read, write

    path = options.settings(args, needed=True).strokes_file
    strokes, failed = read(path), False
    if args.name and args.forget:
        if not strokes.forget(args.name):
            raise StrokesError(f"{args.name}: nobody taught it; known are: {', '.join(strokes.names) or 'none'}")
        write(path, strokes)
    elif args.name:
        failed = _teach(strokes, args.name, args.examples)
        write(path, strokes)
    if args.export:
        write(args.export, strokes)
    for name, count in strokes.names.items():
        print(f"{name}\t{count} example{'s' if count > 1 else ''}")
    return int(failed)


def _teach(strokes: Strokes, name: str, files: list[Path]) -> bool:
    """Learn every stroke of ``files``; one that cannot be read takes nothing from the others."""
    from sensorium.errors import SensoriumError
    from sensorium.event import Modality
    from sensorium_agent.capture.recording import RecordingError, open_recording
    from sensorium_agent.infer.touch.perceive import drawings
    from sensorium_agent.infer.touch.taught import StrokesError

    if not files:
        raise StrokesError(f"{name}: name the files to learn from, with --from FILE...")
    failed = False
    for file in files:
        try:
            found = drawings(s for s in open_recording(file).samples() if s.modality is Modality.HAPTIC)
            if not found:
                raise RecordingError(f"{file}: no finger moves in it; see docs/recording.md")
            for paths in found:
                strokes.teach(name, paths)
        except SensoriumError as error:
            print(error, file=sys.stderr)
            failed = True
    return failed
