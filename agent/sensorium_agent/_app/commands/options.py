"""What several verbs ask for: the settings file, and flags that add to it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensorium_agent._app.settings import Settings

_CONFIGS = (Path("/etc/sensorium/agent.toml"),)
_MOST_THREADS = 16


def add_config(parser: argparse.ArgumentParser) -> None:
    """``--config``."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (default: /etc/sensorium/agent.toml)")


def add_sensors(parser: argparse.ArgumentParser) -> None:
    """Flags that name sensors of this machine."""
    parser.add_argument("--camera", metavar="SOURCE", help="use this camera: 0, /dev/video0, rtsp://..., http://...")
    parser.add_argument("--microphone", metavar="NAME", help='use this microphone: "default", a number or a name')
    parser.add_argument("--text", metavar="FILE", help='read lines from a growing file, or "-" for standard input')


def settings(args: argparse.Namespace, *, needed: bool) -> Settings:
    """The settings file, then what the command line adds to it; the default file is read only if ``needed``."""
    import msgspec

    from sensorium_agent._app import settings as s

    path = args.config or next((p for p in _CONFIGS if p.exists()), None)
    chosen = s.read(path, os.environ) if path is not None and (needed or args.config) else s.Settings()
    changes: dict[str, object] = {}
    flags = (("camera", "source", s.Camera), ("microphone", "source", s.Microphone), ("text", "source", s.TextInput))
    for table, key, kind in (*flags, ("cloud", "target", s.Cloud), ("spool", "directory", s.Spool)):
        value = getattr(args, table, None)
        if value is not None:
            before = getattr(chosen, table)
            changes[table] = msgspec.structs.replace(before, **{key: value}) if before else kind(**{key: value})
    return msgspec.structs.replace(chosen, **changes)


def share(text: str) -> float:
    """A probability, or another part of a whole, on the command line."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: write 0 to 1")
    return value


def threads(text: str) -> tuple[int, ...]:
    """Counts of threads on the command line: ``1,2,4``."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= _MOST_THREADS for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}: write numbers from 1 to {_MOST_THREADS}, like 1,2")
    return tuple(dict.fromkeys(map(int, parts)))


def count(text: str) -> int:
    """How many, on the command line."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no count: write 0 or more")
    return int(text)
