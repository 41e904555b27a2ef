"""The `sensorium` command. Here is how it ends; what it can do is in `_app/commands`, a module a verb.

Exit codes: 0 all went well; 1 something failed, said in one line; 2 the command line or the settings
are wrong; 3 models are missing or damaged (run: sensorium models fetch); 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import sys
from collections.abc import Sequence

from sensorium.errors import SensoriumError
from sensorium_agent._app.commands import add_parsers

_FULL = (errno.ENOSPC, errno.EDQUOT)
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
    _open_streams()
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
        _print_no_more()  # whoever read our lines has gone; nothing is wrong
        return 0
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _print_no_more()
        print(f"sensorium: {error.filename or 'output'}: {error.strerror}; free some space", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run_to_the_point(args: argparse.Namespace) -> int:
    """Run the command; of a group of errors raise the first: one trouble, one line."""
    try:
        code = int(args.run(args))
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from group
    sys.stdout.flush()
    return code


def _open_streams() -> None:
    """Without a standard stream the next file that is opened would take its place, and get what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _print_no_more() -> None:
    """So that what is still in the buffer does not fail once more at the very end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
