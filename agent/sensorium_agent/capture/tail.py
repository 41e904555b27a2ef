"""Follows a file that grows, a named pipe or a serial line, as `tail -F` does."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator
from typing import Final

from sensorium_agent.capture.sensor import SensorFailed, Sleep

_READ_BYTES: Final = 65_536
_LONGEST_LINE: Final = 16_384
POLL_S: Final = 0.1


class Lines:
    """Bytes in any pieces to whole lines; what is too long to be a line is cut."""

    def __init__(self, longest: int = _LONGEST_LINE) -> None:
        self._rest = b""
        self._longest = longest

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes, without their ends."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > self._longest:
            whole.append(self._rest)
            self._rest = b""
        return [_decoded(line[: self._longest]) for line in whole]

    def finish(self) -> list[str]:
        """A last line that has no end."""
        rest, self._rest = self._rest, b""
        return [_decoded(rest)] if rest else []


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")


class Tail:
    """An open file and where it has been read to; notices when another file took its name.

    Raises:
        SensorFailed: there is no such file, or it may not be read.
    """

    def __init__(self, path: str, *, from_start: bool = False) -> None:
        self._path = path
        self._lines = Lines()
        self._file = _opened(path)
        if self._regular and not from_start:
            os.lseek(self._file, 0, os.SEEK_END)

    @property
    def _regular(self) -> bool:
        return stat.S_ISREG(os.fstat(self._file).st_mode)

    def poll(self) -> list[str]:
        """The lines since the last call; never waits."""
        lines = self._lines.feed(self._read())
        if not lines and self._regular and self._replaced():
            lines = self._lines.finish()
            self.close()
            self._file = _opened(self._path)
        return lines

    def _read(self) -> bytes:
        try:
            return os.read(self._file, _READ_BYTES)
        except BlockingIOError:  # a pipe whose writer says nothing now
            return b""
        except OSError as error:
            raise SensorFailed(f"{self._path}: {error.strerror}; is its device still plugged in?") from error

    def _replaced(self) -> bool:
        """Whether the file was rotated away or cut short; a name that is gone for now is waited for."""
        here = os.fstat(self._file)
        if here.st_size < os.lseek(self._file, 0, os.SEEK_CUR):
            return True
        try:
            named = os.stat(self._path)  # noqa: PTH116 - beside fstat
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) != (here.st_dev, here.st_ino)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise SensorFailed(f"{path}: {error.strerror}; create it, or name another file in the settings") from error


async def follow(
    path: str, *, from_start: bool = False, poll_s: float = POLL_S, sleep: Sleep = asyncio.sleep
) -> AsyncGenerator[list[str], None]:
    """The lines of ``path`` as they are written, in the batches they are found in, for ever.

    Raises:
        SensorFailed: the file cannot be opened or read.
    """
    tail = Tail(path, from_start=from_start)
    try:
        while True:
            lines = tail.poll()
            if lines:
                yield lines
            else:
                await sleep(poll_s)
    finally:
        tail.close()
