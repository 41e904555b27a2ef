"""Whatever arrives, nothing but a refusal comes out, and what is let in is sound."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from shared.examples import a_symbol, a_window

from sensorium import wire
from sensorium.delivery import Ack, Hello, Refusal, SequencedSymbol, SequencedWindow, Welcome
from sensorium.errors import FieldError

ROUNDS = 1500
NASTY: dict[int, tuple[Any, ...]] = {
    FieldDescriptor.CPPTYPE_INT64: (0, -1, 2**63 - 1, -(2**63)),
    FieldDescriptor.CPPTYPE_UINT64: (0, 1, 2**64 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 1, 17, 2**32 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (0, 1, 99, -1, 2**31 - 1),
    FieldDescriptor.CPPTYPE_BOOL: (False, True),
    FieldDescriptor.CPPTYPE_DOUBLE: (math.nan, math.inf, -math.inf, -0.0, 1e308, 5e-324, 1.5, -1.0),
}
WORDS = ("", "x", "x" * 5000, "\0", "\U0010ffff" * 60)

Way = tuple[Message, Callable[[Any], Any], Callable[[Any], Message]]
WAYS: dict[str, Way] = {
    "several answers": (
        wire.responses_to_proto([Ack(4), SequencedSymbol(5, a_symbol())]),
        wire.responses_from_proto,
        wire.responses_to_proto,
    ),
    "window": (wire.window_to_proto(a_window()), wire.window_from_proto, wire.window_to_proto),
    "symbol": (wire.symbol_to_proto(a_symbol()), wire.symbol_from_proto, wire.symbol_to_proto),
    **{
        f"request: {type(request).__name__}": (
            wire.request_to_proto(request),
            wire.request_from_proto,
            wire.request_to_proto,
        )
        for request in (Hello("pi", "spool-1"), (SequencedWindow(1, a_window()),))
    },
    **{
        f"response: {type(response).__name__}": (
            wire.response_to_proto(response),
            wire.response_from_proto,
            wire.response_to_proto,
        )
        for response in (SequencedSymbol(1, a_symbol()), Refusal(1, 3, "windows", "too many"), Welcome(0, 64, 1 << 20))
    },
}


def check(data: bytes, way: Way) -> bool:
    """Whether ``data`` is let in; then it also comes back unchanged."""
    sample, read, write = way
    try:
        one = read(type(sample).FromString(data))
    except (DecodeError, FieldError):
        return False
    if isinstance(one, tuple) and any(isinstance(each, Refusal) for each in one):
        return False
    assert read(type(sample).FromString(write(one).SerializeToString())) == one, data.hex()
    return True


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut out, double or append some bytes."""
    new = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(new) + 1)
        match chance.randrange(4):
            case 0:
                new[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del new[at : at + chance.randint(1, 8)]
            case 2:
                new[at:at] = new[at : at + chance.randint(1, 40)]
            case _:
                new[at:at] = chance.randbytes(chance.randint(1, 4))
    return bytes(new)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_mutated_bytes_are_refused_or_sound(way: Way) -> None:
    chance, data = random.Random(1), way[0].SerializeToString()

    for _ in range(ROUNDS):
        check(mutated(data, chance), way)


def messages_in(message: Message) -> Iterator[Message]:
    """``message`` and all it holds."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for inner in [value] if isinstance(value, Message) else value:
            yield from messages_in(inner)


def spoil(message: Any, field: FieldDescriptor, chance: random.Random) -> None:
    """Give one field a value that is odd for its type, or none."""
    held = getattr(message, field.name)
    if chance.random() < 0.2 or field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        message.ClearField(field.name)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        word = chance.choice(WORDS)
        odd = word.encode() if field.type == FieldDescriptor.TYPE_BYTES else word
        held.append(odd) if field.is_repeated else setattr(message, field.name, odd)
    elif field.is_repeated:
        held.append(chance.choice(NASTY[field.cpp_type]))
    else:
        setattr(message, field.name, chance.choice(NASTY[field.cpp_type]))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_odd_values_are_refused_or_sound(way: Way) -> None:
    chance = random.Random(2)
    verdicts = set()

    for _ in range(ROUNDS):
        message = type(way[0])()
        message.CopyFrom(way[0])
        target = chance.choice(list(messages_in(message)))
        spoil(target, chance.choice(target.DESCRIPTOR.fields), chance)
        verdicts.add(check(message.SerializeToString(), way))

    assert verdicts == {True, False}, "the fuzzing reaches both what is let in and what is not"
