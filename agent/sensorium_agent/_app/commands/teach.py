"""`sensorium teach`: show the agent a sign of your own by examples, and it will know it again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_agent._app.commands import options

if TYPE_CHECKING:
    from sensorium.event import Modality
    from sensorium_agent._app.commands import Commands
    from sensorium_agent._app.lessons import Wish

_EPILOG = """files to learn from:
  gesture  photos (one example each), videos, measured joints (.npz), or the word: camera
           with --moving the way the hand goes: videos, or camera
  haptic   touch files (.jsonl), an example for each stroke
  audio    recordings (WAV) of a word, a phrase, a clap, with pauses between, or the word: microphone
           with --wake it calls the device, as a wake word does
  text     sentences, one a line, in files or standard input (-); or give them with --say

NAME stands for the concept of this name, a new one if there is none; --as names another. See docs/teach.md.
"""


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    parser = commands.add_parser(
        "teach",
        help="teach a gesture, a word, a sound, a stroke or sentences of your own by examples",
        description="Teach a sign of your own by examples; without NAME, list what was taught.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="what it is called, for example check_mark")
    parser.add_argument(
        "--modality", choices=["audio", "gesture", "haptic", "text"], help="the sense (default: haptic)"
    )
    parser.add_argument(
        "--from", dest="sources", nargs="+", default=[], metavar="FILE", help='files, or "camera" or "microphone"'
    )
    parser.add_argument("--examples", type=_count, metavar="N", help="of each file, or live: at most so many (5)")
    parser.add_argument("--moving", action="store_true", help="the gesture is the way the hand goes")
    parser.add_argument("--wake", action="store_true", help="the sound calls the device: commands count after it")
    parser.add_argument("--as", dest="concept", metavar="CONCEPT", help="what it stands for, known or new")
    parser.add_argument("--means", default="", metavar="SENTENCE", help="what that means")
    parser.add_argument("--say", nargs="+", default=[], metavar="WORDS", help="what one may say for it")
    parser.add_argument("--forget", action="store_true", help="drop NAME instead, of one sense or of all")
    parser.add_argument("--list", action="store_true", help="say what was taught: the default")
    parser.add_argument("--export", type=Path, metavar="FILE", help="copy all that was taught into a file")
    parser.add_argument("--import", dest="taken", type=Path, metavar="FILE", help="take over what was exported")
    parser.add_argument("--camera", metavar="SOURCE", help="the camera: 0, /dev/video0, rtsp://..., http://...")
    options.add_config(parser)
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of examples: write 1 to 64")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Teach, forget, import or export, then say what is known; gives the exit code."""
    from sensorium.event import Modality
    from sensorium_agent._app.lessons import Blackboard
    from sensorium_agent.infer.taught import TaughtError

    if not args.name and (args.sources or args.forget):
        rest = "--forget" if args.forget else "--from FILE..."
        raise TaughtError(f"teach: which sign is it? Write: sensorium teach NAME {rest}")
    board = Blackboard(options.settings(args, needed=True))
    modality = Modality(args.modality) if args.modality else None
    failed = False
    if args.taken:
        board.take(args.taken)
    if args.name and args.forget:
        board.forget(args.name, modality)
    elif args.name:
        failed = board.teach(_wish(args, modality), args.sources, lambda line: print(line, file=sys.stderr))
    board.save()
    if args.export:
        board.export(args.export)
    _print(board.known(), remark=not args.name)
    return int(failed)


def _wish(args: argparse.Namespace, modality: Modality | None) -> Wish:
    """What the command line asks for.

    Raises:
        TaughtError: a flag is of another sense.
    """
    from sensorium.event import Modality
    from sensorium_agent._app.lessons import Wish
    from sensorium_agent.infer.taught import Form, TaughtError

    modality = modality or (Modality.AUDIO if args.wake else Modality.GESTURE if args.moving else Modality.HAPTIC)
    for flag, asked, sense in (("moving", args.moving, Modality.GESTURE), ("wake", args.wake, Modality.AUDIO)):
        if asked and modality is not sense:
            raise TaughtError(f"{args.name}: --{flag} is for --modality {sense}; leave it out")
    form = Form.MOVED if args.moving else Form.HELD
    return Wish(args.name, modality, args.concept, args.means, tuple(args.say), args.examples, form, args.wake)


def _print(known: Iterator[tuple[str, str, str, int]], *, remark: bool) -> None:
    """The list; where it is empty a remark may say so, beside it, so that a script still reads an empty list."""
    signs = list(known)
    for name, modality, concept, count in signs:
        print(f"{name}\t{count} example{'s' if count != 1 else ''}\t{modality}\t{concept}")
    if remark and not signs:
        print("nothing is taught; begin with: sensorium teach NAME --from FILE...", file=sys.stderr)
