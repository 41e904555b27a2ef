"""How the spool lies on disk: records in segments, and a cursor. Pure: bytes in, bytes out.

A segment is a header and then records without space between them; what follows the last record is
zeros (the file is reserved at its full size). A record is found by its mark and believed by its
checksum, which starts from the spool's id: neither an older spool's record in a reused block nor a
record inside another record's payload is ever taken for one.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final

_MARK: Final = b"\xf5Sr1"
_CHECK: Final = struct.Struct("<4sI")
_HEAD: Final = struct.Struct("<IQqIBxxx")
RECORD_BYTES: Final = _CHECK.size + _HEAD.size
"""What a record takes besides its payload."""

_SEGMENT: Final = struct.Struct("<8sQQ16s64s")
_SEGMENT_MARK: Final = b"SENSEG\x00\x01"
HEADER_BYTES: Final = _SEGMENT.size + 4
"""What a segment takes besides its records."""

_CURSOR: Final = struct.Struct("<8sQQQ16s")
_CURSOR_MARK: Final = b"SENCUR\x00\x01"
SLOT_BYTES: Final = 4096
"""Distance of the cursor's two slots: a write torn inside one block leaves the other whole."""
CURSOR_BYTES: Final = 2 * SLOT_BYTES


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be kept.

    Attributes:
        payload: any bytes.
        at_ns: when it was made, on the device's monotonic clock.
        ttl_s: how long it is worth delivering, 0 for ever.
        kind: what the payload is, 0 to 255; the spool carries it and does not look.
    """

    payload: bytes
    at_ns: int = 0
    ttl_s: int = 0
    kind: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """A segment's own facts: reserved size, first sequence, whose it is, on which boot's clock."""

    capacity: int
    first: int
    spool_id: bytes
    boot_id: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far delivery has come, and which sequence is the first never used; newer generations win."""

    generation: int
    acknowledged: int
    next: int
    spool_id: bytes


@dataclass(frozen=True, slots=True)
class Scan:
    """What a segment's bytes hold.

    Attributes:
        found: (sequence, offset) of every good record, both growing.
        end: where the next record would begin.
        lost: records that are missing between good ones.
        torn: whether something unreadable, not zeros, follows the last good record.
    """

    found: tuple[tuple[int, int], ...]
    end: int
    lost: int
    torn: bool


# --- records -------------------------------------------------------------------------------


def encode(record: Record, sequence: int, spool_id: bytes) -> bytes:
    """The record as it lies on disk."""
    head = _HEAD.pack(len(record.payload), sequence, record.at_ns, record.ttl_s, record.kind)
    return _CHECK.pack(_MARK, _checksum(spool_id, head, record.payload)) + head + record.payload


def decode(data: bytes | memoryview, offset: int, spool_id: bytes) -> tuple[int, Record] | None:
    """Sequence and record at ``offset``; None if there is no whole one."""
    begin = offset + RECORD_BYTES
    if begin > len(data):
        return None
    mark, checksum = _CHECK.unpack_from(data, offset)
    length, sequence, at_ns, ttl_s, kind = _HEAD.unpack_from(data, offset + _CHECK.size)
    if mark != _MARK or begin + length > len(data):
        return None
    payload = bytes(data[begin : begin + length])
    if _checksum(spool_id, data[offset + _CHECK.size : begin], payload) != checksum:
        return None
    return sequence, Record(payload, at_ns, ttl_s, kind)


def _checksum(spool_id: bytes, head: bytes | memoryview, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(head, zlib.crc32(spool_id)))


def scan(data: bytes, spool_id: bytes, first: int, below: int = 1 << 64) -> Scan:
    """Find every good record with a sequence from ``first`` to ``below``, past damage too."""
    found: list[tuple[int, int]] = []
    expected, at, end, lost = first, data.find(_MARK, HEADER_BYTES), HEADER_BYTES, 0
    while at >= 0:
        good = decode(data, at, spool_id)
        if good is not None and expected <= good[0] < below:
            sequence, record = good
            found.append((sequence, at))
            lost += sequence - expected
            expected, at = sequence + 1, at + RECORD_BYTES + len(record.payload)
            end = at
        else:
            at += 1
        at = data.find(_MARK, at)
    return Scan(tuple(found), end, lost, torn=data.count(0, end) < len(data) - end)


# --- headers -------------------------------------------------------------------------------


def encode_header(header: Header) -> bytes:
    """The segment's first bytes."""
    boot = header.boot_id.encode()[:64]
    return _sealed(_SEGMENT.pack(_SEGMENT_MARK, header.capacity, header.first, header.spool_id, boot))


def decode_header(data: bytes) -> Header | None:
    """The segment's header; None if it is damaged."""
    fields = _unsealed(_SEGMENT, _SEGMENT_MARK, data)
    if fields is None:
        return None
    capacity, first, spool_id, boot = fields
    return Header(capacity, first, spool_id, boot.rstrip(b"\0").decode(errors="replace"))


# --- cursor --------------------------------------------------------------------------------


def encode_cursor(cursor: Cursor) -> tuple[int, bytes]:
    """Where to write this generation of the cursor, and what."""
    body = _CURSOR.pack(_CURSOR_MARK, cursor.generation, cursor.acknowledged, cursor.next, cursor.spool_id)
    return cursor.generation % 2 * SLOT_BYTES, _sealed(body)


def decode_cursor(data: bytes) -> Cursor | None:
    """The newest whole slot; None if there is none."""
    slots = (_unsealed(_CURSOR, _CURSOR_MARK, data[at:]) for at in (0, SLOT_BYTES))
    whole = [Cursor(*fields) for fields in slots if fields is not None]
    return max(whole, key=lambda cursor: cursor.generation, default=None)


def _sealed(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def _unsealed(layout: struct.Struct, mark: bytes, data: bytes) -> tuple[Any, ...] | None:
    body, seal = data[: layout.size], data[layout.size : layout.size + 4]
    if len(seal) < 4 or seal != struct.pack("<I", zlib.crc32(body)):
        return None
    found, *fields = layout.unpack(body)
    return tuple(fields) if found == mark else None
