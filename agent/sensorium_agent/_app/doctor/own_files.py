"""Can the files that the settings name be used?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sensorium.errors import SensoriumError
from sensorium_agent import rules
from sensorium_agent._app import knowledge
from sensorium_agent._app.doctor.result import Result, told
from sensorium_agent._app.settings import Settings


def files(settings: Settings) -> Iterator[Result]:
    """Concepts, what was taught and rules can be read, and rules name concepts there are."""
    try:
        vocabulary = knowledge.vocabulary(settings)
        board = knowledge.taught(settings)
    except SensoriumError as error:
        yield told("Concepts", "fail", error, "mend that file, or name another in [fusion] concepts")
        return
    yield Result("Concepts", "ok", f"{len(vocabulary)}, and {len(board.signs)} signs taught")
    if settings.rules is None:
        return
    try:
        read = rules.read(Path(settings.rules.file), vocabulary)
    except SensoriumError as error:
        yield told("Rules", "fail", error, f"mend it, then try: sensorium rules {settings.rules.file}")
    else:
        yield Result("Rules", "ok", f"{len(read.rule)} in {settings.rules.file}")
