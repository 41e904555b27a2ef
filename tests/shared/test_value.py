"""A value is made as a struct is, and is to whoever uses it the frozen dataclass that it looks like."""

from __future__ import annotations

import copy
import gc
import importlib
import inspect
import pickle
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, is_dataclass, replace

import msgspec
import pytest

from sensorium.value import Value


@dataclass(frozen=True, slots=True)
class Plain:
    name: str
    size: int = 3
    parts: tuple[int, ...] = ()


class Quick(Value, frozen=True):
    name: str
    size: int = 3
    parts: tuple[int, ...] = ()


class Other(Value, frozen=True):
    name: str
    size: int = 3
    parts: tuple[int, ...] = ()


class Listing(Value, frozen=True):
    names: list[str] = msgspec.field(default_factory=list)


def test_it_takes_and_says_what_a_dataclass_does() -> None:
    assert [(p.name, p.kind) for p in inspect.signature(Quick).parameters.values()] == [
        (p.name, p.kind) for p in inspect.signature(Plain).parameters.values()
    ]
    assert Quick.__match_args__ == Plain.__match_args__
    assert repr(Quick("a", size=4)) == repr(Plain("a", size=4)).replace("Plain", "Quick")
    with pytest.raises(TypeError, match="Missing required argument 'name'"):
        Quick()  # type: ignore[call-arg]


def test_what_is_made_by_default_is_made_anew() -> None:
    one, other = Listing(), Listing()

    assert one == other
    assert one.names is not other.names


def test_it_is_a_dataclass_to_whoever_asks() -> None:
    one = Quick("a", parts=(1, 2))

    assert is_dataclass(Quick)
    assert [field.name for field in fields(one)] == [field.name for field in fields(Plain)]
    assert asdict(one) == asdict(Plain("a", parts=(1, 2)))
    assert replace(one, size=5) == msgspec.structs.replace(one, size=5) == Quick("a", 5, (1, 2))


def test_it_is_a_value_that_is_copied_and_never_changed() -> None:
    one = Quick("a", parts=(1, 2))

    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
    assert hash(one) == hash(copy.copy(one))
    assert one != Other("a", parts=(1, 2))
    with pytest.raises(AttributeError):
        one.size = 1  # type: ignore[misc]


def test_the_garbage_collector_passes_it_by() -> None:
    assert not gc.is_tracked(Quick("a", parts=(1, 2)))


def every(kind: type[Value] = Value) -> Iterator[type[Value]]:
    """The values of both sides, and of this file."""
    for module in ("sensorium.assemble", "sensorium.delivery", "sensorium_cloud.answer", "sensorium_cloud.quality"):
        importlib.import_module(module)
    for one in kind.__subclasses__():
        yield one
        yield from every(one)


def test_every_value_is_frozen_and_begins_without_what_others_could_change() -> None:
    kinds = [kind for kind in every() if kind is not Listing]
    assert {"Event", "Symbol", "SequencedWindow", "Arrival", "Place"} <= {kind.__name__ for kind in kinds}
    for kind in kinds:
        config = kind.__struct_config__
        assert config.frozen, kind  # else it could become part of a cycle, which nobody would find
        assert not config.gc, kind
        assert all(field.default_factory is msgspec.NODEFAULT for field in msgspec.structs.fields(kind)), kind
