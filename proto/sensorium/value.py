"""Values: what a frozen dataclass with slots is, made in a tenth of its time.

The constructor of a frozen dataclass is Python that sets one field after the other; that of a msgspec struct is C. A
window on its way to its symbol is some two hundred fields.
"""

from __future__ import annotations

from dataclasses import Field, fields, make_dataclass
from functools import cache
from typing import Any, ClassVar

import msgspec


class _Fields:
    """The fields as those of a dataclass: what `dataclasses.replace`, `fields` and `is_dataclass` go by."""

    def __get__(self, _: object, kind: type[msgspec.Struct]) -> dict[str, Field[Any]]:
        return _fields(kind)


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, Field[Any]]:
    return {field.name: field for field in fields(make_dataclass(kind.__name__, kind.__struct_fields__))}


class Value(msgspec.Struct, frozen=True, gc=False):
    """Base of values, each of which says ``frozen=True`` again for type checkers.

    To whoever uses it, a value is a dataclass: `dataclasses.replace` copies it with changes. The garbage collector
    passes it by: frozen as it is made, it is part of no cycle.
    """

    __dataclass_fields__: ClassVar[Any] = _Fields()
