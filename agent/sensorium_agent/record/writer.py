"""An MCAP file of our records: one channel for each kind, chunks on disk at least as often as asked.

A chunk is complete and has a CRC, so a file that was cut off anywhere is good up to its last chunk.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final, Literal

from google.protobuf.message import Message
from mcap.well_known import MessageEncoding
from mcap.writer import CompressionType, Writer
from mcap_protobuf.schema import register_schema

from sensorium_agent.record.session import LOSSES, SESSION, RecordError, Session

Compression = Literal["zstd", "lz4", "none"]

_CHUNK_BYTES: Final = 1 << 20


class SessionFile:
    """One recording being written. Times are the device's; the file has them as wall time, by the session's offset.

    Raises:
        RecordError: the file cannot be made, or is there already.
    """

    def __init__(self, path: Path, session: Session, compression: Compression = "zstd") -> None:
        self._path = path
        self._offset_ns = session.wall_offset_ns
        self._stream = _made(path)
        self._writer = Writer(self._stream, _CHUNK_BYTES, CompressionType[compression.upper()])
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        try:
            self._begin(session)
        except OSError as error:
            self.abandon()
            path.unlink(missing_ok=True)
            raise RecordError(f"{path}: {error.strerror}; free some space, or record elsewhere") from error

    def _begin(self, session: Session) -> None:
        self._writer.start(library=session.software)
        self._writer.add_metadata(SESSION, session.metadata())
        self.sync()
        _sync_directory(self._path.parent)

    def write(self, topic: str, message: Message, at_ns: int, *, own_ns: int | None = None, sequence: int = 0) -> None:
        """Add a message that was there at ``at_ns`` and speaks of ``own_ns``.

        Raises:
            OSError: the disk is full or gone.
        """
        self._writer.add_message(
            self._channel(topic, message),
            max(at_ns + self._offset_ns, 0),
            message.SerializeToString(deterministic=True),
            max((at_ns if own_ns is None else own_ns) + self._offset_ns, 0),
            sequence & 0xFFFFFFFF,
        )

    def _channel(self, topic: str, message: Message) -> int:
        if topic not in self._channels:
            name = message.DESCRIPTOR.full_name
            if name not in self._schemas:
                self._schemas[name] = register_schema(self._writer, type(message))
            made = self._writer.register_channel(topic, MessageEncoding.Protobuf, self._schemas[name])
            self._channels[topic] = made
        return self._channels[topic]

    def sync(self) -> None:
        """Finish the chunk and wait for the disk: from here on it survives a kill and a power cut."""
        self._writer.flush()  # type: ignore[no-untyped-call]
        os.fdatasync(self._stream.fileno())

    @property
    def written_bytes(self) -> int:
        """Size of the file so far."""
        return self._stream.tell()

    def finish(self, losses: dict[str, int]) -> None:
        """Write what was lost, the index and the footer, and close."""
        try:
            self._writer.add_metadata(LOSSES, {kind: str(count) for kind, count in losses.items()})
            self._writer.finish()  # type: ignore[no-untyped-call]
            self._stream.flush()
            os.fsync(self._stream.fileno())
        finally:
            self._stream.close()

    def abandon(self) -> None:
        """Close it as it is, after the disk has failed."""
        try:
            self._stream.close()
        except OSError:
            return  # what could not be written was said when it happened


def _sync_directory(directory: Path) -> None:
    """The file's name survives a power cut only once its directory is on the disk."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_free(path: Path) -> None:
    """Whether a recording can be made there, before models are loaded and sensors are opened for it.

    Raises:
        RecordError: it cannot.
    """
    _made(path).close()
    path.unlink()


def _made(path: Path) -> BinaryIO:
    try:
        return path.open("xb")
    except FileExistsError as error:
        raise RecordError(f"{path}: is there already; choose another name, or remove it first") from error
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}; choose a folder you may write to") from error
