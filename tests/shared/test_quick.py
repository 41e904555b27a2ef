"""A frozen dataclass that is made quickly is in all else the one that it was."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from sensorium.quick import quick


@dataclass(frozen=True, slots=True)
class Plain:
    name: str
    size: int = 3
    parts: Sequence[int] = field(default_factory=list)


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    name: str
    size: int = 3
    parts: Sequence[int] = field(default_factory=list)


def test_it_takes_what_it_took() -> None:
    assert [(p.name, p.kind) for p in inspect.signature(Quick).parameters.values()] == [
        (p.name, p.kind) for p in inspect.signature(Plain).parameters.values()
    ]
    assert Quick.__init__.__annotations__ == Plain.__init__.__annotations__
    assert repr(Quick("a", size=4)) == repr(Plain("a", size=4)).replace("Plain", "Quick")
    with pytest.raises(TypeError, match=r"Quick\.__init__\(\) missing 1 required positional argument: 'name'"):
        Quick()  # type: ignore[call-arg]


def test_what_is_made_by_default_is_made_anew() -> None:
    one, other = Quick("a"), Quick("a")

    assert one == other
    assert one.parts is not other.parts


def test_it_stays_a_value_that_is_copied_and_never_changed() -> None:
    one = Quick("a", parts=(1, 2))

    assert replace(one, size=5) == Quick("a", 5, (1, 2))
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
    assert hash(one) == hash(copy.copy(one))
    with pytest.raises(FrozenInstanceError):
        one.size = 1  # type: ignore[misc]
