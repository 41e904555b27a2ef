"""Strokes that were taught: kept, dropped, exported, and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorium_agent.infer.touch.taught import Strokes, StrokesError, parse, read, write

VEE = np.array([(0.2, 0.2), (0.4, 0.7), (0.6, 0.2)])
LINE = np.array([(0.2, 0.2), (0.6, 0.2)])


def known() -> Strokes:
    strokes = Strokes()
    strokes.teach("vee", [VEE])
    strokes.teach("vee", [VEE + 0.1])
    strokes.teach("dash", [LINE])
    return strokes


def test_examples_are_counted_by_name() -> None:
    assert dict(known().names) == {"vee": 2, "dash": 1}


def test_a_name_is_forgotten_with_all_its_examples() -> None:
    strokes = known()

    assert (strokes.forget("vee"), strokes.forget("nobody")) == (2, 0)
    assert dict(strokes.names) == {"dash": 1}
    assert [m.name for m in strokes.nearest([VEE])] == ["dash"]


def test_what_is_exported_is_read_again() -> None:
    again = parse(known().export())

    assert again.examples == known().examples
    assert again.nearest([VEE])[0].name == "vee"


def test_strokes_are_kept_in_a_file_that_need_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "new" / "strokes.json"
    assert not read(path).names

    write(path, known())

    assert read(path).names == known().names
    assert [p.name for p in path.parent.iterdir()] == ["strokes.json"]


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"version": 9, "strokes": []}', b'{"version": 1, "strokes": [{}]}', b"\xff"]
)
def test_a_damaged_file_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(StrokesError, match=r"^here: [^\n]*$"):
        parse(data, "here")


def test_a_file_of_a_newer_version_asks_for_an_update_whatever_else_it_holds() -> None:
    with pytest.raises(StrokesError, match="version 9 is not known here; update Sensorium"):
        parse(b'{"version": 9, "drawings": {}}', "here")


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StrokesError, match="check the path"):
        read(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StrokesError, match="check the path"):
        write(tmp_path / "file" / "strokes.json", known())


@pytest.mark.parametrize(
    ("name", "paths", "reason"),
    [
        ("Vee!", [VEE], "is no name"),
        ("vee", [VEE * 0], "did not move"),
        ("vee", [VEE[:1]], "one path of points"),
        ("vee", [], "one path of points"),
        ("vee", [VEE * np.nan], "did not move"),
    ],
)
def test_a_bad_example_is_refused(name: str, paths: list[np.ndarray], reason: str) -> None:
    with pytest.raises(StrokesError, match=reason):
        Strokes().teach(name, paths)


def test_a_second_name_as_near_makes_the_first_less_sure() -> None:
    strokes = Strokes()
    strokes.teach("vee", [VEE])
    sure = strokes.answer([VEE]).score
    strokes.teach("twin", [VEE * [1.0, 1.05]])

    assert strokes.answer([VEE]).score < 0.8 < sure
