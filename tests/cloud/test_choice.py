"""What runs a net is chosen by trying, falls back to what every machine has, and never changes what is answered."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from sensorium_cloud.fuse.trials import largest_difference
from sensorium_cloud.runtime.choice import Floats, Task, as_told, candidates, choose, decided
from sensorium_cloud.runtime.net import Provider, multiplies_bfloat16

CPU, CUDA, OPENVINO, BF16 = Provider
WITHOUT_AMX = [CPU, CUDA, OPENVINO]
EVERYTHING = [*WITHOUT_AMX, BF16]
MORE = math.inf
"""For a net that answers more than it was asked."""


@pytest.mark.parametrize(
    ("wanted", "there", "tried"),
    [
        ("auto", WITHOUT_AMX, [CUDA, OPENVINO]),
        ("auto", EVERYTHING, [CUDA, BF16]),
        ("auto", [CPU], []),
        ("openvino", EVERYTHING, [OPENVINO]),
        ("openvino-bf16", WITHOUT_AMX, []),
        ("cpu", EVERYTHING, []),
    ],
)
def test_each_runtime_is_tried_once_at_its_fastest_unless_one_is_named(
    wanted: str, there: list[Provider], tried: list[Provider]
) -> None:
    assert candidates(wanted, there) == tried


@pytest.mark.parametrize(
    ("wanted", "ms", "best"),
    [
        ("auto", {CPU: 3, CUDA: 2, BF16: 1}, BF16),
        ("auto", {CPU: 3, CUDA: 2.9, BF16: 2.8}, CPU),
        ("auto", {CPU: 3}, CPU),
        ("auto", {}, CPU),
        ("cuda", {CPU: 1, CUDA: 2}, CUDA),
        ("cuda", {CPU: 1}, CPU),
    ],
)
def test_the_fastest_is_taken_if_it_is_worth_it_or_named(
    wanted: str, ms: dict[Provider, float], best: Provider
) -> None:
    assert decided(wanted, ms) is best


# --- trying ----------------------------------------------------------------------------


@dataclass
class ANet:
    """Answers with one number."""

    answer: float
    prepared: bool = False
    asked: int = 0

    def prepare(self) -> None:
        self.prepared = True

    def begin(self) -> Callable[[], object]:
        return self.answers

    def answers(self) -> Floats:
        self.asked += 1
        return np.full(3, 0.7) if self.answer == MORE else np.array([0.5, self.answer])


@dataclass
class Machine:
    """What a machine has, and the nets that were made on it; what is not there cannot be made."""

    answers: dict[Provider, float]
    made: dict[Provider, ANet] = field(default_factory=dict)

    def make(self, provider: Provider) -> ANet:
        if provider not in self.answers:
            raise OSError("no such driver\nand more")
        return self.made.setdefault(provider, ANet(self.answers[provider]))

    def choose(self, wanted: str, there: Collection[Provider]) -> ANet:
        return choose(Task("fusion", ANet.begin, ANet.answers, largest_difference, 0.05), wanted, self.make, there)


def test_where_there_is_nothing_to_choose_nothing_is_tried() -> None:
    machine = Machine({CPU: 0.7})

    net = machine.choose("auto", [CPU])

    assert net.asked == 0


def test_only_what_is_taken_is_prepared() -> None:
    machine = Machine({CPU: 0.7, BF16: 0.71})

    net = machine.choose("openvino-bf16", EVERYTHING)

    assert net is machine.made[BF16]
    assert {provider: made.prepared for provider, made in machine.made.items()} == {CPU: False, BF16: True}


@pytest.mark.parametrize("answer", [0.8, math.nan, MORE])
def test_who_answers_otherwise_is_done_without_and_that_is_said_loudly(
    answer: float, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine({CPU: 0.7, BF16: answer})

    with caplog.at_level(logging.WARNING):
        assert machine.choose("openvino-bf16", EVERYTHING) is machine.made[CPU]

    differs, unavailable, chosen = (record.getMessage() for record in caplog.records)
    assert differs.startswith("engine.provider_differs net=fusion name=openvino-bf16 apart=")
    assert unavailable == "engine.provider_unavailable net=fusion wanted=openvino-bf16 used=cpu"
    assert chosen.startswith("engine.provider net=fusion name=cpu cpu_ms=")


def test_what_cannot_be_used_is_said_loudly_and_done_without(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine({CPU: 0.7})

    with caplog.at_level(logging.WARNING):
        assert machine.choose("openvino", [CPU]) is machine.made[CPU]
        assert machine.choose("cuda", EVERYTHING) is machine.made[CPU]

    assert [record.getMessage().partition(" cpu_ms=")[0] for record in caplog.records] == [
        'engine.provider_unavailable net=fusion wanted=openvino used=cpu needs=pip install "sensorium[openvino]"',
        "engine.provider_failed net=fusion name=cuda reason=no such driver",
        "engine.provider_unavailable net=fusion wanted=cuda used=cpu",
        "engine.provider net=fusion name=cpu",
    ]


def test_what_was_tried_elsewhere_is_made_as_told_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine({CPU: 0.7, BF16: 0.9})
    task = Task("fusion", ANet.begin, ANet.answers, largest_difference, 0.05)

    assert as_told(task, "openvino-bf16", machine.make, EVERYTHING) is machine.made[BF16]
    assert (list(machine.made), machine.made[BF16].prepared, machine.made[BF16].asked) == ([BF16], True, 0)
    assert as_told(task, "cuda", machine.make, EVERYTHING) is machine.made[CPU]
    assert as_told(task, "openvino", machine.make, [CPU]) is machine.made[CPU]
    assert [message.partition(" needs=")[0] for message in caplog.messages] == [
        "engine.provider_failed net=fusion name=cuda reason=no such driver",
        "engine.provider_unavailable net=fusion wanted=cuda used=cpu",
        "engine.provider_unavailable net=fusion wanted=openvino used=cpu",
    ]


def test_a_processor_is_asked_whether_it_multiplies_bfloat16(tmp_path: Path) -> None:
    (tmp_path / "with").write_text("flags\t\t: fpu amx_bf16 avx512_fp16\n")
    (tmp_path / "without").write_text("flags\t\t: fpu avx512_bf16\n")

    assert [multiplies_bfloat16(tmp_path / name) for name in ("with", "without", "nowhere")] == [True, False, False]
