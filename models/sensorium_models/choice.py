"""Which version of a model is used: a name in the store that points to a blob.

    names/hand_landmark.json    {"chosen": "ab12….tflite", "candidate": "", "previous": "", "refused": {…}}

Without such a file the version of the manifest is used, which is also what an empty string means here. What may
follow what is decided by `Choice`, which does no I/O; `change` does it to the file, one process at a time.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from sensorium.errors import SensoriumError
from sensorium_models.blobs import keep

SHIPPED = ""
"""The version of the manifest."""


class ChoiceDamaged(SensoriumError):
    """A pointer of the store cannot be read."""


class VersionRefused(SensoriumError):
    """A version that failed before is asked for again."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is known about the versions of one model, as names of blobs.

    Attributes:
        chosen: the one in use.
        candidate: one that a running agent tries beside it, on the same samples.
        previous: the one in use before, to which a failure of ``chosen`` leads back.
        refused: those that failed, and why; they are not tried again by themselves.
    """

    chosen: str = SHIPPED
    candidate: str = ""
    previous: str = SHIPPED
    refused: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

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
        return Choice(
            chosen=back if self.chosen == blob else self.chosen,
            candidate="" if self.candidate == blob else self.candidate,
            previous=SHIPPED if self.chosen == blob else self.previous,
            refused=refused,
        )

    def forgiving(self, blob: str) -> Choice:
        """``blob`` may be tried again."""
        return replace(self, refused={b: why for b, why in self.refused.items() if b != blob})

    def _admit(self, blob: str) -> None:
        if blob in self.refused:
            raise VersionRefused(f"{blob[:12]} was refused before ({self.refused[blob]}); to insist: --again")


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
        return Choice(**json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return Choice()
    except (OSError, ValueError, TypeError) as error:
        raise ChoiceDamaged(
            f"{path}: not a choice of versions ({error}); delete it to use what came with us"
        ) from error


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
            keep(path, json.dumps({**asdict(replace(after, refused={})), "refused": dict(after.refused)}).encode())
        return after
