"""The verbs of the `sensorium` command, one module each.

A verb's module has ``add_parser(commands)``, which says in words what may be asked and ends with
``parser.set_defaults(run=run)``, and ``run(args) -> int``, which does it and gives the exit code. The modules are
imported for ``--help`` too: what a verb needs to run, it imports when it runs.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

VERBS: Final = (
    "run",
    "record",
    "replay",
    "see",
    "hear",
    "feel",
    "demo",
    "validate",
    "devices",
    "doctor",
    "rules",
    "teach",
    "models",
)
"""In the order of ``sensorium --help``."""


def add_parsers(commands: Commands) -> None:
    """Add every verb."""
    for verb in VERBS:
        import_module(f"{__name__}.{verb}").add_parser(commands)
