"""The `sensorium` command. Here are words and exit codes only; each command imports what it needs.

Exit codes: 0 all went well; 1 something failed, said in one line; 2 the command line or the settings
are wrong; 3 models are missing or damaged (run: sensorium models fetch); 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.errors import SensoriumError

if TYPE_CHECKING:
    from sensorium_agent._app.settings import Settings

_EPILOG = """exit codes:
  0  all went well
  1  something failed; one line on standard error says what, and the way out
  2  the command line or the settings are wrong
  3  models are missing or damaged: sensorium models fetch
"""
_CONFIGS = (Path("/etc/sensorium/agent.toml"),)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sensorium",
        description="Understands people through all their signals, on this device.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_demo(commands)
    check = commands.add_parser("validate", help="check a settings file, or print their JSON Schema")
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the settings file to check")
    check.add_argument("--schema", action="store_true", help="print the JSON Schema of settings files instead")
    commands.add_parser("devices", help="list the cameras, microphones and touch pads found here")
    doctor = commands.add_parser("doctor", help="check what this machine has, and say how to mend what is missing")
    _add_config(doctor)
    from sensorium_models import cli

    cli.add_parser(commands)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (default: /etc/sensorium/agent.toml)")


def _add_sensors(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--camera", metavar="SOURCE", help="use this camera: 0, /dev/video0, rtsp://..., http://...")
    parser.add_argument("--microphone", metavar="NAME", help='use this microphone: "default", a number or a name')
    parser.add_argument("--text", metavar="FILE", help='read lines from a growing file, or "-" for standard input')


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="run the agent on its sensors, or on files",
        description="Run the agent on the configured sensors, or play files through the whole device pipeline.",
    )
    _add_config(run)
    _add_sensors(run)
    run.add_argument(
        "--play",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="instead of sensors: images, videos, WAV, text, touch, pulse files or recordings, one after another",
    )
    run.add_argument("--live", action="store_true", help="with --play: in the recording's own time, not at once")
    run.add_argument("--jsonl", action="store_true", help="print every event, window and symbol as a JSON line")
    run.add_argument("--status", action="store_true", help="with --jsonl: print status lines and a summary too")
    run.add_argument("--cloud", metavar="HOST:PORT", help="refine symbols with this fusion service")
    run.add_argument("--spool", metavar="DIR", help="keep what waits for the cloud here")


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="watch a device understand a real recording, with a cloud service beside it",
        description="Starts the cloud service and the agent on this machine and shows what they understand.",
    )
    _add_sensors(demo)
    demo.add_argument("--recording", type=Path, metavar="FILE", help="play this instead of the built-in recording")
    demo.add_argument("--no-cloud", action="store_true", help="the device alone")
    demo.add_argument(
        "--outage", metavar="FROM-TO", help="kill the cloud service FROM seconds in, bring it back at TO (e.g. 10-20)"
    )
    demo.add_argument(
        "--plain", action="store_true", help="print lines instead of drawing (also if this is no terminal)"
    )
    demo.add_argument("--svg", type=Path, metavar="FILE", help="save the last picture of the timeline")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    # OpenBLAS's idle threads spin: they would burn a core beside models that bring their own threads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # gRPC's core writes lines of its own when a link dies; ours say it once, in words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    args = _parser().parse_args(argv)
    logging.basicConfig(level="INFO", stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    try:
        return _run_to_the_point(args)
    except SensoriumError as error:
        print(f"sensorium: {error}", file=sys.stderr)
        return _exit_code(error)
    except BrokenPipeError:
        # Whoever read our lines has gone; nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _run_to_the_point(args: argparse.Namespace) -> int:
    """Run the command; of a group of errors raise the first: one trouble, one line."""
    try:
        return _dispatch(args)
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from group


def _exit_code(error: SensoriumError) -> int:
    from sensorium.settings import SettingsError
    from sensorium_models.store import ModelDamaged, ModelMissing

    if isinstance(error, SettingsError):
        return 2
    return 3 if isinstance(error, ModelMissing | ModelDamaged) else 1


def _dispatch(args: argparse.Namespace) -> int:
    match args.command:
        case "run":
            return _run(args)
        case "demo":
            from sensorium_agent._app.demo import demo

            return demo(args)
        case "validate":
            return _validate(args)
        case "devices":
            from sensorium_agent._app import devices

            print(devices.render(devices.find()))
            return 0
        case "doctor":
            return _doctor(args)
        case _:
            from sensorium_models import cli

            return cli.run(args)


def _settings(args: argparse.Namespace, *, needed: bool) -> Settings:
    """The settings file, then what the command line adds to it."""
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


def _run(args: argparse.Namespace) -> int:
    from sensorium_agent._app import run

    settings = _settings(args, needed=not args.play)
    logging.getLogger().setLevel((settings.log.level if not args.jsonl else "warning").upper())
    output = run.Output(jsonl=args.jsonl, status=args.status)
    if args.play:
        return 1 if asyncio.run(run.play_files(settings, args.play, output, live=args.live)) else 0
    asyncio.run(run.run_live(settings, output))
    return 0


def _validate(args: argparse.Namespace) -> int:
    import json

    from sensorium.settings import SettingsError, schema
    from sensorium_agent._app import settings

    if args.schema:
        print(json.dumps(schema(settings.Settings), indent=2))
        return 0
    if args.file is None:
        raise SettingsError("validate", "", "name a settings FILE, or ask for --schema")
    settings.read(args.file, os.environ)
    print(f"{args.file}: good")
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from sensorium_agent._app import doctor

    results = doctor.check(_settings(args, needed=True))
    print(doctor.render(results))
    return 1 if any(result.state == "fail" for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
