"""What must hold of every value from outside; each refusal names the field and what would be right."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Sized
from enum import StrEnum
from typing import Any, Final, TypeVar

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

from sensorium.errors import FieldError
from sensorium.limits import NAME_BYTES, TEXT_BYTES

_E = TypeVar("_E", bound=StrEnum)
_T = TypeVar("_T")

SURELY_NAME: Final = NAME_BYTES // 4
"""Characters that are no more bytes than a name may have, whichever they are."""


def text(field: str, value: str, limit: int = TEXT_BYTES) -> str:
    """At most ``limit`` bytes of UTF-8, of which a character takes at most 4."""
    if len(value) * 4 > limit and (size := len(value.encode())) > limit:
        raise FieldError(field, f"at most {limit} bytes, not {size}")
    return value


def label(field: str, value: str) -> str:
    """As long as a name, or empty."""
    return text(field, value, NAME_BYTES)


def name(field: str, value: str) -> str:
    """What something is found by: never empty."""
    if not value:
        raise FieldError(field, f"missing: 1 to {NAME_BYTES} bytes")
    return text(field, value, NAME_BYTES)


def unit(field: str, value: float) -> float:
    """A probability or another part of 1; not-a-number is none."""
    if not 0.0 <= value <= 1.0:
        raise FieldError(field, f"from 0 to 1, not {value:g}")
    return value


def finite(field: str, value: float) -> float:
    """A number, neither infinite nor not-a-number."""
    if not math.isfinite(value):
        raise FieldError(field, f"a finite number, not {value:g}")
    return value


def at_least(least: int, field: str, value: int) -> int:
    """A whole number not below ``least``."""
    if value < least:
        raise FieldError(field, f"at least {least}, not {value}")
    return value


def at_most(limit: int, field: str, values: Sized) -> None:
    """No more than ``limit`` entries."""
    if len(values) > limit:
        raise FieldError(field, f"at most {limit} entries, not {len(values)}")


def unique(field: str, keys: Iterable[Hashable]) -> None:
    """No key twice; the path ends at the second one's ``modality``."""
    seen: set[Hashable] = set()
    for i, key in enumerate(keys):
        if key in seen:
            raise FieldError(f"{field}[{i}].modality", f"{key} is already there: each at most once")
        seen.add(key)


def after(start_ns: int, end_ns: int) -> None:
    """A span ends after it starts."""
    if end_ns <= start_ns:
        raise FieldError("end_ns", f"after start_ns={start_ns}, not {end_ns}")


def member(field: str, value: int, known: Mapping[int, _E]) -> _E:
    """The enum's member of this number; unspecified and unknown ones are refused."""
    found = known.get(value)
    if found is None:
        raise FieldError(field, f"one of {', '.join(known.values())}, not number {value}")
    return found


def part(field: str, whole: Message, read: Callable[[Any], _T]) -> _T:
    """``whole``'s message ``field``, read; it must be there."""
    if not whole.HasField(field):
        raise FieldError(field, "missing")
    return within(field, getattr(whole, field), read)


def within(field: str, message: Any, read: Callable[[Any], _T]) -> _T:
    """``message``, read; a refusal's path begins with ``field``."""
    try:
        return read(message)
    except FieldError as error:
        raise error.inside(field) from None


def each(field: str, messages: Sequence[Any], read: Callable[[Any], _T]) -> tuple[_T, ...]:
    """All of a repeated field, read."""
    done: list[_T] = []
    try:
        for message in messages[:]:  # a list at once: to go through the container itself ends by an IndexError
            done.append(read(message))  # noqa: PERF401 (its length tells which one was refused)
    except FieldError as error:
        raise error.inside(f"{field}[{len(done)}]") from None
    return tuple(done)


def numbers(prefix: str, kind: type[_E], wire: EnumTypeWrapper) -> dict[_E, Any]:
    """The wire's number of each of ``kind``'s members: ``PREFIX_MEMBER``."""
    return {member: wire.Value(f"{prefix}_{member.name}") for member in kind}


def inverse(numbers: Mapping[_E, int]) -> dict[int, _E]:
    """Back from the wire's numbers."""
    return {number: member for member, number in numbers.items()}
