"""Taught concepts as protobuf."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import MappingProxyType

from sensorium.concepts import NAME, Concept
from sensorium.errors import FieldError
from sensorium.event import Modality
from sensorium.limits import TAUGHT_CONCEPTS, TAUGHT_LABELS, TAUGHT_PARAPHRASES, TEXT_BYTES
from sensorium.v1 import fusion_pb2 as pb
from sensorium.wire._checks import at_most, each, member, name, text
from sensorium.wire._event import MODALITY, MODALITY_NUMBER


def concept_to_proto(concept: Concept) -> pb.TaughtConcept:
    """The concept's message; domains and precedence stay at home."""
    labels = [
        pb.TaughtLabel(modality=MODALITY_NUMBER[modality], label=label, strength=strength)
        for modality, strengths in concept.labels.items()
        for label, strength in strengths.items()
    ]
    return pb.TaughtConcept(
        name=concept.name, description=concept.description, paraphrases=concept.paraphrases, labels=labels
    )


def taught_from_proto(messages: Sequence[pb.TaughtConcept]) -> tuple[Concept, ...]:
    """What a device says it was taught.

    Raises:
        FieldError: too much of it, or a value is not what the contract promises.
    """
    at_most(TAUGHT_CONCEPTS, "taught", messages)
    concepts = each("taught", messages, concept_from_proto)
    _once("taught", "name", [concept.name for concept in concepts])
    return concepts


def concept_from_proto(message: pb.TaughtConcept) -> Concept:
    """The message's concept.

    Raises:
        FieldError: a value is not what the contract promises.
    """
    found = name("name", message.name)
    if not NAME.fullmatch(found):
        raise FieldError("name", "small letters, digits and _, beginning with a letter")
    at_most(TAUGHT_PARAPHRASES, "paraphrases", message.paraphrases)
    at_most(TAUGHT_LABELS, "labels", message.labels)
    labels = each("labels", message.labels, _label)
    _once("labels", "label", [(modality, label) for modality, label, _ in labels])
    by_modality = {m: {label: p for modality, label, p in labels if modality is m} for m in Modality}
    return Concept(
        found,
        text("description", message.description),
        tuple(_phrase(i, phrase) for i, phrase in enumerate(message.paraphrases)),
        MappingProxyType({m: MappingProxyType(own) for m, own in by_modality.items() if own}),
    )


def _phrase(index: int, phrase: str) -> str:
    if not phrase.strip():
        raise FieldError(f"paraphrases[{index}]", "missing: words")
    return text(f"paraphrases[{index}]", phrase, TEXT_BYTES // 4)


def _label(message: pb.TaughtLabel) -> tuple[Modality, str, float]:
    if not 0 < message.strength <= 1:
        raise FieldError("strength", f"above 0 to 1, not {message.strength:g}")
    return member("modality", message.modality, MODALITY), name("label", message.label), message.strength


def _once(field: str, part: str, keys: Iterable[object]) -> None:
    seen: set[object] = set()
    for index, key in enumerate(keys):
        if key in seen:
            raise FieldError(f"{field}[{index}].{part}", "is already there: each at most once")
        seen.add(key)
