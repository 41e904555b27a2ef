"""How processes of a service tell each other what they have, whoever carries it, and where some of it may be lost.

`neighbours` tells which sessions have devices here, so that what these saw meets; `hosts` which sessions have their
room here, so that there is one. They are two, as they are about different people and decide differently: every process
keeps the windows of its own devices, and one alone has a room. What both have in common is here: everybody says again
what it has, who hears nothing for a while forgets it, and a message is of one's own version or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

import msgspec

from sensorium.errors import FieldError

T = TypeVar("T")

S_NS: Final = 1_000_000_000
AGAIN_NS: Final = 5 * S_NS
"""So often everybody is told all."""
HOLDS_NS: Final = 3 * AGAIN_NS
"""So long that is believed; two tellings may be lost."""
_AT_ONCE: Final = 1000

encode: Final = msgspec.msgpack.Encoder().encode
"""The bytes of a message, a `msgspec.Struct` with a tag."""


def parts(sessions: Iterable[T]) -> Iterator[tuple[T, ...]]:
    """``sessions`` in parts that fit into a message each."""
    left = iter(sessions)
    while part := tuple(islice(left, _AT_ONCE)):
        yield part


def decoded(decoder: msgspec.msgpack.Decoder[T], message: bytes) -> T:
    """What another process said.

    Raises:
        FieldError: it is no message of this version.
    """
    try:
        return decoder.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FieldError("message", str(error)) from error
