"""Runs a model's recipe in a process of its own.

Quantizers are large, write to standard output as they please and keep their memory: none of that should
reach the caller.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path

from sensorium.errors import SensoriumError
from sensorium_models.blobs import PARTIAL
from sensorium_models.manifest import Model

_TOOL_MISSING = 3


class RecipeError(SensoriumError):
    """A model could not be made from its source."""


class ToolMissing(RecipeError):
    """What the recipe is cooked with is not installed."""


def make(model: Model, source: Path, *, scratch: Path) -> bytes:
    """The bytes the recipe makes of ``source``; whether they are the right ones is the caller's to check.

    Raises:
        ToolMissing: a package the recipe imports is not installed.
        RecipeError: the recipe failed.
    """
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=scratch) as folder:
        made = Path(folder) / model.file
        command = [sys.executable, "-m", __name__, model.recipe, str(source), str(made)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)  # noqa: S603
        said = (done.stderr.strip().splitlines() or ["said nothing"])[-1][:200]
        if done.returncode == _TOOL_MISSING:
            raise ToolMissing(f"{model.name}: {said} is not installed; pip install 'sensorium[models]'")
        if done.returncode:
            raise RecipeError(f"{model.name}: {model.recipe} failed: {said}")
        return made.read_bytes()


def main(recipe: str, source: str, made: str) -> int:
    """Import ``module:function`` and call it; a missing import names itself in the last line of stderr."""
    module, function = recipe.split(":")
    try:
        cook = getattr(importlib.import_module(module), function)
        cook(Path(source), Path(made))
    except ModuleNotFoundError as error:
        sys.stderr.write(f"\n{error.name}\n")
        return _TOOL_MISSING
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
