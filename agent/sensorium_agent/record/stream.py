"""An MCAP file as what is in it, in the order it was written; a part that cannot be read is said and passed over."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Channel, Chunk, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import breakup_chunk
from mcap.writer import MCAP0_MAGIC

from sensorium_agent.record.session import RecordError

_HEAD: Final = struct.Struct("<BQ")
"""Before each record: its kind, and the bytes of its body (mcap.dev/spec)."""
_READ: Final[Mapping[Opcode, Callable[[ReadDataStream], McapRecord]]] = {
    Opcode.SCHEMA: Schema.read,
    Opcode.CHANNEL: Channel.read,
    Opcode.CHUNK: Chunk.read,
    Opcode.METADATA: Metadata.read,
}
"""Our files keep messages in chunks; indexes and statistics only repeat what is read anyway."""
_BROKEN: Final = (McapError, zstandard.ZstdError, struct.error, ValueError, RuntimeError, MemoryError)
"""What a damaged record raises: a wrong length or CRC, what cannot be decompressed, what is no text."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as it stands in the file.

    Attributes:
        topic: its channel's.
        schema: full name of its protobuf message.
        data: the message.
    """

    topic: str
    schema: str
    data: bytes


class Mark(Enum):
    """What else there is to know of a file."""

    DAMAGE = "damage"
    """A chunk that cannot be read stands here."""
    END = "end"
    """The footer: the file was closed, not cut off."""


Piece = Stored | Metadata | Mark


def pieces(path: Path) -> Iterator[Piece]:
    """What is in the file, up to where it was cut off.

    Raises:
        RecordError: there is no such file, or it is no MCAP file.
    """
    if path.exists() and not path.is_file():
        kind = "is a folder" if path.is_dir() else "is no file on a disk, and is read more than once"
        raise RecordError(f"{path}: {kind}; name a recording: FILE.mcap")
    channels, schemas = _repeated(path)
    for record in _records(path):
        match record:
            case Schema():
                schemas[record.id] = record
            case Channel():
                channels[record.id] = record
            case Message() if (channel := channels.get(record.channel_id)) is not None:
                schema = schemas.get(channel.schema_id)
                yield Stored(channel.topic, schema.name if schema else "", record.data)
            case Metadata() | Mark():
                yield record
            case _:
                pass


def _repeated(path: Path) -> tuple[dict[int, Channel], dict[int, Schema]]:
    """The channels and schemas as they stand once more at the end: a damaged first chunk does not cost all."""
    try:
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
    except (*_BROKEN, OSError):
        return {}, {}  # cut off, or worse: that is said when the file is read from its beginning
    return (dict(summary.channels), dict(summary.schemas)) if summary else ({}, {})


def _records(path: Path) -> Iterator[McapRecord | Mark]:
    """The records that matter, chunks opened; ends where the file does."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if (magic := file.read(len(MCAP0_MAGIC))) != MCAP0_MAGIC:
                what = "is no MCAP file" if magic else "is empty"
                raise RecordError(f"{path}: {what}; make a recording with: sensorium record FILE.mcap")
            for opcode, body in _framed(file, size):
                yield from _read(opcode, body)
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}; check the path") from error


def _framed(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each record that is there as a whole."""
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        opcode, length = _HEAD.unpack(head)
        if length > size - file.tell():
            return  # cut off, or its length is damaged: nothing after it can be found
        yield opcode, file.read(length)


def _read(opcode: int, body: bytes) -> Iterator[McapRecord | Mark]:
    """One record, or what is inside of a chunk; what is damaged is said."""
    if opcode == Opcode.FOOTER:
        yield Mark.END
    if opcode not in _READ:
        return
    try:
        record = _READ[Opcode(opcode)](ReadDataStream(BytesIO(body)))
        inside = breakup_chunk(record, validate_crc=True) if isinstance(record, Chunk) else [record]
    except _BROKEN:
        yield Mark.DAMAGE
    else:
        yield from inside
