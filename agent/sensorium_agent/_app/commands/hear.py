"""`sensorium hear`: speech, wake words and commands in sound files, as JSON lines and as a drawing."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_agent._app.commands import options

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands

_EPILOG = """files: .wav .flac .ogg .mp3 .aiff ... of any rate and channels; .raw (16 kHz, 16 bit, mono); recording.toml
Every event's metadata has snr_db, level_dbfs and clipped (a share). A file in which nothing is known gives one line
with label null and "heard": "silence" (below -60 dBFS) or "noise" in its metadata.
"""


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    parser = commands.add_parser(
        "hear",
        help="listen for speech, wake words and spoken commands in sound files",
        description="Listen to files, and print what is heard as JSON lines, as sensorium run does.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what to listen to")
    parser.add_argument("--overlay", type=Path, metavar="OUT.png", help="draw what was heard, file under file")
    parser.add_argument("--jsonl", action="store_true", help="print JSON lines: the default, and the only way")
    parser.add_argument("--threshold", type=options.share, metavar="P", help="probability from which a keyword counts")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Listen; gives 1 if a file could not be read."""
    from sensorium.lines import writer
    from sensorium_agent._app import knowledge
    from sensorium_agent._app.files.hear import hear_files
    from sensorium_agent._app.files.sound_sheet import SoundSheet
    from sensorium_agent._app.settings import Settings
    from sensorium_agent.infer.sound.keyword import THRESHOLD, Listening

    logging.getLogger().setLevel("WARNING")
    sheet = SoundSheet() if args.overlay else None
    listening = Listening(threshold=THRESHOLD if args.threshold is None else args.threshold)
    failed = hear_files(args.files, listening, writer(_to_stdout), sheet, taught=knowledge.taught(Settings()))
    if sheet is not None:
        sheet.save(args.overlay)
    return 1 if failed else 0


def _to_stdout(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
