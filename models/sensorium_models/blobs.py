"""Files of the store, each under its own sha256: written whole or not at all, many versions side by side."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

PARTIAL: Final = ".partial-"
"""How the names of files that are being written begin, and of folders in which one is loaded or made."""
_ABANDONED_S: Final = 86_400.0
"""Nobody writes, loads or makes one thing for so long."""


def keep(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; once this returns it survives a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=PARTIAL, dir=path.parent)
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


def sweep(folder: Path, now_s: float) -> None:
    """Remove what a power cut or a kill left unfinished in a store; what cannot be removed stays.

    Args:
        folder: the store; its folders are looked into, too.
        now_s: wall clock, as files have it: what is younger than a day may still be written.
    """
    for path in (*folder.glob(f"{PARTIAL}*"), *folder.glob(f"*/{PARTIAL}*")):
        with suppress(OSError):
            if path.lstat().st_mtime >= now_s - _ABANDONED_S:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _is_blob(path: Path) -> bool:
    return len(path.stem) == 64 and set(path.stem) <= set("0123456789abcdef")


def _sync_directory(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
