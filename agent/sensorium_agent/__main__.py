"""The `sensorium` command. Here is how it ends; what it can do is in `_app/commands`, a module a verb.

Exit codes: 0 all went well; 1 something failed, said in one line; 2 the command line or the settings
are wrong; 3 models are missing or damaged (run: sensorium models fetch); 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from sensorium.errors import SensoriumError
from sensorium_agent._app.commands import add_parsers

_INSTALL = "pip install 'sensorium[agent]'"
_EPILOG = """exit codes:
  0  all went well
  1  something failed; one line on standard error says what, and the way out
  2  the command line or the settings are wrong
  3  models are missing or damaged: sensorium models fetch
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sensorium",
        description="Understands people through all their signals, on this device.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_parsers(parser.add_subparsers(dest="command", metavar="COMMAND", required=True))
    return parser


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
        return error.exit_code
    except ImportError as error:
        if (error.name or "").startswith("sensorium"):
            raise
        print(f"sensorium: {error.name or 'a library'} cannot be loaded ({error}); {_INSTALL}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our lines has gone; nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _run_to_the_point(args: argparse.Namespace) -> int:
    """Run the command; of a group of errors raise the first: one trouble, one line."""
    try:
        return int(args.run(args))
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from group


if __name__ == "__main__":
    sys.exit(main())
