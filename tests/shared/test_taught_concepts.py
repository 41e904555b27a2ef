"""What a user taught joins the vocabulary, and crosses the wire."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from sensorium import concepts, limits, wire
from sensorium.concepts import Concept, VocabularyFull
from sensorium.delivery import Hello
from sensorium.errors import FieldError
from sensorium.event import Modality
from sensorium.v1 import event_pb2, fusion_pb2


def lesson(name: str, label: str, description: str = "", **more: tuple[str, ...]) -> Concept:
    labels = MappingProxyType({Modality.GESTURE: MappingProxyType({label: 0.9})})
    return Concept(name, description, labels=labels, paraphrases=more.get("paraphrases", ()))


def meant(vocabulary: concepts.Vocabulary, label: str) -> list[str]:
    return [vocabulary.concepts[m.index].name for m in vocabulary.meanings(Modality.GESTURE, label)]


def test_a_new_concept_comes_after_the_others_and_speaks_its_name_where_nobody_described_it() -> None:
    known = concepts.load()

    vocabulary = concepts.extended(known, [lesson("open_sesame", "vulcan")])

    assert vocabulary.concepts[:-1] == known.concepts
    assert vocabulary["open_sesame"].description == "open sesame"
    assert meant(vocabulary, "vulcan") == ["open_sesame"]


def test_a_sign_of_a_known_concept_leaves_what_was_known_of_it() -> None:
    known = concepts.load()

    stop = concepts.extended(known, [lesson("stop", "crossed", paraphrases=("basta", "stop it"))])["stop"]

    assert stop.description == known["stop"].description
    assert stop.paraphrases == (*known["stop"].paraphrases, "basta")
    assert stop.labels[Modality.GESTURE] == {**known["stop"].labels[Modality.GESTURE], "crossed": 0.9}


def test_a_taught_label_means_only_what_it_was_taught_for() -> None:
    vocabulary = concepts.extended(concepts.load(), [lesson("applause", "thumb_up"), lesson("cheers", "thumb_up")])

    assert meant(vocabulary, "thumb_up") == ["cheers"]


def test_nothing_taught_changes_nothing() -> None:
    known = concepts.load()

    assert concepts.extended(known, ()) == known


def test_more_than_a_symbol_can_tell_apart_is_refused() -> None:
    many = [lesson(f"sign_{n}", f"sign_{n}") for n in range(limits.ALTERNATIVES)]

    with pytest.raises(VocabularyFull, match="at most 255; forget some"):
        concepts.extended(concepts.load(), many)


# --- on the wire -------------------------------------------------------------------------


def hello(*taught: Concept) -> Hello:
    return Hello("kitchen", "spool", taught=taught)


def test_what_was_taught_comes_out_as_it_went_in() -> None:
    said = hello(lesson("open_sesame", "vulcan", "Open the door.", paraphrases=("sesame",)), lesson("stop", "crossed"))

    assert wire.hello_from_proto(wire.hello_to_proto(said)) == said


@pytest.mark.parametrize(
    ("concept", "field"),
    [
        (fusion_pb2.TaughtConcept(name="Open!"), "taught[0].name"),
        (fusion_pb2.TaughtConcept(description="?"), "taught[0].name"),
        (fusion_pb2.TaughtConcept(name="a", description="x" * 5000), "taught[0].description"),
        (fusion_pb2.TaughtConcept(name="a", paraphrases=[" "]), "taught[0].paraphrases[0]"),
        (fusion_pb2.TaughtConcept(name="a", paraphrases=["p"] * 17), "taught[0].paraphrases"),
        (
            fusion_pb2.TaughtConcept(name="a", labels=[fusion_pb2.TaughtLabel(label="l", strength=1)]),
            "taught[0].labels[0].modality",
        ),
        (
            fusion_pb2.TaughtConcept(
                name="a", labels=[fusion_pb2.TaughtLabel(modality=event_pb2.MODALITY_GESTURE, label="l", strength=2)]
            ),
            "taught[0].labels[0].strength",
        ),
        (
            fusion_pb2.TaughtConcept(
                name="a", labels=[fusion_pb2.TaughtLabel(modality=event_pb2.MODALITY_GESTURE, strength=1)]
            ),
            "taught[0].labels[0].label",
        ),
        (
            fusion_pb2.TaughtConcept(
                name="a",
                labels=[fusion_pb2.TaughtLabel(modality=event_pb2.MODALITY_GESTURE, label="l", strength=1)] * 2,
            ),
            "taught[0].labels[1].label",
        ),
    ],
)
def test_what_breaks_the_contract_is_refused_by_its_field(concept: fusion_pb2.TaughtConcept, field: str) -> None:
    message = fusion_pb2.Hello(device_id="kitchen", spool_id="s", taught=[concept])

    with pytest.raises(FieldError) as refused:
        wire.hello_from_proto(message)

    assert refused.value.field == field


def test_a_name_twice_and_too_many_names_are_refused() -> None:
    twice = [fusion_pb2.TaughtConcept(name="a")] * 2
    many = [fusion_pb2.TaughtConcept(name=f"a{n}") for n in range(65)]

    for taught, field in ((twice, "taught[1].name"), (many, "taught")):
        with pytest.raises(FieldError) as refused:
            wire.hello_from_proto(fusion_pb2.Hello(device_id="kitchen", spool_id="s", taught=taught))
        assert refused.value.field == field
