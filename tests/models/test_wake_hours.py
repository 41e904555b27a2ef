"""How often nobody called: what is read for hours, and how the false wakes are added up."""

from __future__ import annotations

import itertools
import json
import sys
from collections import Counter
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


def test_what_microwakeword_alone_would_have_told_is_added_up_beside_it() -> None:
    line = {"kind": "people", "source": "b", "seconds": 3600, "heard": {}, "alone": {"alexa": 2, "hey_jarvis": 1}}

    assert list(wake_hours.rates([line, line]))[:2] == [
        "all: 2.00 h, 0 false wakes (none), 0.00 an hour, at most 1.50",
        "    without the second opinion 6 (alexa 4, hey_jarvis 2)",
    ]


def test_of_few_recordings_that_were_all_heard_many_may_yet_be_lost() -> None:
    assert wake_hours.binomial_upper(0, 10) == pytest.approx(1 - 0.05**0.1)
    assert wake_hours.binomial_upper(1, 20) == pytest.approx(0.2161, abs=1e-4)


def test_the_halves_of_a_folder_are_told_apart_by_name_and_share_nothing(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}.wav").touch()

    even, odd = (wake_hours.wavs(tmp_path, half) for half in ("even", "odd"))

    assert sorted([*even, *odd]) == wake_hours.wavs(tmp_path, "all")
    assert min(len(even), len(odd)) > 10


def test_a_run_is_kept_as_a_line_that_can_be_added_up(tmp_path: Path) -> None:
    woken = wake_hours.Woken(1800.4, Counter(alexa=1), Counter(alexa=3))

    wake_hours.keep(tmp_path / "hours.jsonl", "people", "b", woken)

    assert json.loads((tmp_path / "hours.jsonl").read_text()) == {
        "kind": "people", "source": "b", "seconds": 1800, "heard": {"alexa": 1}, "alone": {"alexa": 3},
    }  # fmt: skip


@pytest.mark.needs_models
def test_quiet_hours_hold_no_wake_word() -> None:
    woken = wake_hours.listen([np.zeros(RATE, np.int16)] * 3, pause_s=0.5)

    assert (woken.seconds, woken.heard.total(), woken.alone.total()) == (3.0, 0, 0)


@pytest.mark.needs_models
def test_a_call_that_the_second_opinion_believes_counts_with_it_and_without() -> None:
    path = Path(__file__).parents[1] / "recordings" / "alexa.wav"

    assert list(wake_hours.calls("alexa", [path])) == [
        "alexa: 1 of 1 heard of those that microWakeWord alone hears, in 1 recordings;",
        "    at most 95.0% lost (95 %)",
        "    other words heard in them: 0, without the second opinion 0",
    ]
