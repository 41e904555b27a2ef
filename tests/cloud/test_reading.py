"""How words are read among the concepts of a vocabulary, with an encoder that knows only which words there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pytest

from sensorium.concepts import Concept, Vocabulary
from sensorium_cloud.fuse.evidence import embed
from sensorium_cloud.fuse.reading import Manner, Read, Reader

HOUSE = Vocabulary(
    (
        Concept("open_door", "Open the door.", ("open the door", "let me in", "unlock the entrance")),
        Concept("lights", "Switch the lamp on.", ("light up the room", "lamp on")),
        Concept("stop", "Stop at once.", ("stop now", "don't move")),
    )
)


def encode(sentences: Sequence[str]) -> npt.NDArray[np.float32]:
    """The mean of a random direction for each word, at unit length."""
    rows = np.zeros((len(sentences), 384))
    for number, text in enumerate(sentences):
        rows[number] = sum(map(_direction, re.findall(r"[\w']+", text.lower())), np.zeros(384))
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)


def _direction(word: str) -> npt.NDArray[np.float64]:
    seed = int.from_bytes(blake2b(word.encode(), digest_size=8).digest())
    return np.random.default_rng(seed).normal(size=384)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(HOUSE, embed(HOUSE, encode), encode, Manner())


def read(reader: Reader, *lines: str) -> Read:
    return reader.read(lines, encode(lines))


def concept(reader: Reader, line: str) -> str:
    (phrase,) = read(reader, line).phrases
    return reader.vocabulary.concepts[int((reader.concepts @ phrase).argmax())].name


@pytest.mark.parametrize(
    ("line", "name"), [("please open the door", "open_door"), ("the lamp on please", "lights"), ("stop now", "stop")]
)
def test_a_sentence_is_what_it_is_most_like(reader: Reader, line: str, name: str) -> None:
    assert concept(reader, line) == name
    assert read(reader, line).known[0] > 0.5


def test_what_is_like_nothing_is_not_known(reader: Reader) -> None:
    assert read(reader, "cats sleep most of their lives").known[0] < 0.1


@pytest.mark.parametrize("line", ["?!", "...", "\N{GRINNING FACE}", "\N{THUMBS UP SIGN} \N{THUMBS UP SIGN}"])
def test_what_has_no_words_is_not_known(line: str) -> None:
    smiling = Vocabulary((Concept("smile", "\N{GRINNING FACE}"), Concept("what", "?!", ("...",))))
    reader = Reader(smiling, np.eye(2, 384, dtype=np.float32), encode, Manner())

    assert reader.read([line], np.eye(2, 384, dtype=np.float32)[:1]).known[0] == 0


def test_words_that_the_encoder_does_not_know_are_not_known() -> None:
    def blind(lines: Sequence[str]) -> npt.NDArray[np.float32]:
        """One place for all, as an encoder has for what it was not made for."""
        return np.eye(1, 384, dtype=np.float32).repeat(len(lines), axis=0)

    lost = Reader(HOUSE, embed(HOUSE, blind), blind, Manner())

    assert lost.read(["open that door"], blind(["open that door"])).known[0] == 0


@pytest.mark.parametrize("line", ["never open the door", "you must not open the door", "nobody may open the door"])
def test_a_command_told_not_to_be_done_is_not_known(reader: Reader, line: str) -> None:
    assert read(reader, line).known[0] < 0.2


def test_a_denial_that_the_vocabulary_has_is_what_it_says(reader: Reader) -> None:
    assert concept(reader, "don't move") == "stop"
    assert read(reader, "don't move").known[0] == 1


def test_no_sentence_depends_on_those_beside_it(reader: Reader) -> None:
    lines = ["open the door", "never open the door", "cats sleep", "lamp on"]
    together = read(reader, *lines)

    for row, line in enumerate(lines):
        alone = read(reader, line)
        assert together.phrases[row] == pytest.approx(alone.phrases[0], abs=1e-6)
        assert together.known[row] == pytest.approx(alone.known[0], abs=1e-6)


def test_a_reader_among_other_concepts_knows_only_those(reader: Reader) -> None:
    shop = Vocabulary((Concept("till", "Lock the till.", ("lock the till",)),))
    other = reader.among(shop, embed(shop, encode))

    assert read(other, "lock the till").known[0] > 0.5
    assert read(other, "open the door").known[0] < 0.5


def test_vectors_that_are_nothing_give_numbers(reader: Reader) -> None:
    found = reader.read(["", "never"], np.zeros((2, 384), np.float32))

    assert np.isfinite(found.phrases).all()
    assert np.isfinite(found.known).all()
