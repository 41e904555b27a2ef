"""What runs the fusion is chosen by measuring, and falls back to what every machine has."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from sensorium_cloud.runtime import Provider, chosen

EVERYTHING = [Provider.CPU, Provider.CUDA, Provider.OPENVINO]


def takes(**ms: float | None) -> Callable[[Provider], float]:
    def measure(provider: Provider) -> float:
        if (found := ms.get(provider)) is None:
            raise OSError("no such driver\nand more")
        return found / 1e3

    return measure


@pytest.mark.parametrize(
    ("wanted", "ms", "best"),
    [
        ("auto", {"cpu": 3, "cuda": 2, "openvino": 1}, Provider.OPENVINO),
        ("auto", {"cpu": 3, "cuda": 2.9, "openvino": 2.8}, Provider.CPU),
        ("auto", {"cpu": 3}, Provider.CPU),
        ("cuda", {"cpu": 1, "cuda": 2, "openvino": 1}, Provider.CUDA),
        ("cpu", {}, Provider.CPU),
    ],
)
def test_the_fastest_is_taken_unless_one_is_named(wanted: str, ms: dict[str, float], best: Provider) -> None:
    assert chosen(wanted, EVERYTHING, takes(**ms)) is best


def test_what_cannot_be_used_is_said_loudly_and_done_without(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert chosen("openvino", [Provider.CPU], takes(cpu=3)) is Provider.CPU
        assert chosen("cuda", EVERYTHING, takes(cpu=3)) is Provider.CPU

    assert [record.getMessage() for record in caplog.records] == [
        "engine.provider_unavailable wanted=openvino used=cpu",
        "engine.provider_failed name=cuda reason=no such driver",
        "engine.provider_unavailable wanted=cuda used=cpu",
        "engine.provider name=cpu cpu_ms=3.00",
    ]
