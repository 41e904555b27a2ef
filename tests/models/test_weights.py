"""The weights that are committed: what they tell of where they were made, which is nothing."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUFFIXES = {".onnx", ".tflite", ".npz", ".json"}
WEIGHTS = sorted(
    path
    for folder in (ROOT / "models" / "weights", ROOT / "tests" / "models")
    for path in folder.rglob("*")
    if path.suffix in SUFFIXES
)
MAKER = re.compile(
    rb"""File\ " | site-packages                             # a stack trace, as torch's exporter notes it of each node
       | /(?:home|root|Users|tmp|var|usr|opt|srv|mnt)/     # a folder
       | (?:/[\w.-]+){2,}\.py\b                            # a script
    """,
    re.VERBOSE,
)


def parts(path: Path) -> Iterator[bytes]:
    """The file, or what is packed in it; letters of NumPy's strings, four bytes each, side by side."""
    if path.suffix != ".npz":
        yield path.read_bytes()
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            member = archive.read(name)
            yield member
            yield member.replace(b"\0", b"")


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.name)
def test_tells_no_folder_of_the_machine_that_made_it(path: Path) -> None:
    told = [found.group() for part in parts(path) for found in MAKER.finditer(part)]

    assert not told


@pytest.mark.parametrize(
    "note",
    [
        b'File "net.py", line 3, in forward',
        b"/home/somebody/net.onnx",
        b"/data/training/net.py",
        b"lib/python3.11/site-packages/torch",
    ],
)
def test_a_note_of_the_exporter_would_be_found(note: bytes) -> None:
    assert MAKER.search(b"\x12\x05trace" + note + b"\x00")
