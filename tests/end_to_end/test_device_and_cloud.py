"""The main job with real processes: a device, a cloud service, and what happens when one goes away."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from end_to_end.test_cloud_process import SMALL

from sensorium_agent._app.demo import CloudProcess

Line = dict[str, Any]
pytestmark = pytest.mark.needs_models

WORDS = ["stop", "go", "hello", "help me", "turn on the light", "next", "yes", "no"]


def typed(folder: Path, lines: int) -> Path:
    """Somebody typing twice a second."""
    path = folder / "words.txt"
    path.write_text("".join(f"{n * 0.5 + 0.1:.1f}\t{WORDS[n % len(WORDS)]}\n" for n in range(lines)))
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Long enough that a cloud can go and come back meanwhile."""
    return typed(tmp_path, 28)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudProcess]:
    monkeypatch.chdir(SMALL)
    with CloudProcess(tmp_path, "--config", "cloud.toml") as process:
        yield process


@contextmanager
def agent(*arguments: str | Path) -> Iterator[Iterator[Line]]:
    command = [sys.executable, "-m", "sensorium_agent", "run", "--jsonl", "--status", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield map(json.loads, process.stdout)
        except BaseException:
            process.kill()
            raise
        process.stdout.close()
    assert process.returncode == 0


def answers(lines: list[Line], revision: str) -> Counter[tuple[str, int]]:
    return Counter(
        (x["id"], x["window_revision"]) for x in lines if x["type"] == "symbol" and x["revision"] == revision
    )


def told(lines: list[Line]) -> set[tuple[str, int]]:
    return {(x["id"], x["revision"]) for x in lines if x["type"] == "window" and x["score"] > 0}


def test_every_window_is_answered_once_by_the_device_and_once_by_the_cloud(
    tmp_path: Path, recording: Path, cloud: CloudProcess
) -> None:
    with agent("--play", recording, "--cloud", cloud.target, "--spool", tmp_path / "s") as out:
        lines = list(out)

    edge, refined = answers(lines, "edge"), answers(lines, "cloud")
    assert set(refined) == told(lines)
    assert set(refined.values()) == {1}
    assert set(edge.values()) == {1}
    assert next(x for x in lines if x["type"] == "summary")["spool"]["waiting"] == 0


def test_a_cloud_that_dies_changes_nothing_but_revisions_and_gets_what_was_spooled_when_it_is_back(
    tmp_path: Path, recording: Path, cloud: CloudProcess
) -> None:
    lines: list[Line] = []
    with (
        ThreadPoolExecutor(1) as aside,
        agent("--live", "--play", recording, "--cloud", cloud.target, "--spool", tmp_path / "s") as out,
    ):
        killed_at, back = None, None
        for line in out:
            lines.append(line)
            if killed_at is None and line["type"] == "symbol" and line["revision"] == "cloud":
                cloud.kill()
                killed_at = len(answers(lines, "edge"))
            elif killed_at and back is None and len(answers(lines, "edge")) >= killed_at + 4:
                back = aside.submit(cloud.start)  # meanwhile the agent's lines are read on
        assert back is not None
        back.result()

    edge, refined = answers(lines, "edge"), answers(lines, "cloud")
    links = [x["up"] for x in lines if x["type"] == "link"]
    assert links[:3] == [True, False, True]
    assert told(lines) <= set(edge)
    assert set(refined) == told(lines)
    assert set(refined.values()) == {1}
    assert set(edge.values()) == {1}


def test_the_device_answers_alone_where_nobody_listens(tmp_path: Path) -> None:
    with agent("--live", "--play", typed(tmp_path, 12), "--cloud", "127.0.0.1:9", "--spool", tmp_path / "s") as out:
        lines = list(out)
    summary = next(x for x in lines if x["type"] == "summary")

    assert told(lines) <= set(answers(lines, "edge"))
    assert not answers(lines, "cloud")
    assert summary["spool"]["waiting"] == len(told(lines))
    assert summary["stages_ms"]["window_to_edge_symbol"]["p99"] < 100


def test_the_same_file_gives_the_same_events_and_windows_every_time(recording: Path) -> None:
    runs = []
    for _ in range(2):
        with agent("--play", recording) as out:
            runs.append([x for x in out if x["type"] in ("event", "window")])

    assert runs[0] == runs[1]
    assert len(runs[0]) > 16
