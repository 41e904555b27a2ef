"""What libraries print of their own accord, below Python, is not for the user: our errors say it."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

_stderr = threading.Lock()


@contextlib.contextmanager
def held_back(*beginnings: bytes) -> Iterator[None]:
    """Keep lines with one of these beginnings from the process's standard error; pass on whatever else is said."""
    sys.stderr.flush()
    with _stderr, _in_memory() as said:
        real = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real, 2)
            os.close(real)
            said.seek(0)
            for line in said:
                if not line.startswith(beginnings):
                    os.write(2, line)


def _in_memory() -> IO[bytes]:
    """A file that needs no disk, which may be full or read-only; where there is no such thing, one on the disk."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("said"), "w+b")
    return tempfile.TemporaryFile()
