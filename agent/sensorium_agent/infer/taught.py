"""What a user taught this device: which signs, by which examples, and what they mean.

One small file, wholly or not at all. Examples are kept as they were measured, so that a better way to compare them
needs no new ones: a hand as the 64 numbers of `classify.hand_features`, a hand's movement as the 32 points of its way,
a sound as its length and the 384 numbers of `sound_pieces`. Strokes have a file of their own (`touch.taught`), and
come along when all is exported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from sensorium import limits
from sensorium.concepts import Concept
from sensorium.errors import SensoriumError
from sensorium.event import Modality
from sensorium_agent.infer import kept

Floats = npt.NDArray[np.float32]

HAND: Final = 64
"""Numbers of a hand."""
WAY: Final = 64
"""Numbers of a movement: x and y of 32 points."""
SOUND: Final = 385
"""Numbers of a sound: how many rows of 10 ms it takes, then those of `sound_pieces`."""
STRENGTH: Final = 0.95
"""Probability that who shows a taught sign means its concept."""
MOST_EXAMPLES: Final = 64
_NAME: Final = r"^[a-z][a-z0-9_]{0,40}$"
_Name = Annotated[str, Meta(pattern=_NAME)]
_Sentence = Annotated[str, Meta(max_length=limits.TEXT_BYTES // 4)]
_Examples = Annotated[tuple[tuple[float, ...], ...], Meta(max_length=MOST_EXAMPLES)]


class TaughtError(SensoriumError):
    """What was taught cannot be read, kept or changed; one line."""


class Form(StrEnum):
    """What of a hand is the sign."""

    HELD = "held"
    """How it is held."""
    MOVED = "moved"
    """The way it goes."""


class Sign(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A sign: what it is called, by which sense it is perceived, and the concept it stands for.

    ``wake``: it is a sound that calls the device, as a wake word does. ``said``: written sentences that mean it.
    """

    name: _Name
    modality: Modality
    concept: _Name
    examples: _Examples = ()
    form: Form = Form.HELD
    wake: bool = False
    said: Annotated[tuple[_Sentence, ...], Meta(max_length=limits.TAUGHT_PARAPHRASES)] = ()

    @property
    def shown(self) -> int:
        """How many examples it has."""
        return len(self.examples) + len(self.said)


class Lesson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a taught concept means, and what one may say for it."""

    means: _Sentence = ""
    say: Annotated[tuple[_Sentence, ...], Meta(max_length=limits.TAUGHT_PARAPHRASES)] = ()


class _File(kept.Kept, frozen=True):
    signs: tuple[Sign, ...] = ()
    concepts: dict[_Name, Lesson] = msgspec.field(default_factory=dict)
    strokes: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class Taught:
    """All that was taught.

    Attributes:
        signs: by modality and name at most one.
        concepts: those that were described, by name.
        strokes: the file of strokes that came with an import, empty otherwise.
    """

    signs: tuple[Sign, ...] = ()
    concepts: Mapping[str, Lesson] = field(default_factory=lambda: MappingProxyType({}))
    strokes: bytes = b""

    def sign(self, modality: Modality, name: str) -> Sign | None:
        """The sign of this name."""
        return next((s for s in self.signs if (s.modality, s.name) == (modality, name)), None)

    def named(self, modality: Modality) -> Mapping[str, int]:
        """How many examples each sign of ``modality`` has."""
        return {s.name: s.shown for s in self.signs if s.modality is modality}

    def hands(self) -> dict[str, Floats]:
        """By name the hands [n, 64] that show it."""
        return self._examples(Modality.GESTURE, Form.HELD)

    def movements(self) -> dict[str, Floats]:
        """By name the ways [n, 32, 2] that a hand goes."""
        ways = self._examples(Modality.GESTURE, Form.MOVED)
        return {name: some.reshape(len(some), WAY // 2, 2) for name, some in ways.items()}

    def sounds(self) -> dict[str, Floats]:
        """By name what it sounds like, [n, 385]: the first number is its length in rows."""
        return self._examples(Modality.AUDIO, Form.HELD)

    def waking(self) -> frozenset[str]:
        """The sounds that call the device."""
        return frozenset(s.name for s in self.signs if s.modality is Modality.AUDIO and s.wake)

    def _examples(self, modality: Modality, form: Form) -> dict[str, Floats]:
        signs = [s for s in self.signs if s.modality is modality and s.form is form and s.examples]
        return {s.name: np.asarray(s.examples, np.float32) for s in signs}

    def lessons(self, hidden: Collection[Modality] = ()) -> tuple[Concept, ...]:
        """The concepts that signs stand for, for `concepts.extended`; signs of the senses ``hidden`` are left out."""
        signs: dict[str, list[Sign]] = {}
        for sign in self.signs:
            if sign.modality not in hidden:
                signs.setdefault(sign.concept, []).append(sign)
        return tuple(self._concept(name, own) for name, own in signs.items())

    def _concept(self, name: str, signs: Sequence[Sign]) -> Concept:
        lesson = self.concepts.get(name, Lesson())
        labels: dict[Modality, dict[str, float]] = {}
        for sign in signs:
            labels.setdefault(sign.modality, {})[sign.name] = STRENGTH
        said = dict.fromkeys((*lesson.say, *(sentence for sign in signs for sentence in sign.said)))
        frozen = MappingProxyType({m: MappingProxyType(own) for m, own in labels.items()})
        return Concept(name, lesson.means, tuple(said)[-limits.TAUGHT_PARAPHRASES :], frozen)

    def with_sign(self, sign: Sign, lesson: Lesson | None = None) -> Taught:
        """With ``sign``'s examples after those of the same name; the newest count where there are too many.

        Raises:
            TaughtError: a name is no name, or there is no room for one more.
        """
        known = self.sign(sign.modality, sign.name)
        if known and known.examples and known.form is not sign.form:
            raise TaughtError(
                f"{sign.name}: it was taught as a hand {known.form}; forget it first, or choose another name"
            )
        examples = (*(known.examples if known else ()), *sign.examples)[-MOST_EXAMPLES:]
        said = tuple(dict.fromkeys((*(known.said if known else ()), *sign.said)))[-limits.TAUGHT_PARAPHRASES :]
        sign = _checked(msgspec.structs.replace(sign, examples=examples, said=said))
        signs = (*(s for s in self.signs if s is not known), sign)
        concepts = {**self.concepts, **({sign.concept: lesson} if lesson else {})}
        taught = replace(self, signs=signs, concepts=MappingProxyType(_used(concepts, signs)))
        taught.check_room()
        return taught

    def with_only(self, name: str, examples: Floats) -> Taught:
        """With no other examples of the sound ``name`` than these: what is asked when they are tried."""
        only = tuple(example(one) for one in examples)
        changed = (msgspec.structs.replace(s, examples=only) if s.name == name else s for s in self.signs)
        return replace(self, signs=tuple(changed))

    def without(self, name: str, modality: Modality | None = None) -> Taught:
        """Without the signs called ``name``, of one sense or of all, and without concepts nothing stands for then."""
        signs = tuple(s for s in self.signs if s.name != name or modality not in (None, s.modality))
        return replace(self, signs=signs, concepts=MappingProxyType(_used(self.concepts, signs)))

    def joined(self, other: Taught) -> Taught:
        """With all of ``other``, whose signs take the place of those of the same name."""
        signs = {(s.modality, s.name): s for s in (*self.signs, *other.signs)}
        taught = replace(self, signs=tuple(signs.values()), concepts={**self.concepts, **other.concepts})
        taught.check_room()
        return taught

    def check_room(self) -> None:
        """Raises: TaughtError: more concepts or signs of one than the cloud takes from a device."""
        concepts = {sign.concept for sign in self.signs}
        if len(concepts) > limits.TAUGHT_CONCEPTS:
            raise TaughtError(f"{len(concepts)} concepts are too many, at most {limits.TAUGHT_CONCEPTS}; forget one")
        for concept in concepts:
            if (count := sum(s.concept == concept for s in self.signs)) > limits.TAUGHT_LABELS:
                raise TaughtError(f"{concept}: {count} signs are too many, at most {limits.TAUGHT_LABELS}; forget one")

    def export(self, strokes: bytes = b"") -> bytes:
        """All of it as JSON, with the file of strokes; `parse` reads it."""
        raw = msgspec.Raw(strokes or b"null")
        return kept.encode(_File(signs=self.signs, concepts=dict(self.concepts), strokes=raw))


def _used(concepts: Mapping[str, Lesson], signs: Iterable[Sign]) -> dict[str, Lesson]:
    used = {sign.concept for sign in signs}
    return {name: lesson for name, lesson in concepts.items() if name in used}


def _checked(sign: Sign) -> Sign:
    try:
        return msgspec.convert(msgspec.to_builtins(sign), Sign)
    except msgspec.ValidationError as error:
        wrong = sign.concept if "concept" in str(error) else sign.name
        raise TaughtError(f"{wrong!r} is no name; use a-z, 0-9 and _, as in open_sesame") from error


def example(numbers: Sequence[float] | Floats) -> tuple[float, ...]:
    """One as it is kept."""
    return tuple(round(float(x), 4) for x in numbers)


def parse(data: bytes, where: str = "taught") -> Taught:
    """What `Taught.export` wrote.

    Raises:
        TaughtError: it is damaged, or of another version.
    """
    file = kept.decode(data, _File, where, TaughtError)
    for sign in file.signs:
        _check_numbers(sign, where)
    strokes = bytes(file.strokes)
    return Taught(file.signs, MappingProxyType(file.concepts), b"" if strokes == b"null" else strokes)


def _check_numbers(sign: Sign, where: str) -> None:
    """Refuse examples of another length than their sense's."""
    what, count = _NUMBERS.get((sign.modality, sign.form), ("", 0))
    alike = all(len(one) == count and np.isfinite(one).all() for one in sign.examples)
    if count and not (sign.examples and alike):
        raise TaughtError(f"{where}: {sign.name}: {what} has {count} numbers; mend the file or teach anew")


_NUMBERS: Final[Mapping[tuple[Modality, Form], tuple[str, int]]] = {
    (Modality.GESTURE, Form.HELD): ("a hand", HAND),
    (Modality.GESTURE, Form.MOVED): ("a movement", WAY),
    (Modality.AUDIO, Form.HELD): ("a sound", SOUND),
}


def read(path: Path) -> Taught:
    """What is kept in ``path``; nothing if there is no such file.

    Raises:
        TaughtError: it cannot be read.
    """
    data = kept.read(path, TaughtError)
    return Taught() if data is None else parse(data, str(path))


def write(path: Path, data: bytes) -> None:
    """Keep ``data`` in ``path``, wholly or not at all.

    Raises:
        TaughtError: it cannot be written.
    """
    kept.write(path, data, TaughtError)
