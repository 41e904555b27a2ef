"""An MCAP file as what is in it, in the order it was written; a part that cannot be read is said and passed over."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import zstandard
from mcap.exceptions import EndOfFile, InvalidMagic, McapError
from mcap.records import Channel, Chunk, Footer, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import StreamReader, breakup_chunk

from sensorium_agent.record.session import RecordError

_MOST_BYTES: Final = 1 << 28
"""No record of ours is larger; a larger one is damage."""
_BROKEN: Final = (McapError, zstandard.ZstdError, struct.error, ValueError, RuntimeError)
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
    channels: dict[int, Channel] = {}
    schemas: dict[int, Schema] = {}
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
            case Footer():
                yield Mark.END
            case _:
                pass


def _records(path: Path) -> Iterator[McapRecord | Mark]:
    """The records, chunks opened; ends where the file does."""
    try:
        with path.open("rb") as file:
            reader = StreamReader(file, emit_chunks=True, record_size_limit=_MOST_BYTES)
            yield from _opened(reader)
    except InvalidMagic as error:
        raise RecordError(f"{path}: is no MCAP file; make one with: sensorium record FILE.mcap") from error
    except EndOfFile as error:
        raise RecordError(f"{path}: is empty; make a recording with: sensorium record FILE.mcap") from error
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}; check the path") from error


def _opened(reader: StreamReader) -> Iterator[McapRecord | Mark]:
    records = reader.records
    yield from _chunked(next(records))
    while True:
        try:
            record = next(records, None)
        except _BROKEN:
            return  # cut off, here or inside the record
        if record is None:
            return
        yield from _chunked(record)


def _chunked(record: McapRecord) -> Iterator[McapRecord | Mark]:
    if not isinstance(record, Chunk):
        yield record
        return
    try:
        inside = breakup_chunk(record, validate_crc=True)
    except _BROKEN:
        yield Mark.DAMAGE
    else:
        yield from inside
