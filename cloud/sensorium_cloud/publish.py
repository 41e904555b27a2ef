"""The last step: a fused symbol gets its latencies and becomes bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from sensorium import wire
from sensorium.delivery import Response
from sensorium.symbol import Stage, Symbol
from sensorium.v1 import fusion_pb2
from sensorium.value import Value

_OURS: Final = frozenset(("accept", "queue", "encode", "fuse", "total"))
"""The stages that the service times."""


class Timing(Value, frozen=True):
    """A window's way through the service, on the service's monotonic clock.

    Attributes:
        received_ns: its message was here.
        accepted_ns: it was understood and admitted.
        finished_ns: it was fused.
        encode_ms: spent on its words and pictures.
        fuse_ms: how long the batch it was in took to fuse.
    """

    received_ns: int
    accepted_ns: int
    finished_ns: int
    encode_ms: float
    fuse_ms: float

    def stages(self) -> tuple[Stage, ...]:
        """Accept, queue, encode, fuse and their total; queue is whatever of the total is none of the others."""
        accept = (self.accepted_ns - self.received_ns) * 1e-6
        total = (self.finished_ns - self.received_ns) * 1e-6
        queue = max(total - accept - self.encode_ms - self.fuse_ms, 0.0)
        return (
            Stage("accept", accept),
            Stage("queue", queue),
            Stage("encode", self.encode_ms),
            Stage("fuse", self.fuse_ms),
            Stage("total", total),
        )


def timed(symbol: Symbol, timing: Timing) -> Symbol:
    """``symbol`` with the service's own stages; of what it brought, those that the service does not know better."""
    return replace(symbol, latency=(*[s for s in symbol.latency if s.name not in _OURS], *timing.stages()))


def symbol_bytes(symbol: Symbol) -> bytes:
    """The symbol as it is stored."""
    return wire.symbol_to_bytes(symbol)


def symbol_message(sequence: int, symbol: bytes) -> bytes:
    """The message that answers the window ``sequence`` with a stored symbol."""
    # A message inside another is its tag, its length and its bytes, so a stored symbol need not be taken apart.
    head = fusion_pb2.SequencedSymbol(sequence=sequence).SerializeToString()
    own = b"".join((head, _SYMBOL_TAG, _varint(len(symbol)), symbol))
    return b"".join((_ANSWER_TAG, _varint(len(own)), own))


def together(messages: Sequence[bytes]) -> bytes:
    """One message that says what all of ``messages`` say."""
    if len(messages) == 1:
        return messages[0]
    own = b"".join(part for raw in messages for part in (_ONE_TAG, _varint(len(raw)), raw))
    return b"".join((_SEVERAL_TAG, _varint(len(own)), own))


def _varint(number: int) -> bytes:
    """Protobuf's base-128 number: seven bits a byte, the lowest first, a set top bit where more follows."""
    if number <= 0x7F:
        return _SHORT[number]
    if number <= 0x3FFF:
        return bytes((number & 0x7F | 0x80, number >> 7))
    done = bytearray()
    while number > 0x7F:
        done.append(number & 0x7F | 0x80)
        number >>= 7
    done.append(number)
    return bytes(done)


_SHORT: Final = tuple(bytes((number,)) for number in range(0x80))


def _tag(number: int) -> bytes:
    """What stands before a message inside another: its field's number and the wire type "has a length"."""
    return _varint(number << 3 | 2)


_SYMBOL_TAG: Final = _tag(fusion_pb2.SequencedSymbol.DESCRIPTOR.fields_by_name["symbol"].number)
_ANSWER_TAG: Final = _tag(fusion_pb2.FuseResponse.DESCRIPTOR.fields_by_name["symbol"].number)
_SEVERAL_TAG: Final = _tag(fusion_pb2.FuseResponse.DESCRIPTOR.fields_by_name["answers"].number)
_ONE_TAG: Final = _tag(fusion_pb2.Answers.DESCRIPTOR.fields_by_name["answers"].number)


def message(response: Response) -> bytes:
    """Any other thing the service says."""
    return wire.response_to_proto(response).SerializeToString()
