"""What a line's words say without a model, in any language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.concepts import Concept, Vocabulary
from sensorium.phrases import exact, match
from sensorium.wording import bare, says_nothing, words

WORLD = Vocabulary(
    (
        Concept("porte", "Ouvrir.", ("ouvre la porte", "déverrouille l'entrée")),
        Concept("licht", "Licht.", ("mach das Licht an", "Grüße Straße")),
        Concept("deng", "Light.", ("开灯", "打开电灯")),
        Concept("hello", "Hello.", ("नमस्ते", "привет, мир", "שלום")),
        Concept("lights_off", "Dark.", ("turn off the lights", "don't shine")),
        Concept("music_off", "Silence.", ("stop the music",)),
    )
)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Ouvre la porte !", "porte"),
        ("deverrouille l\N{RIGHT SINGLE QUOTATION MARK}entree", "porte"),
        ("MACH DAS LICHT AN", "licht"),
        ("grusse strasse", "licht"),
        ("开灯。", "deng"),
        ("नमस्ते!", "hello"),
        ("ПРИВЕТ МИР", "hello"),
        ("שלום", "hello"),
        ("please turn off the light", "lights_off"),
        ("dont shine", "lights_off"),
        ("lights off", "lights_off"),
    ],
)
def test_a_known_phrase_is_known_in_any_script(line: str, name: str) -> None:
    assert exact(line, WORLD) == WORLD.index(name)
    assert match(line, WORLD) == {WORLD.index(name): 0.97}


def test_a_few_words_more_leave_a_phrase_known() -> None:
    assert list(match("请开灯", WORLD)) == [WORLD.index("deng")]


@pytest.mark.parametrize("line", ["bonjour", "关灯", "नमस्कार", "stop not", "don't stop the music", "shine"])
def test_what_only_looks_like_a_phrase_is_none(line: str) -> None:
    assert exact(line, WORLD) is None
    assert not match(line, WORLD)


@pytest.mark.parametrize("line", ["turn off the lights, not the music", "turn off the lights but don't stop the music"])
def test_what_is_set_against_a_command_is_not_heard(line: str) -> None:
    assert list(match(line, WORLD)) == [WORLD.index("lights_off")]


def test_a_phrase_of_two_concepts_is_nobodys() -> None:
    both = Vocabulary((Concept("ano", "Year.", ("año",)), Concept("other", "Other.", ("ano",))))

    assert exact("año", both) == 0
    assert exact("go", Vocabulary((Concept("x", "", ("go",)), Concept("y", "", ("go",))))) is None


@pytest.mark.parametrize("line", ["a", "hm", "um, well", "and then the", "what is it", "?!", "", "x"])
def test_some_words_say_nothing(line: str) -> None:
    assert says_nothing(line)


@pytest.mark.parametrize("line", ["stop", "on", "up", "seven", "7", "no", "yes", "开", "он"])
def test_directions_numbers_and_answers_say_something(line: str) -> None:
    assert not says_nothing(line)


@given(st.text(max_size=80))
def test_any_text_has_words(line: str) -> None:
    assert all(map(bare, words(line))) or not words(line)
    assert sum(match(line, WORLD).values()) < 0.98
