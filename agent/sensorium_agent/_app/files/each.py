"""Many files on one command line: one that is bad is said in a line, and takes nothing from the others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sensorium.errors import SensoriumError


def each(files: Sequence[Path], take: Callable[[int, Path], None]) -> int:
    """Give every file with its place to ``take``; returns how many it could not take.

    Raises:
        ModelMissing, ModelDamaged: no other file would fare better.
    """
    from sensorium_models.store import ModelDamaged, ModelMissing

    failed = 0
    for number, file in enumerate(files):
        try:
            take(number, file)
        except (ModelMissing, ModelDamaged):
            raise
        except SensoriumError as error:
            failed += 1
            sys.stderr.write(f"sensorium: {error}\n")
    return failed
