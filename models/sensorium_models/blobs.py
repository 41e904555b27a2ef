"""Files of the store, each under its own sha256: written whole or not at all, many versions side by side."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


def keep(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; once this returns it survives a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=".partial-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def add(folder: Path, source: Path) -> str:
    """Copy a file into a store; returns the blob's name: its sha256 and its suffix."""
    content = source.read_bytes()
    blob = f"{hashlib.sha256(content).hexdigest()}{source.suffix}"
    if not (folder / blob).exists():
        keep(folder / blob, content)
    return blob


def find(folder: Path, beginning: str) -> list[str]:
    """The blobs whose sha256 begins like this."""
    return sorted(path.name for path in folder.glob("*.*") if path.name.startswith(beginning) and _is_blob(path))


def _is_blob(path: Path) -> bool:
    return len(path.stem) == 64 and set(path.stem) <= set("0123456789abcdef")


def _sync_directory(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
