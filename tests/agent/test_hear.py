"""`sensorium hear`: a line for what is heard in each file, whatever its format, and one for a bad file."""

from __future__ import annotations

import json
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sensorium_agent.demo
from sensorium_agent.__main__ import main

RECORDINGS = Path(__file__).parent.parent / "recordings"

pytestmark = pytest.mark.needs_models


def hear(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    code = main(["hear", *map(str, arguments)])
    out, error = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], error


def words(lines: list[dict[str, Any]]) -> list[str]:
    return [line["label"] for line in lines if line["label"] not in {"speech", None}]


def spoken(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    with wave.open(str(RECORDINGS / f"{name}.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def write(path: Path, data: bytes, *, rate_hz: int, bits: int, channels: int, coding: int = 1) -> Path:
    step = channels * bits // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, coding, channels, rate_hz, rate_hz * step, step, bits)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data
    path.write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    return path


def test_a_wake_word_is_heard_with_its_signal_quality(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = hear(capsys, RECORDINGS / "okay_nabu.wav")

    assert code == 0
    assert "okay_nabu" in words(lines)
    assert {line["modality"] for line in lines} == {"audio"}
    assert all({"snr_db", "level_dbfs", "clipped"} <= set(line["metadata"]) for line in lines)


def test_any_rate_width_and_number_of_channels_is_heard(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sound = spoken("alexa")
    stereo = np.repeat(sound, 2).astype("<f4").tobytes()
    whole = np.rint(sound * 2**31 * 0.99).astype("<i4")
    low = whole.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    files = [
        write(tmp_path / "float.wav", stereo, rate_hz=16_000, bits=32, channels=2, coding=3),
        write(tmp_path / "24.wav", low, rate_hz=16_000, bits=24, channels=1),
        write(tmp_path / "32.wav", whole.tobytes(), rate_hz=16_000, bits=32, channels=1),
    ]

    code, lines, _ = hear(capsys, *files)

    assert code == 0
    for file in files:
        assert words([line for line in lines if line["file"] == str(file)]) == ["alexa"]


def test_a_bad_file_costs_one_line_and_no_other_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound at all")

    code, lines, error = hear(capsys, tmp_path / "bad.wav", tmp_path / "none.wav", RECORDINGS / "alexa.wav")

    assert code == 1
    assert len([line for line in error.splitlines() if line.startswith("sensorium: ")]) == 2
    assert "alexa" in words(lines)


def test_a_file_in_which_nothing_is_heard_says_how_it_sounds(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    silent = write(tmp_path / "silent.wav", bytes(64_000), rate_hz=16_000, bits=16, channels=1)
    hiss = np.random.default_rng(1).normal(0, 900, 32_000).astype("<i2").tobytes()
    noisy = write(tmp_path / "noise.wav", hiss, rate_hz=16_000, bits=16, channels=1)

    _, lines, _ = hear(capsys, silent, noisy)

    assert [(line["label"], line["metadata"]["heard"]) for line in lines] == [(None, "silence"), (None, "noise")]


def test_what_was_heard_can_be_looked_at(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"

    code, _, _ = hear(capsys, RECORDINGS / "alexa.wav", RECORDINGS / "none.wav", "--overlay", sheet)

    assert code == 0
    assert sheet.read_bytes()[:4] == b"\x89PNG"


def test_a_drawing_that_cannot_be_kept_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, lines, error = hear(capsys, RECORDINGS / "alexa.wav", "--overlay", tmp_path / "sheet.xyz")

    assert code == 1
    assert lines
    assert "sheet.xyz" in error


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main([*arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_command_is_meant_for_us_after_a_wake_word_and_else_is_told_and_not_heeded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with wave.open(str(RECORDINGS / "hey_jarvis.wav")) as called:
        parameters, pcm = called.getparams(), called.readframes(called.getnframes())
    with wave.open(str(tmp_path / "aside.wav"), "wb") as aside:
        aside.setparams(parameters)
        aside.writeframes(pcm[2 * round(1.45 * parameters.framerate) :])  # "stop the music", without "hey Jarvis"
    files = [str(RECORDINGS / "hey_jarvis.wav"), str(tmp_path / "aside.wav")]
    lines = told(capsys, "run", "--play", *files, "--jsonl")

    stops = [line for line in lines if line["type"] == "event" and line["label"] == "stop"]
    assert ["aside" in line["metadata"] for line in stops] == [False, True]
    meant = {line["file"] for line in lines if line["type"] == "symbol" and line["label"] == "stop"}
    assert meant == {files[0]}


def test_a_command_that_sounds_within_a_wake_word_is_not_heeded(capsys: pytest.CaptureFixture[str]) -> None:
    wake = Path(sensorium_agent.demo.__file__).parent / "okay_nabu.wav"

    heard = [line for line in told(capsys, "run", "--play", str(wake), "--jsonl") if line["type"] == "event"]

    assert {line["label"] for line in heard if "aside" not in line["metadata"]} == {"okay_nabu", "speech"}
