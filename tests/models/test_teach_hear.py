"""Sounds taught from the command line are known again, by the space that ships, and by a running agent's ear."""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from sensorium.event import Modality, Sample, Sound
from sensorium_agent.__main__ import main
from sensorium_agent.infer import lanes, taught
from sensorium_agent.infer.sound.speech import SpeechPerceiver

BUILD = Path(__file__).parents[2] / "models" / "build"
sys.path.insert(0, str(BUILD))

import sound_events  # noqa: E402

pytestmark = pytest.mark.needs_models

RATE = 16_000
KINDS = [sound_events.kind(np.random.default_rng(seed)) for seed in (3, 8, 21)]


def takes(kind: sound_events.Kind, count: int, seed: int) -> np.ndarray:
    """Some takes of a sound in a quiet room, a second apart."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(0, 8, RATE)]
    for _ in range(count):
        one = kind.make(rng)
        parts += [one / np.abs(one).max() * rng.uniform(5000, 15000), rng.normal(0, 8, RATE)]
    return np.concatenate(parts).astype(np.int16)


def saved(path: Path, pcm: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    for number, kind in enumerate(KINDS):
        saved(tmp_path / f"{number}.wav", takes(kind, 5, number))
    return tmp_path


def labels(file: Path, capsys: pytest.CaptureFixture[str]) -> list[str | None]:
    capsys.readouterr()
    assert main(["hear", str(file)]) == 0
    return [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines()]


def teach(name: str, file: Path, *more: str) -> int:
    return main(["teach", name, "--modality", "audio", "--from", str(file), *more])


def test_one_file_with_five_takes_teaches_a_sound(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert teach("rattle", home / "0.wav", "--as", "stop") == 0
    assert teach("ding", home / "1.wav") == 0
    assert "rattle\t5 examples\taudio\tstop\n" in capsys.readouterr().out

    assert labels(saved(home / "again.wav", takes(KINDS[0], 4, 50)), capsys).count("rattle") >= 3
    assert labels(saved(home / "ding.wav", takes(KINDS[1], 4, 51)), capsys).count("ding") >= 3
    other = labels(saved(home / "other.wav", takes(KINDS[2], 4, 52)), capsys)
    assert not {"rattle", "ding"} & set(other)


def test_a_forgotten_sound_is_noise_again_and_an_exported_one_is_known_elsewhere(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    again = saved(home / "again.wav", takes(KINDS[0], 4, 50))
    teach("rattle", home / "0.wav")
    assert main(["teach", "--export", str(home / "all.json")]) == 0
    assert main(["teach", "rattle", "--forget"]) == 0
    assert "rattle" not in labels(again, capsys)

    monkeypatch.setenv("XDG_STATE_HOME", str(home / "elsewhere"))
    assert main(["teach", "--import", str(home / "all.json")]) == 0
    assert "rattle" in labels(again, capsys)


def test_a_sound_that_calls_stands_for_what_wake_words_stand_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["teach", "ring", "--wake", "--from", str(home / "1.wav")]) == 0

    assert capsys.readouterr().out == "ring\t5 examples\taudio\twake\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["x", "--modality", "haptic", "--wake", "--from", "a.wav"], "x: --wake is for --modality audio"),
        (["x", "--modality", "audio", "--moving", "--from", "a.wav"], "x: --moving is for --modality gesture"),
        (["x", "--modality", "audio", "--from", "camera"], "x: camera is for --modality gesture; this is audio"),
        (["x", "--modality", "audio", "--from", "none.wav"], "none.wav: No such file"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert main(["teach", *arguments]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line


def test_a_running_ear_goes_by_what_it_learns_and_calls(home: Path) -> None:
    teach("ring", home / "1.wav", "--wake")
    (state,) = (home / "state").rglob("taught.json")
    board = taught.read(state)
    (lane,) = lanes.build({Modality.AUDIO}, "s")
    ear = lane.perceiver
    assert isinstance(ear, SpeechPerceiver)

    def hear(pcm: np.ndarray, since: int) -> list[str | None]:
        runs = [(begin, pcm[begin : begin + 320]) for begin in range(0, len(pcm), 320)]
        samples = [
            Sample(Modality.AUDIO, "mic", since + b, (since + b + len(run)) * 62_500, Sound(run, RATE))
            for b, run in runs
        ]
        return [event.label for sample in samples for event in ear.perceive(sample)]

    pcm = takes(KINDS[1], 3, 60)
    assert "ring" not in hear(pcm, 0)
    ear.learn(lanes.own_sounds(board))
    assert hear(pcm, len(pcm)).count("ring") >= 2
    ear.learn(None)
    assert "ring" not in hear(pcm, 2 * len(pcm))
