"""What a sentence would say if it were not denied."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.denial import Denial, affirmed, denial


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("never open the door", "open the door"),
        ("don't open the door", "open the door"),
        ("don\N{RIGHT SINGLE QUOTATION MARK}t open the door!", "open the door!"),
        ("dont open the door", "open the door"),
        ("Do not open the door, please.", "open the door, please."),
        ("you cannot open the door now", "you open the door now"),
        ("nobody may open the door", "may open the door"),
        ("by no means open the door", "by means open the door"),
        ("open the door? no, don't", "open the door? no,"),
        ("I refuse to open the door", "I to open the door"),
    ],
)
def test_marks_of_denial_are_taken_out(line: str, plain: str) -> None:
    assert affirmed(line) == plain


@pytest.mark.parametrize(
    "line",
    [
        "open the door",
        "another note about nothingness",  # words that only look like marks
        "I can't get up",  # says how things are
        "I cant get up",
        "no, I disagree",  # answers, and goes on
        "certainly not",  # there is nothing that could be denied
        "no",
        "",
    ],
)
def test_what_denies_nothing_is_left_alone(line: str) -> None:
    assert affirmed(line) is None


@given(st.text(max_size=80))
def test_any_text_is_taken(line: str) -> None:
    plain = affirmed(line)

    assert plain is None or plain.strip()


@pytest.mark.parametrize(
    ("line", "stands"),
    [
        ("turn off the light, not the music", "turn off the light"),
        ("turn off the light not the music", "turn off the light"),
        ("turn off the light and not the music", "turn off the light"),
        ("turn off the light but don't stop the music", "turn off the light"),
        ("Turn off the light. Don't stop the music.", "Turn off the light"),
        ("open the window instead of the door", "open the window"),
        ("open the window rather than the door", "open the window"),
        ("turn left not right", "turn left"),
        ("turn on the light, no music", "turn on the light"),
        ("play music without lyrics", "play music"),
        ("not the music but the light", "the light"),
    ],
)
def test_of_two_parts_set_against_each_other_one_stands(line: str, stands: str) -> None:
    assert denial(line) == Denial(stands=stands)


@pytest.mark.parametrize(
    "line",
    [
        "turn on the light, not now",
        "open the door, no, don't",
        "turn on the light, no wait",
        "it is not the light",
        "stop not the music",
        "never open the door, not the window",
    ],
)
def test_what_is_put_off_or_taken_back_does_not_stand(line: str) -> None:
    found = denial(line)

    assert found is not None
    assert not found.stands
    assert found.denied


@pytest.mark.parametrize("line", ["stop not", "certainly not", "go never"])
def test_a_mark_that_comes_last_is_told(line: str) -> None:
    found = denial(line)

    assert found is not None
    assert found.afterthought
