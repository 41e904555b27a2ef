"""What libraries print is sorted without a disk."""

from __future__ import annotations

import os
import tempfile

import pytest

from sensorium_agent.chatter import held_back


def test_only_what_is_known_is_kept_from_standard_error_and_a_full_disk_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with held_back(b"Note: ", b"libpng "):
        os.write(2, b"libpng warning\nours\nNote: Xing\nand ours")

    assert capfd.readouterr().err == "ours\nand ours"
