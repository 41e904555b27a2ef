"""JSON lines and the tally: what scripts read, and what the summary is made of."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from agent.doubles import MS, SESSION

from sensorium import concepts
from sensorium.align import Aligner
from sensorium.event import (
    Conductance,
    Event,
    Frame,
    Intervals,
    Media,
    Modality,
    Pulse,
    Sample,
    Sound,
    Tensor,
    Text,
    Touch,
    TouchPhase,
)
from sensorium.lines import Line, event_line, symbol_line, window_line, writer
from sensorium_agent._app.listeners import Everyone, Following, LineListener
from sensorium_agent._app.tally import percentile, sample_bytes
from sensorium_agent.fuse.symbol import fuse


def a_wave(at_ms: int = 100) -> Event:
    return Event(
        Modality.GESTURE,
        "gesture_s",
        0,
        SESSION,
        at_ms * MS,
        label="open_palm",
        score=0.98765,
        features=Tensor.of(np.zeros(128)),
        media=Media("image/jpeg", b"1234"),
        metadata={"hand": "left"},
    )


def a_window():
    aligner = Aligner(SESSION, [Modality.GESTURE, Modality.TEXT])
    aligner.push(a_wave(), 100 * MS)
    return aligner.finish(400 * MS)[0]


def a_symbol():
    return fuse(a_window(), concepts.load(None), now_ns=0, device="desk", software="test")


def written(line: Line) -> Line:
    out: list[bytes] = []
    writer(out.append)(line)
    assert out[0].endswith(b"\n")
    assert out[0].count(b"\n") == 1
    return json.loads(out[0])


def test_every_line_has_the_keys_a_script_counts_on() -> None:
    for line in (event_line(a_wave(), "f"), window_line(a_window(), "f"), symbol_line(a_symbol(), "f", 1.0)):
        assert {"type", "file", "modality", "label", "score", "at_ns"} <= set(written(line))
        assert line["file"] == "f"


def test_an_event_line_tells_the_label_and_never_the_picture() -> None:
    line = written(event_line(a_wave(), "hand.jpg"))

    assert (line["modality"], line["label"], line["score"], line["at_ns"]) == ("gesture", "open_palm", 0.9877, 100 * MS)
    assert line["media_bytes"] == 4
    assert line["metadata"] == {"hand": "left"}


def test_a_window_line_says_who_was_there_and_who_was_not() -> None:
    line = written(window_line(a_window(), None))

    assert {m: slot["presence"] for m, slot in line["slots"].items()} == {"text": "absent", "gesture": "present"}
    assert line["score"] == 0.5


def test_a_symbol_line_explains_itself() -> None:
    line = written(symbol_line(a_symbol(), None, 3.14159))

    assert line["label"] == "stop"
    assert line["modality"] == "gesture"
    assert line["after_close_ms"] == 3.14
    assert line["shares"]["gesture"]["weight"] == 1.0
    assert line["timeline"][0]["label"] == "open_palm"


def test_status_lines_come_only_if_asked_for() -> None:
    quiet, loud = [], []
    everyone = Everyone([LineListener(quiet.append, None), LineListener(loud.append, None, status=True)])
    everyone.on_status("link", up=True)
    everyone.on_event(a_wave())

    assert [line["type"] for line in quiet] == ["event"]
    assert [line["type"] for line in loud] == ["link", "event"]


def test_the_tally_times_symbols_from_their_windows_close() -> None:
    listener = LineListener(None, None)
    window, symbol = a_window(), a_symbol()
    listener.on_event(a_wave())
    listener.on_window(window)
    listener.on_symbol(symbol)
    summary = listener.tally.summary()

    assert summary["stages_ms"]["window_to_edge_symbol"]["count"] == 1
    assert (summary["windows"], summary["symbols"]["edge"], summary["labels"]) == (1, 1, {"open_palm": 1})


def test_a_meaning_over_several_windows_begins_once_and_ends_once() -> None:
    lines: list[Line] = []
    symbol = a_symbol()
    following = Following([LineListener(lines.append, "b.txt")], concepts.load(), symbol.session_id)
    for index in range(3):
        start_ns = index * 500_000_000
        following.on_symbol(replace(symbol, id=f"s.{index}", start_ns=start_ns, end_ns=start_ns + 500_000_000))
    following.finish()

    assert [line["type"] for line in lines] == ["symbol", "episode", "symbol", "symbol", "episode"]
    assert [(line["phase"], line["label"], line["id"]) for line in lines if line["type"] == "episode"] == [
        ("new", "stop", "s.0"),
        ("end", "stop", "s.0"),
    ]


def test_a_symbol_of_an_earlier_run_is_not_taken_for_this_files() -> None:
    lines: list[Line] = []
    listener = LineListener(lines.append, "b.txt")
    listener.session = "another"
    listener.on_symbol(a_symbol())

    assert lines[0]["file"] is None
    assert (listener.tally.earlier, listener.tally.symbols.total()) == (1, 0)


def test_captured_bytes_are_those_of_the_raw_samples() -> None:
    sizes = {
        Frame(np.zeros((4, 5, 3), np.uint8)): 60,
        Sound(np.zeros(320, np.int16), 16000): 640,
        Pulse(np.zeros(3, np.float32), 100.0): 12,
        Conductance(np.zeros(2, np.float32), 4.0): 8,
        Intervals(np.zeros(1, np.float32)): 4,
    }
    for data, size in sizes.items():
        assert sample_bytes(Sample(Modality.VIDEO, "x", 0, 0, data)) == size
    assert sample_bytes(Sample(Modality.TEXT, "x", 0, 0, Text("häh"))) == 4
    assert sample_bytes(Sample(Modality.HAPTIC, "x", 0, 0, Touch(0, TouchPhase.DOWN, 0, 0))) == 24


def test_percentiles_are_nearest_rank_and_zero_without_data() -> None:
    assert percentile([], 0.99) == 0.0
    assert percentile(list(range(100)), 0.5) == 50
    assert percentile([1.0], 0.99) == 1.0
