"""Training, measuring and writing the cloud's fusion, from made-up evidence to its two halves, in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

import onnx
import torch
from models.build.fusion.events import __main__ as build
from models.build.fusion.events import measure, shipped
from models.build.fusion.events.bank import Bank, Floats
from models.build.fusion.events.lines import DENIED, Split
from models.build.fusion.export import ExportError
from onnx import numpy_helper

from sensorium import concepts
from sensorium.event import Modality
from sensorium_cloud.fuse.network import Network, read_card, softmax
from sensorium_cloud.fuse.reading import Manner, Read

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's exporter warns about itself
SIZES = {"video": 1280, "audio": 256, "text": 384, "gesture": 128, "haptic": 64, "biometric": 32}
HALVES = ("fusion_senses.onnx", "fusion.onnx")


class MadeUp(build.World):
    """Random evidence under the names real evidence has; no encoder is asked."""

    def __init__(self, out: Path) -> None:
        self.out, self.vocabulary, self.manner = out, concepts.load(), Manner()
        rng = np.random.default_rng(0)
        self.concepts = unit(rng, len(self.vocabulary))
        named = {m: {label for c in self.vocabulary for label in c.labels.get(m, ())} | {""} for m in Modality}
        named[Modality.TEXT] = {c.name for c in self.vocabulary} | {""}
        named[Modality.AUDIO] = {"speech", ""}
        rows = {
            m: {n: rng.normal(size=(3, SIZES[m])).astype(np.float32) for n in sorted(some)} for m, some in named.items()
        }
        read = {
            name: Read(unit(rng, 3), rng.random(3, np.float32), np.zeros(3, np.intp))
            for name in (*rows[Modality.TEXT], DENIED)
        }
        self._bank = Bank(rows, read)

    def bank(self, split: Split) -> Bank:
        return self._bank


def unit(rng: np.random.Generator, count: int) -> Floats:
    rows = rng.normal(size=(count, 384))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeUp:
    """A world whose fusion was trained for a moment, measured and written."""
    world = MadeUp(tmp_path_factory.mktemp("events"))
    with pytest.MonkeyPatch.context() as few:
        few.setattr(build, "_SCENES", 300)
        few.setattr(build, "_BATCH", 32)
        few.setattr(measure, "_SCENES", 60)
        few.setattr(measure, "WRONG_NAMES", 1.0)  # a shift there is, as far as it goes
        build.train(world, 12)
        build.evaluate(world)
    build.export(world)
    return world


def bias(path: Path) -> float:
    held = {one.name: one for one in onnx.load(str(path)).graph.initializer}
    return float(numpy_helper.to_array(held["net.none.bias"])[0])


def test_the_cloud_runs_what_is_written_and_says_what_torch_says(made: MadeUp) -> None:
    card = read_card(made.out / "fusion.json")
    senses, meeting = (made.out / half for half in HALVES)
    network = Network(senses, meeting, card, made.concepts)
    by_torch, by_cloud = (
        measure.Examiner(made.vocabulary, made.concepts, made.bank("exam"), run, 1)
        for run in (made.run, shipped.runner(network))
    )
    by_torch.shift = card.about["shift"]
    scenes = [by_torch.mixer.agreement() for _ in range(40)]

    said, expected = (softmax(one.logits(scenes) / card.temperature) for one in (by_cloud, by_torch))

    assert said == pytest.approx(expected, abs=1e-4)
    assert card.about["onnx_against_torch"] <= 1e-4


def test_the_bar_of_both_halves_is_the_trained_one_less_the_shift_the_card_tells(made: MadeUp) -> None:
    state, card = torch.load(made.weights(), weights_only=True), read_card(made.out / "fusion.json")

    assert card.about["shift"] != 0
    settled = float(state["none.bias"]) - card.about["shift"] / card.scale

    assert [bias(made.out / half) for half in HALVES] == pytest.approx([settled, settled], abs=1e-6)


def test_the_halves_tell_nothing_of_the_machine(made: MadeUp) -> None:
    for half in HALVES:
        assert str(Path(build.__file__).parent).encode() not in (made.out / half).read_bytes()


def test_figures_of_other_weights_are_not_written_into_a_card(made: MadeUp, tmp_path: Path) -> None:
    world = MadeUp(tmp_path)
    world.weights().write_bytes(made.weights().read_bytes())
    with pytest.raises(ExportError, match="run `evaluate` first"):
        build.export(world)
    figures = json.loads((made.out / "figures.json").read_text())
    (tmp_path / "figures.json").write_text(json.dumps(figures | {"of": "other weights"}))

    with pytest.raises(ExportError, match="not of these weights"):
        build.export(world)

    assert not (tmp_path / "fusion.onnx").exists()


def test_what_was_not_trained_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="run `train` first"):
        build.export(MadeUp(tmp_path))
