"""Concepts: what a symbol may mean, and which words and labels stand for it.

A vocabulary is a TOML file; ``concepts.toml`` beside this module is the default one and documents
every key. Parsing is pure; only `load` reads a file.
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

import msgspec

from sensorium import limits, settings
from sensorium.errors import SensoriumError
from sensorium.event import Modality
from sensorium.settings import SettingsError, read_text

_DEFAULT: Final = Path(__file__).with_name("concepts.toml")
_SLACK: Final = 1e-9

Labels = Mapping[Modality, Mapping[str, float]]


class VocabularyFull(SensoriumError):
    """More concepts were taught than there is room for."""


class Precedence(StrEnum):
    """Who is heard first: a concept speaks only where none of a higher precedence does."""

    COMMAND = "command"
    """What to do."""
    ADDRESS = "address"
    """To whom, or to what: a wake word, a pointing finger."""
    STATE = "state"
    """How things are: a heart rate, speech going on, a covered camera."""

    @property
    def rank(self) -> int:
        """0 for the highest."""
        return _RANKS[self]


_RANKS: Final[Mapping[Precedence, int]] = {p: rank for rank, p in enumerate(Precedence)}


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing a symbol may mean.

    Attributes:
        name: lower snake case, unique in the vocabulary.
        description: a sentence for people and for the sentence encoder.
        paraphrases: what a person may say or write.
        labels: by modality, by label: probability that who shows the label means this, in (0, 1].
        domains: what it is about, upper case by custom.
        precedence: who is heard first.
    """

    name: str
    description: str
    paraphrases: tuple[str, ...] = ()
    labels: Labels = field(default_factory=lambda: MappingProxyType({}))
    domains: tuple[str, ...] = ()
    precedence: Precedence = Precedence.COMMAND

    @property
    def phrases(self) -> tuple[str, ...]:
        """The name in words, then the paraphrases."""
        return (self.name.replace("_", " "), *self.paraphrases)


@dataclass(frozen=True, slots=True)
class Meaning:
    """A concept that a label stands for, and how probably."""

    index: int
    strength: float


class Vocabulary:
    """Concepts in a fixed order: place k in every distribution is concept k; the last place, K, is "none of them".

    Attributes:
        concepts: in order.
        digest: 64 hex digits over everything that changes an answer; equal vocabularies have equal digests.
    """

    __slots__ = ("_by_label", "_by_name", "_ranks", "concepts", "digest")

    def __init__(self, concepts: tuple[Concept, ...]) -> None:
        self.concepts = concepts
        self.digest = _digest(concepts)
        self._by_name = {concept.name: index for index, concept in enumerate(concepts)}
        self._by_label = _by_label(concepts)
        self._ranks = {
            key: min(concepts[m.index].precedence.rank for m in meant) for key, meant in self._by_label.items()
        }

    def __len__(self) -> int:
        return len(self.concepts)

    def __iter__(self) -> Iterator[Concept]:
        return iter(self.concepts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def index(self, name: str) -> int:
        """Place of the concept ``name``; KeyError if there is none."""
        return self._by_name[name]

    def __getitem__(self, name: str) -> Concept:
        return self.concepts[self._by_name[name]]

    def meanings(self, modality: Modality, label: str | None) -> tuple[Meaning, ...]:
        """The concepts ``label`` of ``modality`` stands for; empty if nobody knows it."""
        return self._by_label.get((modality, label or ""), ())

    def rank(self, modality: Modality, label: str | None) -> int:
        """The best rank of the concepts ``label`` of ``modality`` stands for; one more than all if nobody knows it."""
        return self._ranks.get((modality, label or ""), len(Precedence))


def extended(vocabulary: Vocabulary, taught: Iterable[Concept]) -> Vocabulary:
    """``vocabulary`` with what a user taught: known concepts are joined, new ones come after the others.

    A label that was taught means what it was taught for and nothing else; of two that teach the same label or name, the
    later counts for the label and both for the name. An empty description leaves the known one, or says the name.

    Raises:
        VocabularyFull: there would be more than a symbol can tell apart.
    """
    concepts = {concept.name: concept for concept in vocabulary}
    for lesson in taught:
        own = {(modality, label) for modality, labels in lesson.labels.items() for label in labels}
        concepts = {name: _without(concept, own) for name, concept in concepts.items()}
        concepts[lesson.name] = _joined(concepts.get(lesson.name), lesson)
    if len(concepts) >= limits.ALTERNATIVES:
        most = limits.ALTERNATIVES - 1
        raise VocabularyFull(f"{len(concepts)} concepts, at most {most}; forget some: sensorium teach NAME --forget")
    return Vocabulary(tuple(concepts.values()))


def load(path: Path | None = None) -> Vocabulary:
    """The vocabulary in ``path``, or the default one.

    Raises:
        SettingsError: the file cannot be read, or `parse` refuses it.
    """
    source = path or _DEFAULT
    return parse(read_text(source, "name a file of concepts"), where=str(source))


def parse(text: str, *, where: str = "vocabulary") -> Vocabulary:
    """The vocabulary that ``text`` (TOML) describes; ``where`` names it in messages.

    Raises:
        SettingsError: one line with file, key and reason.
    """
    names = _names(text, where)
    if not 1 <= len(names) < limits.ALTERNATIVES:
        raise SettingsError(where, "concept", f"needs 1 to {limits.ALTERNATIVES - 1} concepts, has {len(names)}")
    tables = settings.decode(text, _file_of(names), where=where).concept
    concepts = tuple(_concept(name, getattr(tables, field_name)) for field_name, name in names.items())
    _refuse_oversubscribed(concepts, where)
    return Vocabulary(concepts)


# --- the file --------------------------------------------------------------------------

NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
"""What a concept may be called, in full."""
_Sentence = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.TEXT_BYTES // 4)]
_Strength = Annotated[float, msgspec.Meta(gt=0, le=1)]


class _Labels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    video: dict[str, _Strength] = {}
    audio: dict[str, _Strength] = {}
    text: dict[str, _Strength] = {}
    gesture: dict[str, _Strength] = {}
    haptic: dict[str, _Strength] = {}
    biometric: dict[str, _Strength] = {}


class _Concept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    description: _Sentence
    paraphrases: tuple[_Sentence, ...] = ()
    labels: _Labels = _Labels()
    domains: Annotated[tuple[_Sentence, ...], msgspec.Meta(max_length=limits.DOMAINS - 7)] = ()
    precedence: Precedence = Precedence.COMMAND


def _file_of(names: Mapping[str, str]) -> Any:
    """The type of a file with concepts of these names: as fields, so that an error's path says which one."""
    fields = [(field_name, _Concept) for field_name in names]
    tables = msgspec.defstruct("Concepts", fields, rename=dict(names), frozen=True, forbid_unknown_fields=True)
    return msgspec.defstruct("Vocabulary", [("concept", tables)], frozen=True, forbid_unknown_fields=True)


def _names(text: str, where: str) -> dict[str, str]:
    """The concepts' names, each by a name that a struct's field may have."""
    try:
        tables = tomllib.loads(text).get("concept", {})
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(where, "", f"not TOML: {error}") from error
    if not isinstance(tables, dict):
        raise SettingsError(where, "concept", "must hold tables: [concept.NAME]")
    for name in tables:
        if not NAME.fullmatch(name) or len(name) > limits.NAME_BYTES:
            raise SettingsError(
                where, f"concept.{name}", "a name has small letters, digits and _, and begins with a letter"
            )
    return {f"concept_{number}": name for number, name in enumerate(tables)}


def _concept(name: str, table: _Concept) -> Concept:
    by_modality = {m: MappingProxyType(getattr(table.labels, m)) for m in Modality if getattr(table.labels, m)}
    labels = MappingProxyType(by_modality)
    return Concept(name, table.description, table.paraphrases, labels, table.domains, table.precedence)


def _refuse_oversubscribed(concepts: tuple[Concept, ...], where: str) -> None:
    """One label cannot mean several things with more than certainty in all."""
    for (modality, label), meanings in _by_label(concepts).items():
        total = math.fsum(m.strength for m in meanings)
        if total > 1 + _SLACK:
            key = f"concept.{concepts[meanings[-1].index].name}.labels.{modality}.{label}"
            raise SettingsError(where, key, f"all concepts' figures for this label add up to {total:g}, at most 1")


def _without(concept: Concept, taken: Collection[tuple[Modality, str]]) -> Concept:
    """The concept without the labels that were taken from it."""
    if not any((m, label) in taken for m, labels in concept.labels.items() for label in labels):
        return concept
    left = {
        m: {name: p for name, p in labels.items() if (m, name) not in taken} for m, labels in concept.labels.items()
    }
    return replace(concept, labels=_frozen(left))


def _joined(known: Concept | None, lesson: Concept) -> Concept:
    """What was known of a concept and what was taught of it."""
    if known is None:
        return replace(lesson, description=lesson.description or lesson.name.replace("_", " "))
    labels = {m: {**known.labels.get(m, {}), **lesson.labels.get(m, {})} for m in Modality}
    return replace(
        known,
        description=lesson.description or known.description,
        paraphrases=tuple(dict.fromkeys((*known.paraphrases, *lesson.paraphrases))),
        labels=_frozen(labels),
    )


def _frozen(labels: Mapping[Modality, Mapping[str, float]]) -> Labels:
    return MappingProxyType({m: MappingProxyType(dict(some)) for m, some in labels.items() if some})


def _by_label(concepts: tuple[Concept, ...]) -> dict[tuple[Modality, str], tuple[Meaning, ...]]:
    found: dict[tuple[Modality, str], tuple[Meaning, ...]] = {}
    for index, concept in enumerate(concepts):
        for modality, strengths in concept.labels.items():
            for label, strength in strengths.items():
                found[modality, label] = (*found.get((modality, label), ()), Meaning(index, strength))
    return found


def _digest(concepts: tuple[Concept, ...]) -> str:
    lines = [
        [c.name, c.description, c.paraphrases, {m: dict(s) for m, s in c.labels.items()}, c.domains, c.precedence]
        for c in concepts
    ]
    # "deterministic" sorts the tables' keys; the concepts' own order counts, being the order of every tensor.
    return hashlib.sha256(msgspec.json.encode(lines, order="deterministic")).hexdigest()
