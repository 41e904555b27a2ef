"""What a sentence would say if it were not denied."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_cloud.denial import affirmed


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
