"""`sensorium see`: the hands in pictures, videos and measured joints, as JSON lines and as a drawing."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands

_EPILOG = """files:
  pictures (.jpg .png .webp ...)  one line each: the gesture, or label null; "hands" 0 where there is none
  videos (.mp4 .avi .mkv ...)     a line for each picture with a hand, and for each movement
  measured joints (.npz .npy)     a line for each row of x [n, 21, 2 or 3] (x right, y down, depth), "index" in metadata
"""


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    parser = commands.add_parser(
        "see",
        help="look for hands in pictures, videos or measured joints",
        description="Look for hands in files, and print what they say as JSON lines, as sensorium run does.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what to look at")
    parser.add_argument("--overlay", type=Path, metavar="OUT.png", help="draw what was seen, several on one sheet")
    parser.add_argument("--jsonl", action="store_true", help="print JSON lines: the default, and the only way")
    parser.add_argument("--threads", type=_threads, default=1, metavar="N", help="of each model (default: 1)")
    parser.set_defaults(run=run)


def _threads(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of threads: write 1 to 64")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Look; gives 1 if a file could not be read."""
    from sensorium_agent._app import knowledge
    from sensorium_agent._app.files.see import print_line, see_files
    from sensorium_agent._app.files.sketch import Sheet
    from sensorium_agent._app.settings import Settings
    from sensorium_agent.infer.lanes import shelf

    logging.getLogger().setLevel("WARNING")
    sheet = Sheet() if args.overlay else None
    failed = see_files(args.files, shelf(args.threads), print_line, sheet, knowledge.taught(Settings()))
    if sheet is not None:
        sheet.save(args.overlay)
    return 1 if failed else 0
