"""``python -m sensorium_models fetch``: what set-up runs before there is an agent or a cloud."""

from __future__ import annotations

import argparse
import sys

from sensorium_models import cli


def main() -> int:
    """Parse, run, and turn Ctrl-C into its customary exit code."""
    parser = argparse.ArgumentParser(prog="python -m sensorium_models", description=cli.__doc__)
    cli.add_verbs(parser)
    try:
        return cli.run(parser.parse_args())
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
