"""The documented example of the service's settings."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from sensorium_cloud._app.settings import Settings, load

EXAMPLE = Path(__file__).parents[2] / "systemd" / "cloud.toml"


def test_the_example_has_every_key_at_its_default() -> None:
    shown = tomllib.loads(EXAMPLE.read_text())

    assert shown == msgspec.json.decode(msgspec.json.encode(Settings()))
    assert load(EXAMPLE, {}) == Settings()
