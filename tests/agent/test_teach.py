"""Strokes taught from the command line are known when files are played."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from sensorium_agent.__main__ import main

VEE = [(0.2, 0.2), (0.4, 0.7), (0.6, 0.2)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    return tmp_path


def drawn(path: Path, corners: list[tuple[float, float]], *, width: float = 1.0, begin_s: float = 0.0) -> Path:
    """A touch file of one stroke, in units of 1/``width`` pad widths."""
    parts = [np.linspace(a, b, 15) for a, b in itertools.pairwise(corners)]
    points = np.concatenate(parts) * width
    lines = [json.dumps({"width": width})] if width > 1 else []
    for number, (x, y) in enumerate(points.tolist()):
        phase = "down" if number == 0 else "up" if number == len(points) - 1 else "move"
        lines.append(json.dumps({"t_s": begin_s + number * 0.02, "pointer": 0, "phase": phase, "x": x, "y": y}))
    path.write_text("\n".join(lines) + "\n")
    return path


def played(file: Path, capsys: pytest.CaptureFixture[str]) -> list[str | None]:
    assert main(["run", "--play", str(file), "--jsonl"]) == 0
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return [line["label"] for line in lines if line["type"] == "event"]


def test_a_taught_stroke_is_known_when_it_is_played_in_pixels_and_turned(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = drawn(home / "other.jsonl", [(0.7, 0.3), (0.75, 0.75), (0.95, 0.4)], width=1080)
    assert played(other, capsys) == [None]

    assert main(["teach", "my_vee", "--modality", "haptic", "--from", str(drawn(home / "vee.jsonl", VEE))]) == 0
    assert capsys.readouterr().out == "my_vee\t1 example\thaptic\tmy_vee\n"

    assert played(other, capsys) == ["my_vee"]


def test_what_was_taught_is_exported_and_forgotten(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["teach", "vee", "--from", str(drawn(home / "vee.jsonl", VEE))])
    assert main(["teach", "--export", str(home / "copy.json")]) == 0
    assert b'"vee"' in (home / "copy.json").read_bytes()
    capsys.readouterr()

    assert main(["teach", "vee", "--forget"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["teach", "vee", "--forget"]) == 1


def test_where_nothing_is_taught_one_line_says_so_beside_an_empty_list(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["teach"]) == 0

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "nothing is taught; begin with: sensorium teach NAME --from FILE...\n"


def test_one_bad_file_takes_nothing_from_the_others(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "bad.jsonl").write_text("no\n")
    good = drawn(home / "vee.jsonl", VEE)

    assert main(["teach", "vee", "--from", str(home / "bad.jsonl"), str(good), str(home / "none.jsonl")]) == 1

    out, err = capsys.readouterr()
    assert out == "vee\t1 example\thaptic\tvee\n"
    named = [line.split(": ")[:2] for line in err.splitlines()]
    assert named == [["sensorium", str(home / "bad.jsonl")], ["sensorium", str(home / "none.jsonl")]]


def test_a_drawing_that_cannot_be_learned_from_names_its_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    still = drawn(home / "still.jsonl", [(0.5, 0.5), (0.5, 0.5)])

    assert main(["teach", "Vee!", "--from", str(drawn(home / "vee.jsonl", VEE)), str(still)]) == 1

    assert all(line.startswith(f"sensorium: {home}") for line in capsys.readouterr().err.splitlines())


def test_a_name_that_is_built_in_is_said_to_be(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vee = str(drawn(home / "vee.jsonl", VEE))

    assert main(["teach", "swipe_left", "--from", vee]) == 0
    assert "swipe_left: it is built in" in capsys.readouterr().err
    assert main(["teach", "swipe_left", "--from", vee]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments", [["Vee!", "--from", "{vee}"], ["vee"], ["vee", "--from", "{tap}"], ["--from", "{vee}"], ["--forget"]]
)
def test_what_cannot_be_taught_is_refused_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    drawn(home / "vee.jsonl", VEE)
    drawn(home / "tap.jsonl", [(0.5, 0.5), (0.501, 0.5)])
    files = {"vee": home / "vee.jsonl", "tap": home / "tap.jsonl"}

    assert main(["teach", *(argument.format(**files) for argument in arguments)]) == 1

    assert len(capsys.readouterr().err.splitlines()) == 1
