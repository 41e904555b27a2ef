"""`sensorium record`: keep a session in a file that can be replayed, and opened in Foxglove, Lichtblick and Rerun."""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sensorium_agent._app.commands import options
from sensorium_agent._app.signals import on_told_to_stop

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands

T = TypeVar("T")


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    parser = commands.add_parser(
        "record",
        help="record a session, to replay or look at",
        description="Run the agent on its sensors, or on files, and keep what it heard, understood and answered in an "
        "MCAP file: to replay it, or to open it in Foxglove, Lichtblick or Rerun.",
    )
    parser.add_argument("out", type=Path, metavar="OUT.mcap", help="the file to make; it must not be there yet")
    options.add_config(parser)
    options.add_sensors(parser)
    parser.add_argument(
        "--play", nargs="+", type=Path, metavar="FILE", help="instead of sensors: files, one after another"
    )
    parser.add_argument("--live", action="store_true", help="with --play: in the files' own time, not at once")
    parser.add_argument("--seconds", type=_seconds, metavar="N", help="end after so many seconds")
    parser.add_argument(
        "--media",
        nargs="?",
        const="jpeg",
        choices=("jpeg", "png"),
        help="keep sound (exact) and pictures: as jpeg (the default here), small and a likeness, or as png, exact",
    )
    parser.add_argument("--compression", choices=("zstd", "lz4", "none"), default="zstd", help="default: zstd")
    parser.add_argument("--jsonl", action="store_true", help="print every event, window and symbol as a JSON line")
    parser.add_argument("--status", action="store_true", help="with --jsonl: print status lines and a summary too")
    parser.add_argument("--cloud", metavar="HOST:PORT", help="refine symbols with this fusion service")
    parser.add_argument("--spool", metavar="DIR", help="keep what waits for the cloud here")
    parser.set_defaults(run=run)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write seconds above 0, for example 30")
    return value


def run(args: argparse.Namespace) -> int:
    """Record; gives 1 if a file could not be played."""
    from sensorium_agent._app import record
    from sensorium_agent._app.output import Output
    from sensorium_agent.record.media import Media

    settings = options.settings(args, needed=not args.play)
    logging.getLogger().setLevel((settings.log.level if not args.jsonl else "warning").upper())
    wish = record.Wish(
        args.out, args.play or (), args.live, args.seconds, Media(args.media or "nothing"), args.compression
    )
    recording = record.record(settings, wish, Output(jsonl=args.jsonl, status=args.status))
    told: list[signal.Signals] = []
    try:
        return 1 if asyncio.run(_until_told(recording, told)) else 0
    except asyncio.CancelledError:
        return 128 + told[0]


async def _until_told(recording: Coroutine[Any, Any, T], told: list[signal.Signals]) -> T:
    """Record until ``told`` to stop, and then go the way of an error: the file gets its end.

    An exception out of a signal's handler could leave any lock of ours locked. Who is told again, as a shell tells what
    runs in a terminal that is closed, is on that way already.
    """
    task = asyncio.current_task()
    assert task is not None

    def stop(number: signal.Signals) -> None:
        told.append(number)
        if len(told) == 1:
            task.cancel()

    on_told_to_stop(stop)
    return await recording
