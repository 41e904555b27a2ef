"""A version that kills the agent is given up at the third start; a power cut takes nothing from one that is proven."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from agent.test_shelf import LIMITS, a_version, feed, folder, happened

from sensorium.clock import boot_id
from sensorium_agent.infer.runtime.canary import Limits, is_proven
from sensorium_agent.infer.runtime.probation import Probation
from sensorium_agent.infer.runtime.shelf import Shelf
from sensorium_models import blobs, choice, store
from sensorium_models.choice import VersionDeadly

__all__ = ["folder"]


@dataclass
class Agents:
    """One agent after the other, on one clock; who is not ended in order has died."""

    now_s: float = 0.0
    boot: int = 0
    probation: Probation = field(init=False)
    shelf: Shelf = field(init=False)

    def start(self, blob: str) -> None:
        self.probation = Probation(LIMITS, lambda: self.now_s, f"boot {self.boot}")
        self.probation.begin("tiny", blob, 0)
        self.shelf = Shelf(limits=LIMITS)
        self.shelf.model("tiny")

    def run(self, samples: int, minutes: float) -> None:
        feed(self.shelf, samples)
        self.now_s += 60 * minutes
        self.probation.look(self.shelf._models)

    def end(self) -> None:
        self.probation.look(self.shelf._models, ended=True)


@pytest.fixture
def blob(folder: Path) -> str:
    made: str = a_version(folder)
    store.choose("tiny", lambda now: now.using(made))
    return made


def test_the_third_start_after_two_deaths_is_refused(blob: str) -> None:
    agents = Agents()
    for _ in range(2):
        agents.start(blob)
        agents.run(samples=25, minutes=9)

    with pytest.raises(VersionDeadly, match=r"^the agent died 2 times in a row while it ran$"):
        agents.start(blob)


def test_two_power_cuts_give_up_nothing_and_a_version_with_which_the_machine_always_goes_down_is_given_up(
    blob: str,
) -> None:
    agents = Agents()
    for boot in range(5):
        agents.boot = boot
        agents.start(blob)
    agents.boot = 5

    with pytest.raises(VersionDeadly, match=r"^the agent died 5 times in a row while it ran$"):
        agents.start(blob)


def test_power_cuts_between_hide_no_deaths_of_the_agent_alone(blob: str) -> None:
    agents = Agents()
    for boot in (0, 0, 1):
        agents.boot = boot
        agents.start(blob)

    with pytest.raises(VersionDeadly):
        agents.start(blob)


def test_an_end_in_order_between_two_deaths_is_no_row(blob: str) -> None:
    agents = Agents()
    for dies in (True, False, True, False, True):
        agents.start(blob)
        if not dies:
            agents.end()

    assert store.versions("tiny").unended == {blob: ["boot 0"]}
    assert store.versions("tiny").proven == {}  # it never ran


@pytest.mark.parametrize("ends", [True, False])
def test_power_cuts_take_nothing_from_a_version_that_is_proven(blob: str, ends: bool) -> None:
    agents = Agents()
    agents.start(blob)
    agents.run(samples=25, minutes=1 if ends else 11)
    if ends:
        agents.end()
    for _ in range(5):
        agents.start(blob)

    assert store.versions("tiny").chosen == blob
    assert store.versions("tiny").proven == {blob: f"25 runs in {1 if ends else 11} min"}


def test_time_alone_proves_nothing_of_a_network_that_hardly_ran() -> None:
    limits = Limits()

    assert not is_proven(limits.runs - 1, 1e6, limits, ended=True)
    assert not is_proven(10**6, limits.proof_s - 1, limits, ended=False)
    assert is_proven(limits.runs, limits.proof_s, limits, ended=False)


def test_the_store_is_written_when_a_version_begins_and_when_it_is_proven_and_not_between(
    blob: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def keep(path: Path, content: bytes) -> None:
        written.append(path.name)
        blobs.keep(path, content)

    monkeypatch.setattr(choice, "keep", keep)
    agents = Agents()
    agents.start(blob)
    for _ in range(60):
        agents.run(samples=5, minutes=0.5)
    agents.end()
    agents.start(blob)
    agents.end()

    assert written == ["tiny.json"] * 2


def test_a_candidate_that_kills_is_not_tried_a_third_time(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = a_version(folder)
    store.choose("tiny", lambda now: now.trying(made))
    for _ in range(2):
        Probation(LIMITS, lambda: 0.0, boot_id()).begin("tiny", made, 0)
    shelf = Shelf(limits=LIMITS)

    with shelf.on_probation():
        shelf.model("tiny")
        changes = shelf.look()

    assert happened(changes) == [("rolled_back", made[:12])]
    assert store.versions("tiny").candidate == ""
    assert f"used=shipped again='sensorium models canary tiny {made[:12]} --again'" in caplog.text


def test_a_version_that_is_chosen_while_the_agent_runs_is_on_probation_too(folder: Path) -> None:
    shelf, made = Shelf(limits=LIMITS), a_version(folder)
    with shelf.on_probation():
        shelf.model("tiny")
        store.choose("tiny", lambda now: now.using(made))
        shelf.look()
        during = store.versions("tiny").unended
        feed(shelf)

    assert during == {made: [boot_id()]}
    assert made in store.versions("tiny").proven


def test_agents_side_by_side_are_no_row_of_deaths(blob: str) -> None:
    shelves = [Shelf(limits=LIMITS) for _ in range(4)]
    with shelves[0].on_probation(), shelves[1].on_probation(), shelves[2].on_probation(), shelves[3].on_probation():
        assert {shelf.model("tiny").blob for shelf in shelves} == {blob}
        assert store.versions("tiny").unended == {blob: [boot_id()]}


def test_a_store_that_cannot_be_written_keeps_no_agent_from_its_version(
    blob: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(choice, "keep", full)
    shelf = Shelf(limits=LIMITS)
    with shelf.on_probation():
        assert shelf.model("tiny").blob == blob

    assert "model.choice_not_written name=tiny" in caplog.text


# --- a real agent that dies --------------------------------------------------------------

_DEADLY = """
import os, signal, sys
from sensorium_agent.__main__ import main
from sensorium_agent.infer.runtime import shelf

load = shelf.load

class Deadly:
    def __init__(self, model): self._model = model
    def __getattr__(self, name): return getattr(self._model, name)
    def run(self, *inputs): os.kill(os.getpid(), signal.SIGSEGV)

shelf.load = lambda path, **how: (Deadly if path.name == sys.argv[1] else lambda m: m)(load(path, **how))
sys.exit(main(sys.argv[2:]))
"""
"""The command, with one version of a network that breaks the process when it is asked."""


def test_a_real_agent_takes_the_former_version_after_two_segmentation_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_MODELS", str(tmp_path / "store"))
    (tmp_path / "said.txt").write_text("please stop\n")
    file = tmp_path / "twin.onnx"
    file.write_bytes(store.path("device_fusion").read_bytes() + b"\x12\x04twin")  # another producer_name
    blob = store.add("device_fusion", file)
    store.choose("device_fusion", lambda now: now.using(blob))

    def start() -> subprocess.CompletedProcess[str]:
        words = ["run", "--play", str(tmp_path / "said.txt"), "--live", "--jsonl"]
        command = [sys.executable, "-c", _DEADLY, blob, *words]
        return subprocess.run(command, env={**os.environ}, capture_output=True, text=True, timeout=60, check=False)

    deaths, third = [start().returncode for _ in range(2)], start()

    assert deaths == [-signal.SIGSEGV] * 2
    assert third.returncode == 0
    assert '"type":"symbol"' in third.stdout
    (line,) = [line for line in third.stderr.splitlines() if "model.rolled_back" in line]
    assert f"name=device_fusion version={blob[:12]} reason='the agent died 2 times in a row while it ran'" in line
    assert line.endswith(f"used=shipped again='sensorium models use device_fusion {blob[:12]} --again'")
    assert store.versions("device_fusion").chosen == ""
    assert start().returncode == 0  # and it stays so
