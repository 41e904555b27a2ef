"""Small files of what a user taught: JSON with a version, read whole, written wholly or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from sensorium.errors import SensoriumError

_VERSION: Final = 1


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of this version holds; further keys are its own."""

    version: int = _VERSION


class _Dated(msgspec.Struct, frozen=True):
    """A file of any version."""

    version: int


K = TypeVar("K", bound=Kept)


def encode(file: Kept) -> bytes:
    """``file`` as JSON, a value a line."""
    return msgspec.json.format(msgspec.json.encode(file), indent=0) + b"\n"


def decode(data: bytes, kind: type[K], where: str, wrong: type[SensoriumError]) -> K:
    """What `encode` wrote.

    Raises:
        SensoriumError: it is damaged, or of another version; of the type ``wrong``.
    """
    try:
        version = msgspec.json.decode(data, type=_Dated).version
        if version == _VERSION:
            return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise wrong(f"{where}: {error}; mend the file or teach anew") from error
    raise wrong(f"{where}: version {version} is not known here; update Sensorium")


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
