"""`sensorium models use|canary|versions|bench` as a person calls them."""

from __future__ import annotations

import json
import os
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
from agent.tiny_models import litert

from sensorium_agent.__main__ import main
from sensorium_agent._app.commands import options
from sensorium_agent._app.models import bench as model_bench
from sensorium_agent._app.models.bench import Total
from sensorium_models import store

NAME = "gesture_classifier"  # comes with the code: nothing has to be fetched


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store; gives the file that came with the code."""
    monkeypatch.setenv("SENSORIUM_MODELS", str(tmp_path / "store"))
    return store.path(NAME)


def a_twin(of: Path, folder: Path) -> Path:
    """The same network under another hash: what comes after a flatbuffer is not read."""
    folder.mkdir(exist_ok=True)
    path = folder / f"twin{of.suffix}"
    path.write_bytes(of.read_bytes() + bytes(16))
    return path


def test_a_version_is_used_until_the_shipped_one_is_asked_for_again(
    shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twin = a_twin(shipped, tmp_path)

    assert main(["models", "use", NAME, str(twin)]) == 0
    blob = store.path(NAME).name
    assert capsys.readouterr().out == f"{NAME}: version {blob[:12]} is used; before: shipped\n"
    assert (store.root() / blob).read_bytes() == twin.read_bytes()
    twin.unlink()

    assert main(["models", "use", NAME, "shipped"]) == 0
    assert store.path(NAME) == shipped
    assert main(["models", "use", NAME, blob[:8]]) == 0
    assert store.path(NAME).name == blob


def test_what_does_not_fit_is_refused_in_one_line_and_remembered(
    shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    misfit = litert(tmp_path / "misfit.tflite")

    assert main(["models", "use", NAME, str(misfit)]) == 1
    first = capsys.readouterr().err
    assert main(["models", "use", NAME, str(misfit)]) == 1
    second = capsys.readouterr().err
    main(["models", "versions", NAME])

    assert "takes and gives other tensors: float32[1, 4] -> float32[1, 3], not float32" in first
    assert "was refused before" in second
    assert "--again" in second
    assert "refused: it takes and gives other tensors" in capsys.readouterr().out
    assert store.path(NAME) == shipped
    assert main(["models", "use", NAME, str(misfit), "--again"]) == 1


@pytest.mark.parametrize("wanted", ["ffffffff", "nowhere.tflite", "{tmp}/notes.txt"])
def test_a_version_that_is_none_is_one_line(
    wanted: str, shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("notes")

    assert main(["models", "use", NAME, wanted.format(tmp=tmp_path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_without_files_a_running_agent_is_asked_to_try_a_candidate(
    shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "canary", NAME, str(a_twin(shipped, tmp_path))]) == 0

    assert "tried by a running agent" in capsys.readouterr().out
    assert store.versions(NAME).candidate
    assert store.path(NAME) == shipped


@pytest.mark.needs_models
def test_a_candidate_is_judged_over_recordings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(store.root(), tmp_path / "store", copy_function=os.link)
    monkeypatch.setenv("SENSORIUM_MODELS", str(tmp_path / "store"))
    room, missing = a_room(tmp_path / "room.wav"), tmp_path / "missing.wav"
    same, other = a_twin(store.path("alexa"), tmp_path / "same"), store.path("okay_nabu")
    generous = ["--slowdown", "100", "--telling", "0", "--json"]

    assert main(["models", "canary", "alexa", str(same), "--on", str(room), *generous]) == 0
    agreed = json.loads(capsys.readouterr().out)
    assert main(["models", "canary", "alexa", str(other), "--on", str(room), str(missing), *generous]) == 1
    captured = capsys.readouterr()

    assert (agreed["decision"]["verdict"], agreed["seen"]["worst"]) == ("promote", 0.0)
    assert agreed["seen"]["runs"] >= 200
    assert json.loads(captured.out)["seen"]["runs"] == agreed["seen"]["runs"]
    assert "missing.wav" in captured.err


def a_room(path: Path) -> Path:
    """Ten seconds of noise."""
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes(np.random.default_rng(0).normal(0, 2000, 160_000).astype("<i2").tobytes())
    return path


def test_bench_tells_what_a_model_costs(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "bench", NAME, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]

    assert (row["name"], row["threads"], row["runs_on"]) == (NAME, 1, "cpu")
    assert 0 < row["cpu_p50_ms"] <= row["cpu_p99_ms"]
    assert row["load_ms"] > 0
    assert row["rss_mb"] > 0
    assert row["float_missing"].startswith("no float is kept")


def test_bench_says_what_is_missing(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "bench", "alexa"]) == 1
    assert "alexa is missing: sensorium models fetch" in capsys.readouterr().out


def test_the_total_is_held_against_what_is_wanted() -> None:
    lines = model_bench.total_lines(Total(8, 4.29, 60.5, 9.0, {"hand": 1.5, "speech": 1.25}))

    assert lines == [
        "all 8 models of the device: 4.29 MB on disk   (wanted: under 12)",
        "RSS with all of them: 60.5 MB over a bare interpreter   (wanted: under 90)",
        "from the command to the first event, s: hand 1.50, speech 1.25   (wanted: under 2)",
    ]


@pytest.mark.parametrize("limit", [["--runs", "-5"], ["--telling", "x"], ["--agreement", "5"]])
def test_a_limit_that_nothing_could_reach_is_a_wrong_command_line(
    limit: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["models", "canary", "alexa", "shipped", *limit])

    assert left.value.code == 2
    assert f"{limit[1]!r} is no" in capsys.readouterr().err


def test_limits_are_for_files_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "canary", "alexa", "shipped", "--runs", "5"]) == 2
    assert "--runs: goes with --on" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "0", "1,", "two", "1,64", "\u00b2"])
def test_thread_counts_are_checked(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["models", "bench", "--threads", text])

    assert left.value.code == 2
    assert "write numbers from 1 to 16" in capsys.readouterr().err
    assert options.threads("1, 2,1") == (1, 2)


@pytest.mark.parametrize(
    "verb", [["list"], ["fetch"], ["verify"], ["versions"], ["bench"], ["use", "x"], ["canary", "x"]]
)
def test_a_model_nobody_knows_is_a_wrong_command_line_for_every_verb(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", verb[0], "nope", *verb[1:]]) == 2
    assert capsys.readouterr().err.startswith("sensorium: no model 'nope'; there are: ")
