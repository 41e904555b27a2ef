"""What this device knows a symbol may mean: the user's concepts, or the built-in ones, and what it was taught."""

from __future__ import annotations

from pathlib import Path

from sensorium import concepts
from sensorium.concepts import Vocabulary
from sensorium.settings import read_text
from sensorium_agent._app.settings import Settings
from sensorium_agent.infer import taught as lessons
from sensorium_agent.infer.taught import Taught


def vocabulary(settings: Settings) -> Vocabulary:
    """The user's concepts, or the built-in ones, and what this device was taught.

    Raises:
        SensoriumError: a file cannot be used; one line.
    """
    return extended(settings, taught(settings))


def extended(settings: Settings, taught: Taught) -> Vocabulary:
    """The user's concepts, or the built-in ones, and those that were taught."""
    return concepts.extended(untaught(settings), taught.lessons())


def untaught(settings: Settings) -> Vocabulary:
    """The user's concepts, or the built-in ones.

    Raises:
        SettingsError: the file cannot be used.
    """
    return concepts.load(Path(settings.fusion.concepts) if settings.fusion.concepts else None)


def text(settings: Settings) -> str:
    """The file of the user's concepts; empty if it is the built-in one.

    Raises:
        SettingsError: it cannot be read.
    """
    own = settings.fusion.concepts
    return read_text(Path(own), "name a file of concepts") if own else ""


def taught(settings: Settings) -> Taught:
    """What the user taught this device.

    Raises:
        SensoriumError: it cannot be read; one line.
    """
    return lessons.read(settings.taught_file)
