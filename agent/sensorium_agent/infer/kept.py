"""Small files of what a user taught: read whole, written wholly or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from sensorium.errors import SensoriumError


def read(path: Path, wrong: type[SensoriumError]) -> bytes | None:
    """What is kept in ``path``; None if there is no such file.

    Raises:
        SensoriumError: it cannot be read; of the type ``wrong``.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise wrong(f"{path}: {error.strerror}; check the path and its rights") from error


def write(path: Path, data: bytes, wrong: type[SensoriumError]) -> None:
    """Keep ``data`` in ``path``.

    Raises:
        SensoriumError: it cannot be written; of the type ``wrong``.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as error:
        raise wrong(f"{path}: {error.strerror}; check the path and its rights") from error
