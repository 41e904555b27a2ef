"""Set-up finds a Python that will do, or says in one line what to install."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from models.shelf import Shelf

from sensorium_models.pip_trouble import explain

SCRIPT = Path(__file__).parents[2] / "tools" / "bootstrap.py"


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "STAMP", tmp_path / "set-up.json")
    return module


def only(shelf: Shelf, **pythons: str) -> None:
    """Leave only these Pythons on the path, each answering as given."""
    shelf.patch.setattr(sys, "executable", "/none")
    shelf.patch.setenv("PATH", str(shelf.folder / "bin"))
    for name, answer in pythons.items():
        shelf.command(name.replace("_", "."), answer)


def test_takes_the_newest_supported_python_that_runs(bootstrap: ModuleType, shelf: Shelf) -> None:
    only(shelf, python3_13="exit 127", python3_12="echo 3 12 1", python3_11="echo 3 11 1")

    assert bootstrap.find_python().endswith("python3.12")


def test_without_ensurepip_names_the_package_that_brings_it(bootstrap: ModuleType, shelf: Shelf) -> None:
    only(shelf, python3_11="echo 3 11 0")

    with pytest.raises(bootstrap.Trouble, match=r"sudo apt install python3\.11-venv$"):
        bootstrap.find_python()


def test_without_any_supported_python_says_what_to_install(bootstrap: ModuleType, shelf: Shelf) -> None:
    only(shelf, python3_11="echo 3 9 1")

    with pytest.raises(bootstrap.Trouble, match=r"no Python 3\.11, 3\.12 or 3\.13 here"):
        bootstrap.find_python()


def test_trusts_a_stamp_only_for_what_it_covers(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "STORES", ())
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    bootstrap.STAMP.write_text(bootstrap.json.dumps({"key": bootstrap.key(), "extras": ["agent", "cloud"]}))

    assert bootstrap.is_done({"agent"})
    assert not bootstrap.is_done({"agent", "dev"})


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("WARNING: Retrying ... NewConnectionError\nERROR: No matching distribution found for a", "no network"),
        ("ERROR: Could not find a version that satisfies a==9", "the package index has no such version"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        ("/usr/bin/python3: No module named pip", "this Python has no pip: sudo apt install"),
        ("warning\nERROR: something new\n", "something new"),
        ("", "pip failed and said nothing"),
    ],
)
def test_pips_errors_become_one_line(output: str, expected: str) -> None:
    assert explain(output).startswith(expected)
