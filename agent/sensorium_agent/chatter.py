"""What libraries print of their own accord, below Python, is not for the user: our errors say it."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator

_stderr = threading.Lock()


@contextlib.contextmanager
def held_back(*beginnings: bytes) -> Iterator[None]:
    """Keep lines with one of these beginnings from the process's standard error; pass on whatever else is said."""
    sys.stderr.flush()
    with _stderr, tempfile.TemporaryFile() as said:
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
