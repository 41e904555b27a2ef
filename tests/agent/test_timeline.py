"""What a person sees of the JSON lines."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from agent.test_lines import a_symbol, a_wave, a_window
from rich.console import Console

from sensorium.errors import SensoriumError
from sensorium.lines import event_line, status_line, symbol_line, window_line
from sensorium_agent._app.demo import _outage, expectations
from sensorium_agent._app.timeline import Timeline, closing, spoken


def drawn(thing) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(thing)
    return console.file.getvalue()


def a_timeline() -> Timeline:
    timeline = Timeline("test")
    timeline.tell(status_line("start", start_ns=0))
    timeline.tell(event_line(a_wave(), None))
    timeline.tell(window_line(a_window(), None))
    return timeline


def test_a_window_waits_for_its_answers_then_shows_both() -> None:
    timeline = a_timeline()
    assert "…" in drawn(timeline.render())

    timeline.tell(symbol_line(a_symbol(), None, 2.5))
    timeline.tell(symbol_line(a_symbol(), None, 30.0) | {"revision": "cloud", "label": "halt"})
    picture = drawn(timeline.render())
    assert "stop" in picture
    assert "halt" in picture
    assert "2.5" in picture


def test_the_state_of_the_link_is_always_on_screen() -> None:
    timeline = a_timeline()
    timeline.tell(status_line("link", up=True))
    assert "cloud up" in drawn(timeline.render())
    timeline.tell(status_line("link", up=False))
    assert "answering alone" in drawn(timeline.render())


def test_a_sensor_that_is_down_is_noted_with_the_way_out() -> None:
    timeline = a_timeline()
    timeline.tell(status_line("sensor", name="microphone", state="down", detail="unplugged"))

    assert "microphone is down: unplugged" in drawn(timeline.render())


def test_an_event_is_told_in_a_few_words() -> None:
    line = event_line(a_wave(), None)

    assert spoken(line) == "open_palm 99%"
    assert spoken(line | {"text": "hello"}) == "“hello”"
    assert spoken(line | {"label": None}) == "keyframe 4 B"
    assert spoken(line | {"metadata": {"bpm": "72"}}) == "72 bpm"


def test_what_was_shown_is_held_against_what_was_understood(tmp_path: Path) -> None:
    recording = tmp_path / "recording.toml"
    recording.write_text(
        """
        title = "test"
        [[track]]
        kind = "text"
        file = "words.txt"
        [[expect]]
        at_s = 0.0
        note = "an open palm"
        modality = "gesture"
        label = "open_palm"
        [[expect]]
        at_s = 0.0
        note = "an open palm"
        modality = "symbol"
        label = "go"
        """
    )
    (tmp_path / "words.txt").write_text("hello\n")
    lines = [event_line(a_wave(), None), symbol_line(a_symbol(), None, 1.0)]
    found = expectations(recording, lines, 0)

    assert [e["met"] for e in found] == [True, False]
    assert found[1]["understood"] == "stop 1/1"


def test_the_last_page_has_times_and_bytes() -> None:
    summary = {
        "stages_ms": {"fuse": {"count": 1, "p50": 1.0, "p99": 2.0, "max": 2.0}},
        "windows": 3,
        "symbols": {"edge": 3, "cloud": 2},
        "captured_bytes": {"video": 1_000_000},
        "sent_bytes": {"video": 1000},
    }
    page = drawn(closing(summary, []))

    assert "3 windows, 3 symbols from the device, 2 refined by the cloud" in page
    assert "0.100%" in page


def test_an_outage_is_written_from_to() -> None:
    assert _outage("10-20") == (10.0, 20.0)
    assert _outage(None) is None
    with pytest.raises(SensoriumError, match="for example 10-20"):
        _outage("20-10")
