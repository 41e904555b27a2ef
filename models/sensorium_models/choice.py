"""Which version of a model is used: a name in the store that points to a blob.

    names/hand_landmark.json    {"chosen": "ab12….tflite", "candidate": "", "previous": "", "refused": {…}, …}

Without such a file the version of the manifest is used, which is also what an empty string means here. What may
follow what is decided by `Choice`, which does no I/O; `change` does it to the file, one process at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from sensorium.errors import SensoriumError
from sensorium_models.blobs import keep

SHIPPED = ""
"""The version of the manifest."""

_DEATHS: Final = 2
"""So many agents in a row may die with a version that is not proven while the machine lives."""
_POWER_CUTS: Final = 5
"""So many in a row may go down with the machine: who pulls its plug does no more, but a version may draw too much."""

_KNOWN: Final[Mapping[str, type]] = {"refused": str, "unended": list, "proven": str}
"""What is known of each version, by the field; the others are names of versions."""

T = TypeVar("T")


class ChoiceDamaged(SensoriumError):
    """A pointer of the store cannot be read."""


class VersionRefused(SensoriumError):
    """A version that failed before is asked for again."""


class VersionDeadly(SensoriumError):
    """Agents died while they ran a version."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is known about the versions of one model, as names of blobs.

    Attributes:
        chosen: the one in use.
        candidate: one that a running agent tries beside it, on the same samples.
        previous: the one in use before, to which a failure of ``chosen`` leads back.
        refused: those that failed, and why; they are not tried again by themselves.
        unended: the boots in which an agent began to run a version, in a row, and nobody knows that it ended in order.
        proven: those that ran long enough that an agent's sudden end is not held against them, and how long.
    """

    chosen: str = SHIPPED
    candidate: str = ""
    previous: str = SHIPPED
    refused: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    unended: Mapping[str, Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))
    proven: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def using(self, blob: str) -> Choice:
        """``blob`` in use from now on.

        Raises:
            VersionRefused: it failed before.
        """
        self._admit(blob)
        if blob == self.chosen:
            return replace(self, candidate="")
        return replace(self, chosen=blob, previous=self.chosen, candidate="")

    def trying(self, blob: str) -> Choice:
        """``blob`` beside the one in use.

        Raises:
            VersionRefused: it failed before.
        """
        self._admit(blob)
        return replace(self, candidate=blob)

    def promoting(self, blob: str) -> Choice:
        """The candidate proved itself."""
        return self.using(blob) if self.candidate == blob else self

    def refusing(self, blob: str, why: str) -> Choice:
        """``blob`` failed: away with it, back to what was in use before, and never again by itself."""
        refused = {**self.refused, blob: why}
        back = self.previous if self.previous not in refused else SHIPPED
        return replace(
            self,
            chosen=back if self.chosen == blob else self.chosen,
            candidate="" if self.candidate == blob else self.candidate,
            previous=SHIPPED if self.chosen == blob else self.previous,
            refused=refused,
            unended=_without(self.unended, blob),
            proven=_without(self.proven, blob),
        )

    def forgiving(self, blob: str) -> Choice:
        """``blob`` may be tried again."""
        return replace(self, refused=_without(self.refused, blob))

    def beginning(self, blob: str, boot_id: str) -> Choice:
        """An agent is about to run ``blob`` in this boot of the machine.

        Raises:
            VersionDeadly: it is not proven, and the last agents that ran it never ended in order.
        """
        if blob == SHIPPED or blob in self.proven:
            return self
        begun = [*self.unended.get(blob, ()), boot_id]
        alone = sum(before == after for before, after in itertools.pairwise(begun))
        if alone >= _DEATHS or len(begun) - 1 - alone >= _POWER_CUTS:
            raise VersionDeadly(f"the agent died {len(begun) - 1} times in a row while it ran")
        return replace(self, unended={**self.unended, blob: begun})

    def ended(self, blob: str) -> Choice:
        """The agent that ran ``blob`` ends in order."""
        return replace(self, unended=_without(self.unended, blob))

    def proving(self, blob: str, how: str) -> Choice:
        """``blob`` ran for long, and nobody died."""
        return replace(self.ended(blob), proven={**self.proven, blob: how})

    def _admit(self, blob: str) -> None:
        if blob in self.refused:
            raise VersionRefused(f"{blob[:12]} was refused before ({self.refused[blob]}); to insist: --again")


def _without(known: Mapping[str, T], blob: str) -> dict[str, T]:
    return {b: what for b, what in known.items() if b != blob}


def place(root: Path, name: str) -> Path:
    """Where the pointer of a model lies."""
    return root / "names" / f"{name}.json"


def read(root: Path, name: str) -> Choice:
    """What was chosen for a model.

    Raises:
        ChoiceDamaged: the file is no such choice.
    """
    path = place(root, name)
    try:
        return _checked(Choice(**json.loads(path.read_bytes())))
    except (FileNotFoundError, NotADirectoryError):
        return Choice()
    except (OSError, ValueError, TypeError) as error:
        raise ChoiceDamaged(
            f"{path}: not a choice of versions ({error}); delete it to use what came with us"
        ) from error


def _checked(choice: Choice) -> Choice:
    """``choice`` if it holds what its fields say: whoever asks it relies on that.

    Raises:
        ValueError: it does not.
    """
    for each in fields(Choice):
        value, kind = getattr(choice, each.name), _KNOWN.get(each.name)
        if not (isinstance(value, str) if kind is None else _is_of(value, kind)):
            raise ValueError(f"{each.name} is {json.dumps(value)[:40]}")
    return choice


def _is_of(value: object, kind: type) -> bool:
    return isinstance(value, Mapping) and all(isinstance(known, kind) for known in value.values())


def change(root: Path, name: str, step: Callable[[Choice], Choice]) -> Choice:
    """Take one step with a model's choice, while no other process does; returns what holds now.

    Raises:
        ChoiceDamaged: the file is no such choice.
        OSError: the store cannot be written.
    """
    path = place(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read(root, name)
        after = step(before)
        if after != before:
            keep(path, json.dumps({f.name: _plain(getattr(after, f.name)) for f in fields(after)}).encode())
        return after


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value


@contextlib.contextmanager
def sole_agent(root: Path) -> Iterator[bool]:
    """Be the one agent of this store while inside; gives False where another lives or the store cannot be written."""
    path = root / "names" / ".agent"
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fcntl.flock(stack.enter_context(path.open("w")), fcntl.LOCK_EX | fcntl.LOCK_NB)
            sole = True
        except OSError:
            sole = False
        yield sole
