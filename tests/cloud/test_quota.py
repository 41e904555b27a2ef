"""As many workers as the process may use processors, whichever version of control groups says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensorium_cloud._app.quota import processors
from sensorium_cloud._app.workers import how_many


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of eight."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def within(tmp_path: Path, path: str) -> int:
    (tmp_path / "own").write_text(path + "\n")
    return processors(tmp_path / "groups", tmp_path / "own")


def test_without_groups_all_processors_are_used(tmp_path: Path) -> None:
    assert processors(tmp_path / "none", tmp_path / "none") == 8
    assert how_many(3) == 3


@pytest.mark.parametrize(
    ("said", "workers"), [("100000 100000", 1), ("150000 100000", 2), ("5000 100000", 1), ("max 100000", 8), ("", 8)]
)
def test_a_container_of_version_2_has_as_many_as_it_may_use(tmp_path: Path, said: str, workers: int) -> None:
    group(tmp_path / "groups", cpu__max=said)

    assert within(tmp_path, "0::/") == workers


@pytest.mark.parametrize(("quota", "workers"), [("300000", 3), ("250000", 3), ("1000", 1), ("-1", 8), ("?", 8)])
@pytest.mark.parametrize("mounted", ["cpu", "cpu,cpuacct"])
def test_a_container_of_version_1_has_as_many_as_it_may_use(
    tmp_path: Path, mounted: str, quota: str, workers: int
) -> None:
    group(tmp_path / "groups" / mounted, cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000")

    assert within(tmp_path, "4:cpu,cpuacct:/docker/abc") == workers


def test_the_narrowest_of_all_groups_above_counts(tmp_path: Path) -> None:
    group(tmp_path / "groups" / "system.slice", cpu__max="200000 100000")
    group(tmp_path / "groups" / "system.slice" / "cloud.service", cpu__max="max 100000")
    assert within(tmp_path, "0::/system.slice/cloud.service") == 2

    group(tmp_path / "groups" / "system.slice" / "cloud.service", cpu__max="100000 100000")
    assert within(tmp_path, "0::/system.slice/cloud.service") == 1
