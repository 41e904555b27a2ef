"""``python -m sensorium_models fetch``: what set-up runs before there is an agent or a cloud."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from sensorium.errors import SensoriumError
from sensorium_models import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and turn what went wrong into one line and Ctrl-C into its customary exit code."""
    parser = argparse.ArgumentParser(prog="python -m sensorium_models", description=cli.__doc__)
    cli.add_verbs(parser)
    try:
        return cli.run(parser.parse_args(argv))
    except SensoriumError as error:
        sys.stderr.write(f"sensorium_models: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our lines has gone; what is left of them must not fail once more at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
