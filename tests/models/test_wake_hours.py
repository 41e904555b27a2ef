"""How often nobody called: what is read for hours, and how the false wakes are added up."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "models" / "build"))

import wake_hours

RATE = 16_000


def test_no_wake_word_is_read_aloud() -> None:
    rng = np.random.default_rng(1)
    text = "Alexa and Jarvis met " + "somebody in a quiet street of the town " * 30

    own = list(itertools.islice(wake_hours.passages([], rng), 200))
    given = list(itertools.islice(wake_hours.passages([text], rng), 50))

    assert not any(wake_hours.CALLED.search(passage) for passage in own + given)
    assert all(len(passage.split()) == wake_hours.WORDS_AT_ONCE for passage in given)


def test_a_text_is_read_without_what_no_engine_can_say() -> None:
    assert wake_hours.plain("I'd go -- 3 times,\n\t* at (least)!") == "I'd go times, at least"


def test_sound_in_a_room_is_as_loud_as_a_microphone_gives_it_and_followed_by_a_pause() -> None:
    voice = np.sin(np.arange(2 * RATE) * 0.1).astype(np.float32)

    heard = wake_hours.in_a_room(voice, np.random.default_rng(2))

    assert len(heard) > len(voice) + 0.3 * RATE - 1
    assert 32767 * 10 ** (-26 / 20) - 1 <= np.abs(heard).max() <= 32767 * 10 ** (-3 / 20) + 1


def test_reading_stops_when_the_hours_are_over() -> None:
    endless = itertools.repeat(np.zeros(RATE, np.int16))

    assert sum(len(sound) for sound in wake_hours.until(endless, 10 / 3600)) == 10 * RATE


def test_runs_are_added_up_with_the_largest_rate_they_allow() -> None:
    lines = [
        {"kind": "synthetic", "source": "a", "seconds": 3600 * 9, "heard": {}},
        {"kind": "people", "source": "b", "seconds": 3600, "heard": {"alexa": 1}},
    ]

    told = list(wake_hours.rates(lines))

    assert told[0] == "all: 10.00 h, 1 false wakes (alexa 1), 0.10 an hour, at most 0.47"
    assert "synthetic: 9.00 h, 0 false wakes (none), 0.00 an hour, at most 0.33" in told


@pytest.mark.needs_models
def test_quiet_hours_hold_no_wake_word() -> None:
    seconds, heard = wake_hours.listen([np.zeros(RATE, np.int16)] * 3, pause_s=0.5)

    assert (seconds, heard.total()) == (3.0, 0)
